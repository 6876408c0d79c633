/** Blocks, group descriptors and inodes of an ext2/3/4 volume. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { Budget } from '../files.ts';
import { decodeInode, type Inode } from './inode.ts';
import { compat, type Geometry, incompat, roCompat, type Superblock } from './superblock.ts';

/** Steps for one thing asked for: far more than a path needs, little enough to come to an end soon. */
const stepBudget = 50_000;

export interface ExtVolume {
  readonly looking: Looking;
  readonly geometry: Geometry;
  readonly budget: Budget;
  /** @throws AppError `corrupt` outside the volume. */
  block(number: number): Promise<Buffer>;
  inode(number: number): Promise<Inode>;
}

export function extVolume(looking: Looking, sb: Superblock, geometry: Geometry): ExtVolume {
  const { blockBytes, inodeBytes, descBytes } = geometry;
  const budget = new Budget(stepBudget, 'steps through an ext volume');
  const bytes = (offset: number, length: number) => {
    budget.spend();
    return readBytes(looking.disk, offset, length, looking.signal);
  };
  return {
    looking,
    geometry,
    budget,
    async block(number) {
      if (number >= geometry.blocksCount) {
        throw new AppError('corrupt', `ext block ${number} of ${geometry.blocksCount}`);
      }
      return bytes(number * blockBytes, blockBytes);
    },
    async inode(number) {
      if (number < 1 || number > sb.inodesCount) {
        throw new AppError('corrupt', `ext inode ${number} of ${sb.inodesCount}`);
      }
      const group = Math.floor((number - 1) / sb.inodesPerGroup);
      if (group >= geometry.groups) {
        throw new AppError('corrupt', `ext inode ${number} in group ${group} of ${geometry.groups}`);
      }
      const descriptor = await bytes(descriptorOffset(sb, geometry, group), descBytes);
      const tableLo = descriptor.readUInt32LE(8);
      const table = tableLo + (descBytes >= 64 ? descriptor.readUInt32LE(40) * 2 ** 32 : 0);
      if (table === 0 || table >= geometry.blocksCount) {
        throw new AppError(
          'corrupt',
          `ext group ${group}: inode table in block ${table} of ${geometry.blocksCount}`,
        );
      }
      const offset = table * blockBytes + ((number - 1) % sb.inodesPerGroup) * inodeBytes;
      return decodeInode(number, await bytes(offset, inodeBytes));
    },
  };
}

/** Behind the superblock, or with meta_bg in the first group of each meta group. */
export function descriptorOffset(sb: Superblock, geometry: Geometry, group: number): number {
  const { blockBytes, descBytes } = geometry;
  const perBlock = blockBytes / descBytes;
  const metaGroup = Math.floor(group / perBlock);
  const inside = (group % perBlock) * descBytes;
  if ((sb.featureIncompat & incompat.metaBg) === 0 || metaGroup < sb.firstMetaBg) {
    return (sb.firstDataBlock + 1 + metaGroup) * blockBytes + inside;
  }
  const first = metaGroup * perBlock;
  let block = sb.firstDataBlock + first * sb.blocksPerGroup + (hasSuperblock(sb, first) ? 1 : 0);
  // 1 KiB blocks counted from 0 (bigalloc): the superblock is in block 1, not 0.
  if (first === 0 && blockBytes === 1024 && sb.firstDataBlock === 0) block++;
  return block * blockBytes + inside;
}

function hasSuperblock(sb: Superblock, group: number): boolean {
  if (group === 0) return true;
  if ((sb.featureCompat & compat.sparseSuper2) !== 0) {
    const backups = Buffer.from(sb.backupBgs);
    return group === backups.readUInt32LE(0) || group === backups.readUInt32LE(4);
  }
  if ((sb.featureRoCompat & roCompat.sparseSuper) === 0 || group === 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
