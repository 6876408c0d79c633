import { describe, expect, it } from 'vitest';
import { memorySource } from '../../src/io/byte-source.ts';
import { cached } from '../../src/io/cached.ts';
import { counted, sourceDisk } from '../../src/io/disk.ts';

const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7) & 0xff));

function watched(blocks: number) {
  const reads: number[] = [];
  const disk = counted(sourceDisk(memorySource(bytes)), (n) => reads.push(n));
  return { reads, disk: cached(disk, { blockBytes: 64, blocks }) };
}

describe('cached', () => {
  it('gives the same bytes at odd offsets and lengths', async () => {
    const { disk } = watched(4);
    for (const [offset, length] of [
      [0, 1],
      [63, 2],
      [1, 500],
      [960, 40],
      [999, 1],
      [0, 1000],
      [1000, 0],
    ] as const) {
      const target = Buffer.alloc(length);
      await disk.read(target, offset);
      expect(target.equals(bytes.subarray(offset, offset + length))).toBe(true);
    }
  });

  it('reads a block once while it is kept, also when asked twice at once', async () => {
    const { disk, reads } = watched(2);
    const read = (offset: number) => disk.read(Buffer.alloc(8), offset);
    await Promise.all([read(0), read(8), read(40)]);
    expect(reads).toEqual([64]);
    await read(64);
    await read(0);
    await read(128); // drops block 1, which was not used for longest
    await read(0);
    expect(reads.length).toBe(3);
    await read(64);
    expect(reads.length).toBe(4);
  });

  it('does not keep a failure, and refuses what is past the end', async () => {
    let broken = true;
    const inner = sourceDisk(memorySource(bytes));
    const disk = cached({
      ...inner,
      async read(target, offset, signal) {
        if (broken) throw new Error('broken');
        return inner.read(target, offset, signal);
      },
    });
    await expect(disk.read(Buffer.alloc(4), 0)).rejects.toThrow('broken');
    broken = false;
    await disk.read(Buffer.alloc(4), 0);
    await expect(disk.read(Buffer.alloc(4), 998)).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
