/** Trees of more than one level, as pools of real size have: written by code of the tests. */
import { describe, expect, it } from 'vitest';
import { openThinPool } from '../../../src/guest/lvm/thin.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { crc32c } from '../../../src/io/crc32c.ts';
import { diskOf } from '../disks.ts';

const block = 4096;
const chunk = 64 * 1024;

function seal(bytes: Buffer, at: number, seed: number): void {
  const place = bytes.subarray(at * block, (at + 1) * block);
  place.writeBigUInt64LE(BigInt(at), 8);
  place.writeUInt32LE((~crc32c(place.subarray(4)) ^ seed) >>> 0, 0);
}

type Entries = readonly (readonly [key: number, value: number | bigint])[];

function node(bytes: Buffer, at: number, isLeaf: boolean, entries: Entries): void {
  const place = bytes.subarray(at * block, (at + 1) * block);
  place.fill(0);
  const max = 252;
  place.writeUInt32LE(isLeaf ? 2 : 1, 4);
  place.writeUInt32LE(entries.length, 16);
  place.writeUInt32LE(max, 20);
  place.writeUInt32LE(8, 24);
  for (const [i, [key, value]] of entries.entries()) {
    place.writeBigUInt64LE(BigInt(key), 32 + i * 8);
    place.writeBigUInt64LE(BigInt(value), 32 + (max + i) * 8);
  }
  seal(bytes, at, 121107);
}

const mapped = (to: number) => (BigInt(to) << 24n) | 5n;

/** Volume 7 of the pool: chunks 0 to 3 and 10 in one leaf, 100 to 101 in another; the chunk n of the pool is full of n. */
function pool() {
  const metadata = Buffer.alloc(16 * block);
  metadata.writeBigUInt64LE(27022010n, 32);
  metadata.writeUInt32LE(2, 40);
  metadata.writeBigUInt64LE(1n, 320);
  metadata.writeUInt32LE(chunk / 512, 336);
  metadata.writeUInt32LE(8, 340);
  seal(metadata, 0, 160774);
  node(metadata, 1, false, [
    [1, 2],
    [5, 3],
  ]);
  node(metadata, 2, true, [[1, 4]]);
  node(metadata, 3, true, [
    [5, 4],
    [7, 5],
  ]);
  node(metadata, 4, true, []);
  node(metadata, 5, false, [
    [0, 6],
    [100, 7],
  ]);
  node(metadata, 6, true, [
    [0, mapped(3)],
    [1, mapped(4)],
    [2, mapped(1)],
    [3, mapped(2)],
    [10, mapped(9)],
  ]);
  node(metadata, 7, true, [
    [100, mapped(0)],
    [101, mapped(11)],
  ]);
  const data = Buffer.concat(Array.from({ length: 12 }, (_, n) => Buffer.alloc(chunk, n + 1)));
  return { metadata, data };
}

async function volume({ metadata, data }: ReturnType<typeof pool>, id = 7, size = 102 * chunk - 512) {
  const found = await openThinPool(diskOf(metadata), diskOf(data), chunk, undefined);
  return found.open(id, size, undefined);
}

describe('a thin volume in a tree of levels', () => {
  it('reads and extents', async () => {
    const disk = await volume(pool());
    const at = async (n: number) => (await readBytes(disk, n * chunk + 5, 1))[0];
    expect(await Promise.all([0, 1, 2, 3, 4, 9, 10, 11, 99, 100, 101].map(at))).toEqual([
      ...[4, 5, 2, 3, 0, 0, 10, 0, 0, 1, 12],
    ]);
    const across = await readBytes(disk, chunk - 3, chunk + 7);
    expect([across[0], across[3], across.at(-4)! >= 2]).toEqual([4, 5, true]);
    expect(
      (await disk.extents(0, disk.size)).map((e) => [e.kind, e.offset / chunk, e.length / chunk]),
    ).toEqual([
      ['data', 0, 4],
      ['zero', 4, 6],
      ['data', 10, 1],
      ['zero', 11, 89],
      ['data', 100, 2 - 512 / chunk],
    ]);
    expect(await disk.extents(chunk * 3 + 1, chunk * 4)).toEqual([
      { kind: 'data', offset: chunk * 3 + 1, length: chunk - 1 },
    ]);
  });

  it('one that is not there, and one that is empty', async () => {
    await expect(volume(pool(), 6)).rejects.toMatchObject({ kind: 'not-found' });
    await expect(volume(pool(), 0)).rejects.toMatchObject({ kind: 'not-found' });
    const disk = await volume(pool(), 5, chunk * 7);
    expect(await disk.extents(0, disk.size)).toEqual([{ kind: 'zero', offset: 0, length: chunk * 7 }]);
  });

  it.each<[string, (bytes: Buffer) => void]>([
    ['a node below itself', (bytes) => node(bytes, 5, false, [[0, 5]])],
    [
      'the same leaf twice',
      (bytes) =>
        node(bytes, 5, false, [
          [0, 6],
          [1, 6],
        ]),
    ],
    ['a node past the end', (bytes) => node(bytes, 5, false, [[0, 2n ** 60n]])],
    ['a chunk past the end', (bytes) => node(bytes, 6, true, [[0, mapped(12)]])],
    [
      'keys out of order',
      (bytes) =>
        node(bytes, 6, true, [
          [3, mapped(1)],
          [2, mapped(2)],
        ]),
    ],
    ['another block in its place', (bytes) => void bytes.copy(bytes, 6 * block, 7 * block, 8 * block)],
    [
      'a count past the node',
      (bytes) => {
        bytes.writeUInt32LE(5000, 6 * block + 16);
        seal(bytes, 6, 121107);
      },
    ],
  ])('%s', async (_name, damage) => {
    const damaged = pool();
    damage(damaged.metadata);
    const disk = await volume(damaged);
    await expect(readBytes(disk, 0, disk.size)).rejects.toMatchObject({ name: 'AppError', kind: 'corrupt' });
  });

  it('chunks of another size than LVM2 says', async () => {
    const { metadata, data } = pool();
    const opened = openThinPool(diskOf(metadata), diskOf(data), chunk * 2, undefined);
    await expect(opened).rejects.toMatchObject({ kind: 'corrupt' });
  });
});
