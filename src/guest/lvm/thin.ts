/**
 * Thin volumes: which chunk of the pool holds which chunk of the volume, from the pool's metadata (kernel,
 * Documentation/admin-guide/device-mapper/{thin-provisioning,persistent-data}.rst). A B-tree of volumes, whose values are
 * the roots of B-trees of their chunks; each node a block of 4096 bytes with a checksum.
 */
import { checkRange, readBytes } from '../../io/byte-source.ts';
import { crc32c } from '../../io/crc32c.ts';
import type { Disk } from '../../io/disk.ts';
import { type Extent, ExtentList } from '../../io/extents.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { struct, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';

const blockBytes = 4096;

const superblock = struct('thin pool superblock', 512, 'le', {
  magic: [32, u64],
  version: [40, u32],
  dataMappingRoot: [320, u64],
  dataBlockSectors: [336, u32],
  metadataBlockSectors: [340, u32],
  incompatFlags: [360, u32],
});
const magic = 27022010;
const superblockSeed = 160774;
const nodeSeed = 121107;
const nodeHeaderBytes = 32;
const leaf = 2;
/** A tree of 2^63 chunks is not deeper. */
const maxDepth = 16;
const keptNodes = 256;

interface Node {
  readonly isLeaf: boolean;
  readonly keys: readonly bigint[];
  readonly values: readonly bigint[];
}

export interface ThinPool {
  /** The volume with this id in the pool; `size` bytes. @throws AppError `not-found`, `corrupt`. */
  open(deviceId: number, size: number, signal: AbortSignal | undefined): Promise<Disk>;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function openThinPool(
  metadata: Disk,
  data: Disk,
  chunkBytes: number,
  signal: AbortSignal | undefined,
): Promise<ThinPool> {
  const where = 'metadata of the thin pool';
  const block = await readBytes(metadata, 0, Math.min(blockBytes, metadata.size), signal);
  if (block.length < blockBytes) throw new AppError('corrupt', 'it is smaller than a block', { where });
  expectChecksum(block, superblockSeed, 0);
  const sb = superblock.decode(block);
  if (sb.magic !== magic)
    throw new AppError('corrupt', `the magic number is ${sb.magic}, not ${magic}`, { where });
  if (
    sb.version < 1 ||
    sb.version > 2 ||
    sb.incompatFlags !== 0 ||
    sb.metadataBlockSectors !== blockBytes / 512
  )
    throw new AppError('unsupported', `version ${sb.version}, features 0x${sb.incompatFlags.toString(16)}`, {
      where,
    });
  if (chunkBytes === 0 || sb.dataBlockSectors * 512 !== chunkBytes) {
    const message = `its chunks are of ${sb.dataBlockSectors} sectors, LVM2 says ${chunkBytes / 512}`;
    throw new AppError('corrupt', message, { where });
  }
  const tree = new Tree(metadata);
  return {
    async open(deviceId, size, more) {
      const root = await tree.lookup(sb.dataMappingRoot, BigInt(deviceId), more);
      if (root === undefined)
        throw new AppError('not-found', `the thin pool has no volume with the number ${deviceId}`);
      return thinDisk({ tree, root: Number(root), data, chunkBytes, size });
    },
  };
}

interface Thin {
  readonly tree: Tree;
  readonly root: number;
  readonly data: Disk;
  readonly chunkBytes: number;
  readonly size: number;
}

/** A part of the volume: from `at` in the pool's data, or zeros. */
interface Run {
  readonly at: number | undefined;
  readonly offset: number;
  readonly length: number;
}

function thinDisk(thin: Thin): Disk {
  const { data, size } = thin;
  return {
    size,
    sectorSize: data.sectorSize,
    async read(target, offset, signal) {
      checkRange({ name: 'thin volume', size }, offset, target.length);
      const runs = await runsOf(thin, offset, offset + target.length, signal);
      await Promise.all(
        runs.map(async (run) => {
          const part = target.subarray(run.offset - offset, run.offset - offset + run.length);
          if (run.at === undefined) part.fill(0);
          else await data.read(part, run.at, signal);
        }),
      );
    },
    async extents(from, to, signal) {
      const out = new ExtentList(from);
      for (const { at, length } of await runsOf(thin, from, to, signal)) {
        const below: Pick<Extent, 'kind' | 'length'>[] =
          at === undefined ? [{ kind: 'zero', length }] : await data.extents(at, at + length, signal);
        for (const extent of below) out.push(extent.kind, extent.length);
      }
      return out.list;
    },
    async close() {
      // nothing is held
    },
  };
}

/** Ascending, without gaps; neighbours in the volume that are neighbours in the pool are one. */
async function runsOf(
  { tree, root, data, chunkBytes }: Thin,
  from: number,
  to: number,
  signal: AbortSignal | undefined,
): Promise<Run[]> {
  const runs: Run[] = [];
  let done = from;
  const push = (at: number | undefined, until: number) => {
    if (until <= done) return;
    const last = runs.at(-1);
    const goesOn = last !== undefined && (at === undefined ? last.at === at : last.at! + last.length === at);
    if (last !== undefined && goesOn) runs[runs.length - 1] = { ...last, length: last.length + until - done };
    else runs.push({ at, offset: done, length: until - done });
    done = until;
  };
  if (to <= from) return runs;
  const [first, last] = [Math.floor(from / chunkBytes), Math.ceil(to / chunkBytes)];
  for (const [key, value] of await tree.range(root, first, last, signal)) {
    const start = key * chunkBytes;
    push(undefined, start);
    // The low 24 bits are the time at which it was written.
    const place = Number(value >> 24n) * chunkBytes;
    const length = Math.min(start + chunkBytes, to) - start;
    if (place + length > data.size)
      throw new AppError('corrupt', `thin volume: chunk ${key} is at ${place}, past the end of the pool`);
    push(place + (done - start), start + length);
  }
  push(undefined, to);
  return runs;
}

class Tree {
  readonly #disk: Disk;
  readonly #kept = new Map<number, Node>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async lookup(root: number, key: bigint, signal: AbortSignal | undefined): Promise<bigint | undefined> {
    let at = root;
    for (let depth = 0; depth < maxDepth; depth++) {
      const node = await this.#node(at, signal);
      const i = lastUpTo(node.keys, key);
      if (i < 0) return undefined;
      if (node.isLeaf) return node.keys[i] === key ? node.values[i] : undefined;
      at = Number(node.values[i]);
    }
    throw tooDeep();
  }

  /** The entries with keys in [from, to), ascending. */
  async range(
    root: number,
    from: number,
    to: number,
    signal: AbortSignal | undefined,
  ): Promise<[number, bigint][]> {
    const found: [number, bigint][] = [];
    const path: { node: Node; next: number }[] = [];
    const enter = async (at: number) => {
      if (path.length >= maxDepth) throw tooDeep();
      throwIfAborted(signal);
      const node = await this.#node(at, signal);
      path.push({ node, next: Math.max(0, lastUpTo(node.keys, BigInt(from))) });
    };
    // A node may be visited once only: in a sound tree there are no more than the metadata has blocks.
    let budget = this.#disk.size / blockBytes;
    await enter(root);
    while (path.length > 0) {
      const step = path.at(-1)!;
      const key = step.node.keys[step.next];
      if (key === undefined || key >= BigInt(to)) {
        path.pop();
        continue;
      }
      const value = step.node.values[step.next++]!;
      if (!step.node.isLeaf) {
        if (--budget < 0) throw new AppError('corrupt', 'thin pool: its B-tree goes in circles');
        await enter(Number(value));
      } else if (key >= BigInt(from)) {
        const number = Number(key);
        if (found.length > 0 && found.at(-1)![0] >= number)
          throw new AppError('corrupt', `thin pool: chunk ${number} is out of order`);
        found.push([number, value]);
      }
    }
    return found;
  }

  async #node(at: number, signal: AbortSignal | undefined): Promise<Node> {
    const kept = this.#kept.get(at);
    if (kept !== undefined) return kept;
    if (!Number.isSafeInteger(at) || at < 1 || (at + 1) * blockBytes > this.#disk.size)
      throw new AppError('corrupt', `thin pool: block ${at} is not in its metadata`);
    const node = nodeOf(await readBytes(this.#disk, at * blockBytes, blockBytes, signal), at);
    this.#kept.set(at, node);
    if (this.#kept.size > keptNodes) this.#kept.delete(this.#kept.keys().next().value!);
    return node;
  }
}

const tooDeep = () => new AppError('corrupt', 'thin pool: its B-tree is too deep');

function nodeOf(block: Buffer, at: number): Node {
  expectChecksum(block, nodeSeed, at);
  const count = block.readUInt32LE(16);
  const max = block.readUInt32LE(20);
  if (block.readUInt32LE(24) !== 8 || count > max || nodeHeaderBytes + max * 16 > blockBytes)
    throw new AppError('corrupt', `thin pool: block ${at} has ${count} entries of ${max}`);
  const read = (base: number) =>
    Array.from({ length: count }, (_, i) => block.readBigUInt64LE(nodeHeaderBytes + base + i * 8));
  const keys = read(0);
  if (keys.some((key, i) => i > 0 && key <= keys[i - 1]!))
    throw new AppError('corrupt', `thin pool: the keys of block ${at} are out of order`);
  return { isLeaf: (block.readUInt32LE(4) & leaf) !== 0, keys, values: read(max * 8) };
}

/** CRC-32C without the inversion at its end, mixed with a number for each kind of block; then the block's number. */
function expectChecksum(block: Buffer, seed: number, at: number): void {
  const found = (~crc32c(block.subarray(4)) ^ seed) >>> 0;
  if (found !== block.readUInt32LE(0) || Number(block.readBigUInt64LE(8)) !== at)
    throw new AppError('corrupt', `thin pool: the checksum of block ${at} is wrong`);
}

/** Index of the last key that is not greater; -1 where all are. */
function lastUpTo(keys: readonly bigint[], key: bigint): number {
  let low = -1;
  let high = keys.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (keys[middle]! <= key) low = middle;
    else high = middle - 1;
  }
  return low;
}
