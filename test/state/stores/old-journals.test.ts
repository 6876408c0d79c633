/** Journals that another version has written, and journals that are cut or damaged. */
import { appendFile, cp, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { entryOf } from '../../../src/state/history/entry.ts';
import { reportOf } from '../../../src/state/history/report.ts';
import { markdownOf } from '../../../src/state/history/report-markdown.ts';
import { History } from '../../../src/state/stores/history.ts';
import { tempFolder } from '../../temp.ts';

const id = '20260102-030405-0001';
const fixtures = join(import.meta.dirname, 'fixtures');

async function withJournal(text?: string | Uint8Array) {
  const folder = join(await tempFolder(), 'runs');
  await mkdir(folder);
  const path = join(folder, `${id}.jsonl`);
  if (text !== undefined) await writeFile(path, text);
  const history = new History(folder, { onFailure: () => undefined, redact: (line) => line });
  return { history, path };
}

async function withFixture(name: string) {
  const { history, path } = await withJournal();
  await cp(join(fixtures, `${name}.jsonl`), path);
  return { history, path };
}

describe('a journal', () => {
  it('of the first version is shown, and its plan can be run again', async () => {
    const { history } = await withFixture('first');
    expect(await history.list()).toMatchObject([
      { id, outcome: 'done', bytes: 262144, places: ['/srv/out/s.qcow2'] },
    ]);
    const entry = await entryOf(await history.get(id));
    expect(entry.plan).toMatchObject({ machine: { name: 's' }, destination: { format: 'qcow2' } });
    expect(entry).not.toHaveProperty('planProblem');
    expect(entry.planText.join('\n')).toContain('becomes s.qcow2');
    expect(entry.log.at(-1)!.text).toMatch(/^done: /);
    expect(entry.journal).toEqual({ truncated: false, damagedLines: 0, passedOver: {} });
    expect(markdownOf(entry)).toContain('| Machine | s |');
    expect(entry).not.toHaveProperty('partsOf');
  });

  it('of a version that told changes and failures is shown', async () => {
    const { history } = await withFixture('failed');
    const entry = await entryOf(await history.get(id));
    expect(entry).toMatchObject({
      outcome: 'failed',
      seconds: 0.036,
      failure: { kind: 'blocked', hint: expect.stringContaining('--force') },
      changes: [{ id: 'fstab.uuid', files: [{ path: '/etc/fstab' }] }],
    });
    expect(reportOf(entry)).toMatchObject({
      failure: { kind: 'blocked', where: null },
      by: { program: null },
    });
  });

  it('of a later version is shown as far as it is understood, kept as it is, and not run again', async () => {
    const { history, path } = await withFixture('newer');
    const before = await readFile(path);
    expect(await history.list()).toMatchObject([
      { outcome: 'unknown', newer: 2, program: '9.1.0', title: 'web01 to the moon', places: ['moon'] },
    ]);
    const entry = await entryOf(await history.get(id));
    expect(entry).toMatchObject({
      planProblem: expect.stringContaining('another version'),
      log: [{ text: 'lifting off', level: 'info' }],
      digests: [{ algorithm: 'blake9' }],
      other: [{ type: 'orbit', laps: 2 }],
      journal: { passedOver: { weather: 1 } },
    });
    expect(markdownOf(entry)).toContain('version 2, newer than this vmferry');
    expect(await readFile(path)).toEqual(before);
  });

  it('says why its plan can not be run again', async () => {
    const [start, plan] = (await readFile(join(fixtures, 'first.jsonl'), 'utf8')).split('\n');
    const changed = (change: (plan: Record<string, Record<string, unknown>>) => void) => {
      const line = JSON.parse(plan!);
      change(line.plan);
      return JSON.stringify(line);
    };
    const problems: [string, string][] = [
      ['', 'holds no plan'],
      [changed((p) => delete p.destination), 'destination'],
      [changed((p) => Object.assign(p.destination!, { teleport: true })), '"destination.teleport"'],
      [changed((p) => Object.assign(p, { version: 2 })), '2, and 1 is known here'],
    ];
    for (const [line, problem] of problems) {
      const { history } = await withJournal(`${start}\n${line}\n`);
      const entry = await entryOf(await history.get(id));
      expect(entry.planProblem).toContain(problem);
      expect(entry).not.toHaveProperty('plan');
    }
    const { history } = await withJournal(
      `${start}\n${changed((p) => Object.assign(p.machine!, { colour: 'red' }))}\n`,
    );
    expect(await entryOf(await history.get(id))).toHaveProperty('plan');
  });
});

it('is listed, opened and told of, wherever its journal was cut', async () => {
  const lines = [
    { type: 'start', version: 1, at: '2026-01-02T03:04:05.000Z', id, title: 'ü', pid: 2 ** 30, host: 'h' },
    { type: 'plan', at: '2026-01-02T03:04:05.000Z', plan: { version: 1 } },
    { type: 'acked', at: '2026-01-02T03:04:06.000Z', disk: 'd', to: 7 },
    { type: 'event', at: '2026-01-02T03:04:07.000Z', event: { type: 'progress', bytes: 7 } },
    { type: 'end', at: '2026-01-02T03:04:08.000Z', outcome: 'done', bytes: 9 },
  ];
  const whole = Buffer.from(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  const { history, path } = await withJournal('');
  const outcomes = new Set<string>();
  for (let length = 0; length <= whole.length; length++) {
    await writeFile(path, whole.subarray(0, length));
    const [summary, ...others] = await history.list();
    expect(others).toEqual([]);
    expect(summary).toMatchObject({ id, startedAt: '2026-01-02T03:04:05.000Z' });
    const entry = await entryOf(await history.get(id));
    expect(markdownOf(entry)).toContain(id);
    outcomes.add(`${entry.outcome} ${entry.bytes}`);
  }
  expect([...outcomes]).toEqual(['interrupted 0', 'interrupted 7', 'done 9']);
});

it('is shown when zeros or a piece of another file lie in it, and can be removed', async () => {
  const first = await readFile(join(fixtures, 'first.jsonl'));
  for (const [from, to] of [
    [0, 100],
    [100, 900],
    [first.length - 60, first.length],
  ] as const) {
    const broken = Buffer.from(first);
    broken.fill(0, from, to);
    const { history } = await withJournal(broken);
    const entry = await entryOf(await history.get(id));
    expect(entry.journal.damagedLines).toBeGreaterThan(0);
    expect(entry.log.length).toBeGreaterThan(5);
    await history.remove(id);
    expect(await history.list()).toEqual([]);
  }
});

it('is read past what another run needs to go on, within bounds', async () => {
  const { history, path } = await withFixture('first');
  const acked = `${JSON.stringify({ type: 'acked', at: '2026-01-02T03:04:06.000Z', runs: 'x'.repeat(60_000) })}\n`;
  for (let n = 0; n < 20; n++) await appendFile(path, acked.repeat(10));
  const end = { type: 'end', at: '2026-12-31T00:00:00.000Z', outcome: 'cancelled' };
  await appendFile(path, `${JSON.stringify(end)}\n`);
  expect((await stat(path)).size).toBeGreaterThan(12_000_000);
  // What is passed over does not count.
  const run = await history.get(id, 4096);
  expect(run).toMatchObject({
    truncated: false,
    passedOver: { acked: 200 },
    summary: { outcome: 'cancelled' },
  });
  expect(await history.get(id, 1000)).toMatchObject({ truncated: true });
});
