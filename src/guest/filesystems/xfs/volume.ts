/** Blocks and inodes of an XFS volume: their numbers hold the allocation group in the upper bits. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { Budget } from '../files.ts';
import { checkInside } from '../runs.ts';
import { decodeInode, type XfsInode } from './inode.ts';
import { checkCrc, type XfsLayout } from './superblock.ts';

/** Steps for one thing asked for. */
const stepBudget = 50_000;

export interface XfsVolume {
  readonly looking: Looking;
  readonly layout: XfsLayout;
  readonly budget: Budget;
  /** Bytes from the volume's start to `count` blocks. @throws AppError `corrupt` outside of their group. */
  placeOf(block: number, count: number): number;
  block(number: number): Promise<Buffer>;
  inode(number: number): Promise<XfsInode>;
}

export function xfsVolume(looking: Looking, layout: XfsLayout): XfsVolume {
  const { sb } = layout;
  const budget = new Budget(stepBudget, 'steps through an XFS volume');
  const read = (offset: number, length: number) => {
    budget.spend();
    checkInside(looking, offset, length);
    return readBytes(looking.disk, offset, length, looking.signal);
  };
  const placeOf = (block: number, count: number): number => {
    const group = Math.floor(block / 2 ** sb.agblklog);
    const inside = block % 2 ** sb.agblklog;
    const absolute = group * sb.agblocks + inside;
    if (group >= sb.agcount || inside + count > sb.agblocks || absolute + count > sb.dblocks)
      throw new AppError('corrupt', `XFS: ${count} blocks from ${inside} of group ${group}`);
    return absolute * sb.blocksize;
  };
  return {
    looking,
    layout,
    budget,
    placeOf,
    block: (number) => read(placeOf(number, 1), sb.blocksize),
    async inode(number) {
      const block = Math.floor(number / sb.inopblock);
      const offset = placeOf(block, 1) + (number % sb.inopblock) * sb.inodesize;
      const bytes = await read(offset, sb.inodesize);
      // The check of the mark comes first: an inode that is not there has no checksum either.
      const inode = decodeInode(number, bytes);
      if (layout.v5) {
        if (Number(bytes.readBigUInt64BE(152)) !== number || bytes[4] !== 3)
          throw new AppError('corrupt', `XFS inode ${number}: another one is in its place`);
        checkCrc(bytes, 100, `XFS inode ${number}`);
      }
      return inode;
    },
  };
}
