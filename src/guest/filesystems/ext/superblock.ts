/** ext2/3/4 superblock, 1024 bytes at offset 1024. Linux Documentation/filesystems/ext4/super.rst. */
import { crc32c } from '../../../io/crc32c.ts';
import { raw, struct, u16, u32 } from '../../../io/struct.ts';
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';

export const superblock = struct('ext superblock', 1024, 'le', {
  inodesCount: [0, u32],
  blocksCountLo: [4, u32],
  freeBlocksCountLo: [12, u32],
  freeInodesCount: [16, u32],
  firstDataBlock: [20, u32],
  logBlockSize: [24, u32],
  blocksPerGroup: [32, u32],
  inodesPerGroup: [40, u32],
  magic: [56, u16],
  state: [58, u16],
  revLevel: [76, u32],
  inodeSize: [88, u16],
  featureCompat: [92, u32],
  featureIncompat: [96, u32],
  featureRoCompat: [100, u32],
  uuid: [104, raw(16)],
  volumeName: [120, raw(16)],
  descSize: [254, u16],
  firstMetaBg: [260, u32],
  blocksCountHi: [336, u32],
  freeBlocksCountHi: [344, u32],
  backupBgs: [588, raw(8)],
  checksum: [1020, u32],
});
export type Superblock = ReturnType<typeof superblock.decode>;

export const compat = { hasJournal: 0x4, sparseSuper2: 0x200 } as const;
export const roCompat = { sparseSuper: 0x1, metadataCsum: 0x400 } as const;
export const incompat = {
  filetype: 0x2,
  recover: 0x4,
  metaBg: 0x10,
  extents: 0x40,
  bits64: 0x80,
  mmp: 0x100,
  flexBg: 0x200,
  eaInode: 0x400,
  csumSeed: 0x2000,
  largeDir: 0x4000,
  inlineData: 0x8000,
  encrypt: 0x10000,
  casefold: 0x20000,
} as const;
const known = Object.values(incompat).reduce((all, bit) => all | bit, 0);
// What ext3 may have; anything more makes it ext4, as blkid tells them apart.
const ext3Incompat = incompat.filetype | incompat.recover | incompat.metaBg;
const ext3RoCompat = 0x7;

export const magic = 0xef53;

/** The superblock, or undefined when the magic number is not there. */
export async function findSuperblock(
  looking: Looking,
): Promise<{ sb: Superblock; bytes: Buffer } | undefined> {
  if (looking.disk.size < 2048) return undefined;
  const bytes = await bytesAt(looking, 1024, superblock.bytes);
  if (bytes.readUInt16LE(56) !== magic) return undefined;
  return { sb: superblock.decode(bytes), bytes };
}

export function kindOf(sb: Superblock): 'ext2' | 'ext3' | 'ext4' {
  if ((sb.featureIncompat & ~ext3Incompat) !== 0 || (sb.featureRoCompat & ~ext3RoCompat) !== 0) return 'ext4';
  return (sb.featureCompat & compat.hasJournal) !== 0 ? 'ext3' : 'ext2';
}

export interface Geometry {
  readonly blockBytes: number;
  readonly blocksCount: number;
  readonly freeBlocks: number;
  readonly inodeBytes: number;
  readonly descBytes: number;
  readonly groups: number;
}

/** @throws AppError `corrupt` when a number is impossible. */
export function geometryOf(sb: Superblock): Geometry {
  const bad = (what: string) => new AppError('corrupt', `ext superblock: ${what}`);
  // 64 KiB is the largest block.
  if (sb.logBlockSize > 6) throw bad(`block size 2^${sb.logBlockSize + 10}`);
  const blockBytes = 1024 << sb.logBlockSize;
  const bits64 = (sb.featureIncompat & incompat.bits64) !== 0;
  const blocksCount = sb.blocksCountLo + (bits64 ? sb.blocksCountHi * 2 ** 32 : 0);
  const freeBlocks = sb.freeBlocksCountLo + (bits64 ? sb.freeBlocksCountHi * 2 ** 32 : 0);
  // Revision 0 has no field for it.
  const inodeBytes = sb.revLevel === 0 ? 128 : sb.inodeSize;
  if (!isPowerOf2(inodeBytes) || inodeBytes < 128 || inodeBytes > blockBytes)
    throw bad(`inode size ${inodeBytes}`);
  const descBytes = bits64 ? sb.descSize : 32;
  if (!isPowerOf2(descBytes) || descBytes < 32 || descBytes > 1024) throw bad(`descriptor size ${descBytes}`);
  if (sb.inodesPerGroup === 0 || sb.inodesPerGroup > blockBytes * 8)
    throw bad(`${sb.inodesPerGroup} inodes per group`);
  // With bigalloc a bit stands for a cluster of up to 2^16 blocks.
  if (sb.blocksPerGroup === 0 || sb.blocksPerGroup > blockBytes * 8 * 65536) {
    throw bad(`${sb.blocksPerGroup} blocks per group`);
  }
  if (!Number.isSafeInteger(blocksCount * blockBytes) || sb.firstDataBlock >= blocksCount) {
    throw bad(`${blocksCount} blocks, the first is ${sb.firstDataBlock}`);
  }
  const groups = Math.ceil((blocksCount - sb.firstDataBlock) / sb.blocksPerGroup);
  return { blockBytes, blocksCount, freeBlocks, inodeBytes, descBytes, groups };
}

/** @throws AppError `unsupported` on a feature that changes what the blocks mean, `corrupt` on a wrong checksum. */
export function checkReadable(sb: Superblock, bytes: Buffer): void {
  const unknown = sb.featureIncompat & ~known;
  if (unknown !== 0) {
    throw new AppError(
      'unsupported',
      `ext superblock: unknown incompatible features 0x${(unknown >>> 0).toString(16)}`,
    );
  }
  if ((sb.featureRoCompat & roCompat.metadataCsum) === 0) return;
  // ext4 keeps the CRC without its last inversion.
  const found = ~crc32c(bytes.subarray(0, 1020)) >>> 0;
  if (found !== sb.checksum) {
    const hex = (value: number) => `0x${value.toString(16)}`;
    throw new AppError('corrupt', `ext superblock: checksum ${hex(found)}, ${hex(sb.checksum)} expected`);
  }
}

const isPowerOf2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;
