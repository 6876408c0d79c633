/**
 * Every environment × every environment: a machine with two disks goes there, is read back by the destination's own
 * source role, and compared, bytes and fields. What is not the same was told before anything happened, or this fails.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { describeWith, hasTool } from '../oracles/requires.ts';
import { libvirtdTools } from '../servers/libvirtd.ts';
import { vcsimTools } from '../servers/vcsim.ts';
import { type At, carry, type Place } from './carry.ts';
import { partsIn, tellersOf } from './covered.ts';
import { type Difference, differences } from './fields.ts';
import { firmwareFiles } from './native-seeds.ts';
import { type Circle, pagePath, pairsPage, type Way, writePage } from './page.ts';
import { startPlaces } from './places.ts';

const firmware = firmwareFiles.every((path) => existsSync(path)) ? [] : ['ovmf'];

const wayFrom = async (from: At, to: Place, name: string): Promise<Way> => {
  const { findings, there } = await carry(from, to, name);
  return { from, to: there, findings };
};

const namesOf = (ways: readonly Way[]): string =>
  [ways[0]!.from, ...ways.map(({ to }) => to)].map(({ place }) => place.label).join(' → ');

/** What is wrong with it, in words; `findings`: all that was shown on the way. */
function wrongWith(ways: readonly Way[], changed: readonly Difference[]): string[] {
  const findings = ways.flatMap((way) => way.findings);
  // On a longer way each environment has its own names of the disks.
  const named = ways.length === 1 ? changed : changed.map(({ names: _, ...one }) => one);
  const untold = named.filter((one) => tellersOf(one, findings).length === 0);
  const [first, last] = [ways[0]!.from, ways.at(-1)!.to];
  return [
    ...(first.digests.join() === last.digests.join() ? [] : ['the bytes of its disks differ']),
    ...untold.map(
      ({ field, before, after }) => `nobody was told that ${field} changes from ${before} to ${after}`,
    ),
  ].map((what) => `${namesOf(ways)}: ${what}`);
}

/** Told that it changes, and it does not. */
function falselyTold(way: Way): string[] {
  const changed = differences(way.from.told, way.to.told).map(({ field }) => field);
  const told = way.findings.filter(({ rule }) => rule === 'machine.parts-not-carried');
  const parts = told.flatMap(({ evidence }) => partsIn(evidence));
  return parts
    .filter((part) => !changed.includes(part))
    .map((part) => `${namesOf([way])}: it was told that ${part} changes, and it does not`);
}

async function inCircle(start: At, round: readonly Place[], name: string): Promise<Circle> {
  const ways: Way[] = [];
  for (const to of [...round, start.place]) ways.push(await wayFrom(ways.at(-1)?.to ?? start, to, name));
  return { ways, changed: differences(start.told, ways.at(-1)!.to.told) };
}

describeWith([...libvirtdTools, ...vcsimTools, ...firmware], 'all pairs of environments', () => {
  it('keep every byte, and tell every other change beforehand; the page says so', async () => {
    const { starts, old } = await startPlaces();
    const ways: Way[][] = [];
    // A destination has one of them at a time.
    for (const from of starts)
      ways.push(await Promise.all(starts.map(({ place: to }) => wayFrom(from, to, `from ${from.place.id}`))));
    const [first, ...others] = starts.map(({ place }) => place);
    expect(first).toBe(old.place);
    const circles = [
      await inCircle(starts[0]!, others, 'round'),
      await inCircle(old, others.toReversed(), 'round the other way'),
    ];

    expect(ways.flat().flatMap((way) => wrongWith([way], differences(way.from.told, way.to.told)))).toEqual(
      [],
    );
    expect(circles.flatMap((circle) => wrongWith(circle.ways, circle.changed))).toEqual([]);
    expect(ways.flat().flatMap(falselyTold)).toEqual([]);

    const page = await pairsPage(starts, ways, circles);
    if (process.env.WRITE_PAIRS === '1') await writePage(page);
    // With swtpm libvirt gives a machine a TPM.
    if (!hasTool('swtpm')) expect(await readFile(pagePath, 'utf8'), 'run npm run docs:pairs').toBe(page);
  });
});
