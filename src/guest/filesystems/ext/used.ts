/**
 * Free blocks of ext2/3/4: the zero bits of each group's bitmap. A bitmap that was never written stands for a group
 * with nothing in it but what the filesystem itself keeps there. Linux Documentation/filesystems/ext4/bitmaps.rst.
 */
import { readBytes } from '../../../io/byte-source.ts';
import { crc32c } from '../../../io/crc32c.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { type FreeExtent, zeroRuns } from '../free-extents.ts';
import { checkInside } from '../runs.ts';
import {
  checkReadable,
  findSuperblock,
  type Geometry,
  geometryOf,
  incompat,
  roCompat,
  type Superblock,
} from './superblock.ts';
import { descriptorOffset } from './volume.ts';

const blockUninit = 2;
/** Feature bits under which a descriptor's flags count: uninit_bg, metadata_csum. */
const withFlags = 0x10 | roCompat.metadataCsum;
const bigalloc = 0x200;

interface Group {
  readonly bitmap: number;
  readonly free: number;
  readonly unwritten: boolean;
  readonly checksum: number;
  /** Blocks of its two bitmaps and its inodes; with flex_bg they may lie in another group. */
  readonly own: readonly (readonly [from: number, count: number])[];
}

/** Undefined when it is not clean, or counts in clusters. @throws AppError `corrupt`, `unsupported`. */
export async function freeOfExt(looking: Looking): Promise<AsyncIterable<FreeExtent> | undefined> {
  const found = await findSuperblock(looking);
  if (found === undefined) throw new AppError('corrupt', 'no ext superblock at 1024');
  const { sb, bytes } = found;
  checkReadable(sb, bytes);
  const clean = (sb.state & 3) === 1 && (sb.featureIncompat & incompat.recover) === 0;
  return clean && (sb.featureRoCompat & bigalloc) === 0 ? free(looking, sb, bytes) : undefined;
}

async function* free(looking: Looking, sb: Superblock, bytes: Buffer): AsyncGenerator<FreeExtent> {
  const geometry = geometryOf(sb);
  const { blockBytes, blocksCount } = geometry;
  if (sb.blocksPerGroup > blockBytes * 8)
    throw new AppError('corrupt', `ext: ${sb.blocksPerGroup} blocks per group`);
  const seed = seedOf(sb, bytes);
  const kept = await keptOf(looking, sb, geometry);
  // Copies of the superblock and the descriptors may lie in front of any group.
  const front = 1 + Math.ceil((geometry.groups * geometry.descBytes) / blockBytes) + bytes.readUInt16LE(206);
  for (let number = 0; number < geometry.groups; number++) {
    const group = await groupAt(looking, sb, geometry, number);
    const start = sb.firstDataBlock + number * sb.blocksPerGroup;
    const count = Math.min(sb.blocksPerGroup, blocksCount - start);
    const bits = group.unwritten
      ? Buffer.alloc(blockBytes)
      : await bitmapOf(looking, geometry, group, number);
    if (group.unwritten) mark(bits, 0, Math.min(front, count));
    else
      checkBitmap(
        bits,
        { number, count, seed, perGroup: sb.blocksPerGroup, wide: geometry.descBytes >= 64 },
        group,
      );
    for (const [from, length] of kept.get(number) ?? []) mark(bits, from, Math.min(length, count - from));
    for (const [from, to] of zeroRuns(bits, count))
      yield { offset: (start + from) * blockBytes, length: (to - from) * blockBytes };
  }
}

function mark(bits: Buffer, from: number, count: number): void {
  for (let i = from; i < from + count; i++) bits[i >> 3]! |= 1 << (i & 7);
}

/** What checksums of metadata begin with; undefined where there are none. */
function seedOf(sb: Superblock, bytes: Buffer): number | undefined {
  if ((sb.featureRoCompat & roCompat.metadataCsum) === 0) return undefined;
  return (sb.featureIncompat & incompat.csumSeed) !== 0 ? ~bytes.readUInt32LE(624) >>> 0 : crc32c(sb.uuid);
}

/** By group, the blocks in it that hold bitmaps and inodes of any group. */
async function keptOf(
  looking: Looking,
  sb: Superblock,
  geometry: Geometry,
): Promise<Map<number, (readonly [from: number, count: number])[]>> {
  const kept = new Map<number, (readonly [number, number])[]>();
  for (let number = 0; number < geometry.groups; number++) {
    for (const [block, count] of (await groupAt(looking, sb, geometry, number)).own) {
      // A table may go on in the next group.
      for (let at = block, left = count; left > 0; ) {
        const group = Math.floor((at - sb.firstDataBlock) / sb.blocksPerGroup);
        const inside = at - sb.firstDataBlock - group * sb.blocksPerGroup;
        const here = Math.min(left, sb.blocksPerGroup - inside);
        const list = kept.get(group) ?? [];
        list.push([inside, here]);
        kept.set(group, list);
        at += here;
        left -= here;
      }
    }
  }
  return kept;
}

async function groupAt(looking: Looking, sb: Superblock, geometry: Geometry, number: number): Promise<Group> {
  const { blockBytes, inodeBytes, descBytes, blocksCount } = geometry;
  const offset = descriptorOffset(sb, geometry, number);
  checkInside(looking, offset, descBytes);
  const bytes = await readBytes(looking.disk, offset, descBytes, looking.signal);
  const wide = descBytes >= 64;
  const block = (lo: number) => bytes.readUInt32LE(lo) + (wide ? bytes.readUInt32LE(lo + 32) * 2 ** 32 : 0);
  const tableBlocks = Math.ceil((sb.inodesPerGroup * inodeBytes) / blockBytes);
  const own = [
    [block(0), 1],
    [block(4), 1],
    [block(8), tableBlocks],
  ] as const;
  if (own.some(([from, count]) => from < sb.firstDataBlock || from + count > blocksCount))
    throw new AppError('corrupt', `ext group ${number}: its own blocks are not on the volume`);
  return {
    bitmap: block(0),
    free: bytes.readUInt16LE(12) + (wide ? bytes.readUInt16LE(44) * 65536 : 0),
    unwritten: (sb.featureRoCompat & withFlags) !== 0 && (bytes.readUInt16LE(18) & blockUninit) !== 0,
    checksum: bytes.readUInt16LE(24) + (wide ? bytes.readUInt16LE(56) * 65536 : 0),
    own,
  };
}

/** A copy: bits are set in it. */
async function bitmapOf(looking: Looking, geometry: Geometry, group: Group, number: number): Promise<Buffer> {
  const { blockBytes } = geometry;
  if (group.bitmap === 0) throw new AppError('corrupt', `ext group ${number}: no bitmap`);
  checkInside(looking, group.bitmap * blockBytes, blockBytes);
  return readBytes(looking.disk, group.bitmap * blockBytes, blockBytes, looking.signal);
}

interface Expected {
  readonly number: number;
  readonly count: number;
  readonly perGroup: number;
  readonly seed: number | undefined;
  readonly wide: boolean;
}

/** @throws AppError `corrupt` when the checksum or the number of free blocks is another. */
function checkBitmap(bits: Buffer, { number, count, perGroup, seed, wide }: Expected, group: Group): void {
  let free = 0;
  for (const [from, to] of zeroRuns(bits, count)) free += to - from;
  if (free !== group.free)
    throw new AppError(
      'corrupt',
      `ext group ${number}: ${free} free blocks in its bitmap, ${group.free} expected`,
    );
  if (seed === undefined) return;
  const found = ~crc32c(bits.subarray(0, perGroup / 8), seed) >>> 0;
  if ((wide ? found : found & 0xffff) !== group.checksum)
    throw new AppError('corrupt', `ext group ${number}: its bitmap's checksum is wrong`);
}
