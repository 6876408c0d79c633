/**
 * Where an inode's bytes lie: records of 128 bits, in the inode or in a tree whose root is in the inode.
 * XFS Algorithms & Data Structures, "Data Extents".
 */
import { AppError } from '../../../model/errors.ts';
import type { Run } from '../runs.ts';
import type { XfsInode } from './inode.ts';
import { checkCrc } from './superblock.ts';
import type { XfsVolume } from './volume.ts';

interface Extent {
  /** Blocks, in the file. */
  readonly offset: number;
  readonly start: number;
  readonly count: number;
  /** Allocated, never written: zeros. */
  readonly unwritten: boolean;
}

/** The bytes [from, to) of the file, holes included. Ends at a whole block. */
export async function* runsOf(
  volume: XfsVolume,
  inode: XfsInode,
  from: number,
  to: number,
): AsyncGenerator<Run> {
  const { blocksize } = volume.layout.sb;
  let at = from;
  for await (const extent of extentsOf(volume, inode, Math.floor(from / blocksize))) {
    if (at >= to) return;
    const start = extent.offset * blocksize;
    const end = start + extent.count * blocksize;
    if (start > at) yield { length: Math.min(start, to) - at, at: undefined };
    at = Math.max(at, start);
    if (at >= to) return;
    if (end <= at) continue;
    const place = volume.placeOf(extent.start, extent.count) + (at - start);
    yield { length: end - at, at: extent.unwritten ? undefined : place };
    at = end;
  }
  if (at < to) yield { length: to - at, at: undefined };
}

/** In ascending order from the one on that holds the file's block `from`, or the next. */
export async function* extentsOf(volume: XfsVolume, inode: XfsInode, from: number): AsyncGenerator<Extent> {
  const bad = (what: string) => new AppError('corrupt', `XFS inode ${inode.number}: ${what}`);
  if (inode.realtime)
    throw new AppError('unsupported', `XFS inode ${inode.number} is on a realtime device`, {
      hint: 'that is another disk of the guest',
    });
  let next = 0;
  for await (const extent of all(volume, inode, from)) {
    if (extent.offset < next) throw bad('extents in disorder');
    next = extent.offset + extent.count;
    // Those before are of the same node, which was paid for.
    if (next <= from) continue;
    volume.budget.spend();
    yield extent;
  }
}

async function* all(volume: XfsVolume, inode: XfsInode, from: number): AsyncGenerator<Extent> {
  if (inode.format === 'extents') {
    if (inode.extents * 16 > inode.fork.length)
      throw new AppError('corrupt', `XFS inode ${inode.number}: ${inode.extents} extents in its fork`);
    yield* records(inode.fork, 0, inode.extents);
  } else if (inode.format === 'btree') {
    const level = inode.fork.readUInt16BE(0);
    if (level < 1 || level > 9)
      throw new AppError('corrupt', `XFS inode ${inode.number}: tree level ${level}`);
    yield* below(
      volume,
      inode,
      { bytes: inode.fork, headerBytes: 4, level, count: inode.fork.readUInt16BE(2) },
      from,
    );
  } else throw new AppError('corrupt', `XFS inode ${inode.number}: no list of extents`);
}

interface Node {
  readonly bytes: Buffer;
  readonly headerBytes: number;
  readonly level: number;
  readonly count: number;
}

/** The node's children from the last one on whose first key is not past `from`; levels fall, so it ends. */
async function* below(volume: XfsVolume, inode: XfsInode, node: Node, from: number): AsyncGenerator<Extent> {
  const { bytes, headerBytes, level, count } = node;
  const room = Math.floor((bytes.length - headerBytes) / 16);
  if (count > room)
    throw new AppError('corrupt', `XFS inode ${inode.number}: ${count} entries in a tree node`);
  const key = (i: number) => Number(bytes.readBigUInt64BE(headerBytes + i * 8));
  let first = 0;
  while (first + 1 < count && key(first + 1) <= from) first++;
  for (let i = first; i < count; i++) {
    const child = Number(bytes.readBigUInt64BE(headerBytes + room * 8 + i * 8));
    const block = await treeBlock(volume, inode, child, level - 1);
    if (level > 1) yield* below(volume, inode, block, from);
    else yield* records(block.bytes, block.headerBytes, block.count);
  }
}

async function treeBlock(volume: XfsVolume, inode: XfsInode, number: number, level: number): Promise<Node> {
  const { v5 } = volume.layout;
  const bytes = await volume.block(number);
  const headerBytes = v5 ? 72 : 24;
  const found = bytes.readUInt16BE(4);
  const count = bytes.readUInt16BE(6);
  if (bytes.toString('latin1', 0, 4) !== (v5 ? 'BMA3' : 'BMAP') || found !== level)
    throw new AppError(
      'corrupt',
      `XFS inode ${inode.number}: block ${number} is not its tree's level ${level}`,
    );
  if (headerBytes + count * 16 > bytes.length)
    throw new AppError('corrupt', `XFS inode ${inode.number}: ${count} entries in a tree block`);
  if (v5) checkCrc(bytes, 64, `XFS block ${number}`);
  return { bytes, headerBytes, level, count };
}

/** One bit: unwritten; 54: offset in the file; 52: block; 21: count. */
function* records(bytes: Buffer, at: number, count: number): Generator<Extent> {
  for (let i = 0; i < count; i++) {
    const hi = bytes.readBigUInt64BE(at + i * 16);
    const lo = bytes.readBigUInt64BE(at + i * 16 + 8);
    yield {
      unwritten: hi >> 63n === 1n,
      offset: Number((hi & 0x7fffffffffffffffn) >> 9n),
      start: Number(((hi & 0x1ffn) << 43n) | (lo >> 21n)),
      count: Number(lo & 0x1fffffn),
    };
  }
}
