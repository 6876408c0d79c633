/** What a journal is worth to a run that goes on: after a kill, after a power cut, with lines that are torn or lie. */
import { describe, expect, it } from 'vitest';
import type { Resumption } from '../../../src/convert/resumption.ts';
import { type JournalLine, parseLine } from '../../../src/state/stores/journal-lines.ts';
import { ResumeWriter, resumableOf } from '../../../src/state/stores/resume-lines.ts';

const MiB = 2 ** 20;
const identity = { disk: 'd', name: 'd', size: 40 * MiB, format: 'raw', modifiedAt: 7, samples: [] };

function paper() {
  const lines: JournalLine[] = [];
  return {
    lines,
    journal: {
      line: (type: string, data: object) =>
        void lines.push(parseLine(JSON.stringify({ type, at: '2026-01-01T00:00:00.000Z', ...data }))!),
      written: async () => undefined,
    },
  };
}

const advance = (from: number, to: number) => ({
  ...{ from: from * MiB, to: to * MiB },
  runs: [{ offset: from * MiB, length: MiB }],
});

async function written(): Promise<JournalLine[]> {
  const { lines, journal } = paper();
  const writer = new ResumeWriter(journal, 'boot 1');
  await writer.source([identity]);
  await writer.file('d.raw');
  await writer.advanced('d', advance(0, 8), true);
  await writer.advanced('d', advance(8, 12), false);
  await writer.advanced('d', advance(12, 24), false);
  return lines;
}

function left(
  lines: readonly JournalLine[],
  boot: string | undefined,
): { to: number; bytes: number; of: Resumption } {
  const found = resumableOf(lines, boot);
  if ('reason' in found) throw new Error(found.reason);
  return { to: found.resumption.disks.get('d')!.to / MiB, bytes: found.bytes, of: found.resumption };
}

describe('what was acknowledged', () => {
  it('counts all after a kill, and only what was flushed after a power cut', async () => {
    const lines = await written();
    expect(left(lines, 'boot 1')).toMatchObject({ to: 24, bytes: 3 * MiB });
    expect(left(lines, 'boot 2')).toMatchObject({ to: 8, bytes: MiB });
    expect(left(lines, undefined)).toMatchObject({ to: 8 });
    expect([...left(lines, 'boot 1').of.files]).toEqual(['d.raw']);
  });

  it('ends before a line that is missing or does not follow the one before', async () => {
    const lines = await written();
    const acked = lines.findIndex(({ data }) => data.from === 8 * MiB);
    expect(left([...lines.slice(0, acked), ...lines.slice(acked + 1)], 'boot 1').to).toBe(8);
    const lies = lines.map((line, i) =>
      i === acked ? { ...line, data: { ...line.data, runs: [0, 1e9] } } : line,
    );
    expect(left(lies, 'boot 1').to).toBe(8);
  });

  it('is nothing once it was removed, has ended well, or never began', async () => {
    const lines = await written();
    const end = (outcome: string) => parseLine(JSON.stringify({ type: 'end', at: lines[0]!.at, outcome }))!;
    const removed = parseLine(JSON.stringify({ type: 'taken-back', at: lines[0]!.at }))!;
    expect(resumableOf([...lines, removed], 'boot 1')).toHaveProperty('reason');
    expect(resumableOf([...lines, end('done')], 'boot 1')).toHaveProperty('reason');
    expect(resumableOf([], 'boot 1')).toHaveProperty('reason');
    expect(left([...lines, end('failed')], 'boot 1').to).toBe(24);
  });

  it('of a very scattered disk is several lines, of which the last one makes it count', async () => {
    const { lines, journal } = paper();
    const writer = new ResumeWriter(journal, 'boot 1');
    await writer.source([identity]);
    const runs = Array.from({ length: 30_000 }, (_, i) => ({ offset: i * 1024, length: 512 }));
    await writer.advanced('d', { from: 0, to: 36 * MiB, runs }, false);
    expect(lines.filter(({ type }) => type === 'acked')).toHaveLength(2);
    expect(left(lines, 'boot 1')).toMatchObject({ to: 36, bytes: 30_000 * 512 });
    expect(left(lines.slice(0, -1), 'boot 1').to).toBe(0);
  });

  it('is carried on by the run that goes on, which takes it over only then', async () => {
    const before = left(await written(), 'boot 1').of;
    const { lines, journal } = paper();
    const claimed: number[] = [];
    const claim = async () => void claimed.push(lines.length);
    const writer = new ResumeWriter(journal, 'boot 2', { resumption: before, claim });
    await writer.source([identity]);
    expect(claimed).toEqual([lines.length]);
    // A power cut may still take what was not flushed then.
    expect(left(lines, 'boot 2').to).toBe(24);
    expect(left(lines, 'boot 3').to).toBe(8);
    await writer.advanced('d', advance(24, 28), true);
    expect(left(lines, 'boot 2')).toMatchObject({ to: 28, bytes: 4 * MiB });
  });
});
