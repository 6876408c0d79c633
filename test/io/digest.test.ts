import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { memorySource } from '../../src/io/byte-source.ts';
import { blockBytes, type DiskDigest, diskDigest, leafBytes } from '../../src/io/digest.ts';
import { blockHash } from '../../src/io/digest-hash.ts';
import { blocksOfData, digested } from '../../src/io/digested.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';
import { type Extent, ExtentList } from '../../src/io/extents.ts';
import { xxh3 } from '../../src/io/xxh3.ts';

const KiB = 1024;
const MiB = KiB * KiB;

interface Stretch {
  readonly from: number;
  readonly to: number;
}

/** A disk with data in these stretches only; tells each read. */
function diskOf(size: number, stretches: readonly Stretch[], onRead?: (from: number, to: number) => void) {
  const bytes = Buffer.alloc(size);
  for (const { from, to } of stretches) {
    for (let at = from; at < to; at++) bytes[at] = (at * 31 + (at >> 11)) & 255;
  }
  const inner = sourceDisk(memorySource(bytes));
  const disk: Disk = {
    ...inner,
    async read(target, offset) {
      onRead?.(offset, offset + target.length);
      await inner.read(target, offset);
    },
    async extents(from, to) {
      const out = new ExtentList(from);
      for (const stretch of stretches) {
        const a = Math.max(from, stretch.from);
        const b = Math.min(to, stretch.to);
        if (a >= b) continue;
        out.push('zero', a - out.end);
        out.push('data', b - a);
      }
      out.push('zero', to - out.end);
      return out.list;
    },
  };
  return { bytes, disk };
}

/** As the docstring says it, from all bytes at once. */
function plainDigests(bytes: Buffer): string[] {
  const { hashNow } = blockHash('sha256');
  const blocks: string[] = [];
  for (let at = 0; at < bytes.length; at += blockBytes) {
    const block = bytes.subarray(at, at + blockBytes);
    const leaves: Buffer[] = [];
    for (let o = 0; o < block.length; o += leafBytes) leaves.push(hashNow(block.subarray(o, o + leafBytes)));
    blocks.push(hashNow(Buffer.concat(leaves)).toString('hex'));
  }
  return blocks;
}

const all = (digest: DiskDigest) =>
  Array.from({ length: digest.blockCount }, (_, block) => digest.of(block).toString('hex'));

async function data(disk: Disk): Promise<Extent[]> {
  return (await disk.extents(0, disk.size)).filter(({ kind }) => kind === 'data');
}

/** The data in pieces of this size, some of them under way at once, as these orders say. */
async function readAll(disk: Disk, piece: number, order: 'ascending' | 'pairs' | 'backwards'): Promise<void> {
  const reads: [number, number][] = [];
  for (const { offset, length } of await data(disk)) {
    for (let at = offset; at < offset + length; ) {
      const end = Math.min(offset + length, at - (at % piece) + piece);
      reads.push([at, end]);
      at = end;
    }
  }
  if (order === 'backwards') reads.reverse();
  if (order === 'pairs') {
    for (let i = 0; i + 1 < reads.length; i += 2) [reads[i], reads[i + 1]] = [reads[i + 1]!, reads[i]!];
  }
  for (let i = 0; i < reads.length; i += 3) {
    await Promise.all(reads.slice(i, i + 3).map(([from, to]) => disk.read(Buffer.alloc(to - from), from)));
  }
}

const scattered: Stretch[] = [
  { from: 512, to: 5 * KiB },
  { from: MiB - 512, to: MiB + 512 },
  { from: 4 * MiB, to: 8 * MiB },
  { from: 9 * MiB + 3 * KiB, to: 13 * MiB + 1 },
  { from: 33 * MiB, to: 34 * MiB },
  { from: 34 * MiB + 700 * KiB, to: 34 * MiB + 700 * KiB + 512 },
];

test('XXH3 is what xxhsum prints', ({ skip }) => {
  const hash = xxh3();
  if (hash === undefined) return skip('no libxxhash');
  expect(hash(Buffer.alloc(0)).toString('hex')).toBe('99aa06d3014798d86001c324468d497f');
  expect(hash(Buffer.from('carries machines')).toString('hex')).toBe('1e1fed0ed7555c7dd71c35d7f931bb8c');
});

for (const order of ['ascending', 'pairs', 'backwards'] as const) {
  for (const piece of [512 * KiB, MiB, 3 * MiB]) {
    test(`blocks of a disk read ${order} in pieces of ${piece / KiB} KiB`, async () => {
      const size = 34 * MiB + 700 * KiB + 512;
      const { bytes, disk } = diskOf(size, scattered);
      const digest = await diskDigest(size, { algorithm: 'sha256' });
      const read = digested(disk, digest);
      await readAll(read, piece, order);
      await read.settle();
      expect(all(digest)).toEqual(plainDigests(bytes));
    });
  }
}

test('each byte of data is read once, also of blocks with many holes', async () => {
  const size = 64 * MiB;
  const stretches = Array.from({ length: 800 }, (_, i) => ({
    from: i * 80 * KiB,
    to: i * 80 * KiB + 4 * KiB,
  }));
  let sum = 0;
  const { bytes, disk } = diskOf(size, stretches, (from, to) => {
    sum += to - from;
  });
  const digest = await diskDigest(size, { algorithm: 'sha256' });
  const read = digested(disk, digest);
  await readAll(read, MiB, 'ascending');
  await read.settle();
  expect(sum).toBe(800 * 4 * KiB);
  expect(all(digest)).toEqual(plainDigests(bytes));
});

test('zeros that were read and zeros that were known are the same', async () => {
  const size = 9 * MiB + 100;
  const { disk } = diskOf(size, []);
  const digest = await diskDigest(size);
  const known: number[] = [];
  const other = await diskDigest(size, { onBlock: ({ block }) => known.push(block) });
  const read = digested(disk, other);
  await read.read(Buffer.alloc(size), 0);
  await read.settle();
  expect(known).toEqual([0, 1, 2]);
  expect([...other.blocks()]).toEqual([]);
  expect(other.whole()).toBe(digest.whole());
  expect(all(other)).toEqual(all(digest));
});

test('a resumed run reads only what is not known, and the end is the same', async () => {
  const size = 40 * MiB;
  const stretches = [{ from: MiB, to: 30 * MiB }];
  const { disk, bytes } = diskOf(size, stretches);
  const first = await diskDigest(size, { algorithm: 'sha256' });
  const reading = digested(disk, first);
  await readAll(reading, MiB, 'ascending');
  await reading.settle();

  const reads: number[] = [];
  const again = diskOf(size, stretches, (from) => reads.push(from));
  const told: number[] = [];
  const second = await diskDigest(size, { algorithm: 'sha256', onBlock: ({ block }) => told.push(block) });
  second.preload(first.blocks(0, 4));
  const resumed = digested(again.disk, second);
  // The run goes on in the middle of block 5: its beginning and block 4 are read by nobody.
  for (let at = 22 * MiB; at < 30 * MiB; at += MiB) await resumed.read(Buffer.alloc(MiB), at);
  await resumed.settle(undefined, true);
  expect(Math.min(...reads)).toBe(16 * MiB);
  expect(told.sort((a, b) => a - b)).toEqual([4, 5, 6, 7]);
  expect(all(second)).toEqual(plainDigests(bytes));
  expect(second.whole()).toBe(first.whole());
});

test('the digest of the whole is over the blocks that hold something', async () => {
  const size = 10 * MiB;
  const { disk, bytes } = diskOf(size, [{ from: 5 * MiB, to: 6 * MiB }]);
  const digest = await diskDigest(size, { algorithm: 'sha256' });
  const read = digested(disk, digest);
  await readAll(read, MiB, 'ascending');
  await read.settle();
  const number = Buffer.from([0, 0, 0, 0, 0, 0, 0, 1]);
  const expected = createHash('sha256')
    .update(`vmferry disk digest 1 sha256 ${size}\n`)
    .update(number)
    .update(Buffer.from(plainDigests(bytes)[1]!, 'hex'))
    .digest('hex');
  expect(digest.whole()).toBe(expected);
});

test('blocks of a damaged list are refused', async () => {
  const digest = await diskDigest(5 * MiB, { algorithm: 'sha256' });
  expect(() => digest.preload([{ block: 2, digest: Buffer.alloc(32) }])).toThrow('there is no block 2');
  expect(() => digest.preload([{ block: 0, digest: Buffer.alloc(16) }])).toThrow('a digest of 16 bytes');
});

test('blocks of data are told ascending, each once', async () => {
  const { disk } = diskOf(40 * MiB, scattered);
  const found: number[] = [];
  for await (const block of blocksOfData(disk)) found.push(block);
  expect(found).toEqual([0, 1, 2, 3, 8]);
});

test('memory of an empty disk of 64 TiB is nothing', async () => {
  const size = 64 * 2 ** 40;
  const digest = await diskDigest(size);
  expect(digest.of(123_456)).toEqual(digest.zerosOf(0));
  expect([...digest.blocks()]).toEqual([]);
  expect(digest.whole()).toMatch(/^[0-9a-f]{64}$/);
});
