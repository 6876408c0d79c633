/**
 * Where an inode's bytes lie: a tree of extents (ext4) or blocks of block numbers (ext2/3).
 * Linux Documentation/filesystems/ext4/{ifork,blockmap}.rst.
 */
import { AppError } from '../../../model/errors.ts';
import type { Run } from '../runs.ts';
import { type Inode, usesExtents } from './inode.ts';
import type { ExtVolume } from './volume.ts';

/** Blocks that lie one behind the other; `first` is undefined for a hole. */
interface Stretch {
  readonly first: number | undefined;
  readonly count: number;
}

/** The bytes [from, to) of the file; a hole has no place. Ends at a whole block. */
export async function* runsOf(
  volume: ExtVolume,
  inode: Inode,
  from: number,
  to: number,
): AsyncGenerator<Run> {
  const { blockBytes, blocksCount } = volume.geometry;
  const end = Math.ceil(to / blockBytes);
  let inside = from % blockBytes;
  for (let index = Math.floor(from / blockBytes); index < end; ) {
    volume.budget.spend();
    const { first, count } = usesExtents(inode)
      ? await byExtents(volume, inode, index)
      : await byPointers(volume, inode, index);
    if (first !== undefined && first + count > blocksCount)
      throw new AppError(
        'corrupt',
        `ext inode ${inode.number}: block ${first + count - 1} of ${blocksCount}`,
      );
    const length = Math.min(count, end - index) * blockBytes - inside;
    yield { length, at: first === undefined ? undefined : first * blockBytes + inside };
    inside = 0;
    index += count;
  }
}

/** The 12-byte header and entries of each node: 0xF30A, entries, room, depth. Depth falls by one on each step. */
async function byExtents(volume: ExtVolume, inode: Inode, index: number): Promise<Stretch> {
  let node = inode.block;
  // The next thing behind a hole: nothing, or what starts behind the entry that was taken.
  let next = 2 ** 32;
  for (let expectedDepth = -1; ; ) {
    const entries = node.readUInt16LE(2);
    const depth = node.readUInt16LE(6);
    const wrong = expectedDepth < 0 ? depth > 5 : depth !== expectedDepth;
    if (node.readUInt16LE(0) !== 0xf30a || wrong || 12 + entries * 12 > node.length) {
      throw new AppError('corrupt', `ext inode ${inode.number}: broken node of the extent tree`);
    }
    // Entries are in ascending order of their first block: the last that is not past `index`.
    let at = -1;
    let i = 0;
    for (; i < entries && node.readUInt32LE(12 + i * 12) <= index; i++) at = 12 + i * 12;
    if (i < entries) next = Math.min(next, node.readUInt32LE(12 + i * 12));
    const hole = { first: undefined, count: next - index };
    if (at < 0) return hole;
    if (depth === 0) return leafStretch(node, at, index) ?? hole;
    const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
    node = await volume.block(child);
    expectedDepth = depth - 1;
  }
}

function leafStretch(node: Buffer, at: number, index: number): Stretch | undefined {
  const field = node.readUInt16LE(at + 4);
  // A length above 2^15 marks an extent that was allocated and never written: zeros.
  const written = field <= 0x8000;
  const length = written ? field : field - 0x8000;
  const inside = index - node.readUInt32LE(at);
  if (inside >= length) return undefined;
  const start = node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32;
  return { first: written ? start + inside : undefined, count: length - inside };
}

/** 12 direct block numbers, then one each of single, double and triple indirection. */
async function byPointers(volume: ExtVolume, inode: Inode, index: number): Promise<Stretch> {
  if (index < 12) return stretchIn(inode.block, index, 12);
  const perBlock = volume.geometry.blockBytes / 4;
  let rest = index - 12;
  for (let level = 1; level <= 3; level++) {
    const span = perBlock ** level;
    if (rest >= span) {
      rest -= span;
      continue;
    }
    let pointer = inode.block.readUInt32LE((11 + level) * 4);
    for (let below = span; pointer !== 0; ) {
      const block = await volume.block(pointer);
      below /= perBlock;
      const at = Math.floor(rest / below);
      rest %= below;
      if (below === 1) return stretchIn(block, at, perBlock);
      pointer = block.readUInt32LE(at * 4);
      if (pointer === 0) return { first: undefined, count: below - rest };
    }
    return { first: undefined, count: span - rest };
  }
  throw new AppError('corrupt', `ext inode ${inode.number}: block ${index} is past what an inode can hold`);
}

/** From the number at `at` on as long as they are consecutive, or all 0. */
function stretchIn(numbers: Buffer, at: number, limit: number): Stretch {
  const first = numbers.readUInt32LE(at * 4);
  const step = first === 0 ? 0 : 1;
  let count = 1;
  while (at + count < limit && numbers.readUInt32LE((at + count) * 4) === first + step * count) count++;
  return { first: first === 0 ? undefined : first, count };
}
