/** What says where everything is: inode tables, bitmaps, group descriptors, the superblock and its copies. */
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Blocks } from './blocks.ts';
import type { Inodes } from './inodes.ts';
import {
  blockBytes,
  blocksPerGroup,
  descriptorsPerBlock,
  hasSuperblock,
  inodeBytes,
  inodesPerBlock,
  lostFoundInode,
  mostGroups,
  reservedBlocks,
} from './layout.ts';
import { superblock } from './superblock.ts';

export interface TableOptions {
  readonly minimumBytes?: number | undefined;
  readonly uuid: Uint8Array;
  readonly now: number;
  /** Inode numbers. */
  readonly folders: Iterable<number>;
  readonly signal?: AbortSignal;
}

interface Shape {
  readonly groups: number;
  readonly inodesPerGroup: number;
  readonly tableBlocks: number;
}

/** As mke2fs has it: one for so many bytes. */
const bytesPerInode = 16_384;
/** Left free at least, for what the machine still needs: a kernel, a bootloader. */
const spareBlocks = (1024 * 1024 * 1024) / blockBytes;

/** The size of all. @throws AppError `unsupported`. */
export async function finishTables(
  sink: ByteSink,
  blocks: Blocks,
  inodes: Inodes,
  options: TableOptions,
): Promise<number> {
  const shape = shapeFor(blocks, inodes, options.minimumBytes ?? 0);
  const { groups, inodesPerGroup, tableBlocks } = shape;
  const places = Array.from({ length: groups }, () => ({
    bitmaps: blocks.takeTogether(2),
    table: blocks.takeTogether(tableBlocks),
  }));
  const size = groups * blocksPerGroup * blockBytes;
  if (blocks.next > groups * blocksPerGroup) throw new AppError('bug', 'the tables of ext4 do not fit');
  const perTable = new Uint32Array(groups);
  for (const ino of options.folders) perTable[Math.floor((ino - 1) / inodesPerGroup)]!++;
  const descriptorBlocks = Math.ceil(groups / descriptorsPerBlock);
  const descriptors = Buffer.alloc(descriptorBlocks * blockBytes);
  let freeBlocks = 0;
  let freeInodes = 0;
  for (const [group, { bitmaps, table }] of places.entries()) {
    options.signal?.throwIfAborted();
    const blockBitmap = blockBitmapOf(group, blocks, descriptorBlocks);
    const inodeBitmap = Buffer.alloc(blockBytes);
    const usedInodes = Math.min(Math.max(inodes.last - group * inodesPerGroup, 0), inodesPerGroup);
    setBits(inodeBitmap, 0, usedInodes);
    setBits(inodeBitmap, inodesPerGroup, blocksPerGroup);
    await blocks.write(bitmaps, Buffer.concat([blockBitmap, inodeBitmap]));
    for (let done = 0; done < usedInodes; done += inodesPerBlock)
      await blocks.write(
        table + done / inodesPerBlock,
        tableBlock(inodes, group * inodesPerGroup + done + 1),
      );
    const free = { blocks: blocksPerGroup - bitsIn(blockBitmap), inodes: inodesPerGroup - usedInodes };
    freeBlocks += free.blocks;
    freeInodes += free.inodes;
    const at = group * 32;
    descriptors.writeUInt32LE(bitmaps, at);
    descriptors.writeUInt32LE(bitmaps + 1, at + 4);
    descriptors.writeUInt32LE(table, at + 8);
    descriptors.writeUInt16LE(free.blocks, at + 12);
    descriptors.writeUInt16LE(free.inodes, at + 14);
    descriptors.writeUInt16LE(perTable[group]!, at + 16);
  }
  await blocks.flush();
  for (let group = 0; group < groups; group++) {
    if (!hasSuperblock(group)) continue;
    const start = Buffer.alloc(blockBytes + descriptors.length);
    const block = superblock({ ...shape, ...options, group, freeBlocks, freeInodes });
    // The first one leaves room for a boot sector.
    block.copy(start, group === 0 ? 1024 : 0);
    descriptors.copy(start, blockBytes);
    await sink.write(start, group * blocksPerGroup * blockBytes, options.signal);
  }
  return size;
}

/** Whole groups. */
function shapeFor(blocks: Blocks, inodes: Inodes, minimumBytes: number): Shape {
  const least = blocks.next + Math.max(spareBlocks, Math.ceil(blocks.next / 10));
  let groups = Math.ceil(Math.max(minimumBytes / blockBytes, least) / blocksPerGroup);
  for (; groups <= mostGroups; groups++) {
    const wanted = Math.max((groups * blocksPerGroup * blockBytes) / bytesPerInode, inodes.last * 1.25);
    const each = Math.ceil(wanted / groups / inodesPerBlock) * inodesPerBlock;
    const inodesPerGroup = Math.min(each, blocksPerGroup);
    const tableBlocks = inodesPerGroup / inodesPerBlock;
    // What is jumped over for superblocks, and behind a table that did not fit before one.
    const superblocks = Array.from({ length: groups }, (_, g) => g).filter(hasSuperblock).length;
    const tables = groups * (2 + tableBlocks) + superblocks * (reservedBlocks + tableBlocks + 2);
    const fits = blocks.next + tables <= groups * blocksPerGroup;
    if (fits && inodesPerGroup * groups >= inodes.last) return { groups, inodesPerGroup, tableBlocks };
  }
  throw new AppError('unsupported', 'it is larger than the 2 TiB that a filesystem made here can have', {
    hint: 'convert the container to ploop on its host',
  });
}

function tableBlock(inodes: Inodes, first: number): Buffer {
  const block = Buffer.alloc(blockBytes);
  for (let i = 0; i < inodesPerBlock && first + i <= Math.max(inodes.last, lostFoundInode); i++)
    inodes.bytes(first + i).copy(block, i * inodeBytes);
  return block;
}

/** All that was given out, but for what was jumped over; superblocks and descriptors everywhere. */
function blockBitmapOf(group: number, blocks: Blocks, descriptorBlocks: number): Buffer {
  const bitmap = Buffer.alloc(blockBytes);
  const start = group * blocksPerGroup;
  const within = (block: number) => Math.min(Math.max(block - start, 0), blocksPerGroup);
  setBits(bitmap, 0, within(blocks.next));
  for (const run of blocks.skipped) clearBits(bitmap, within(run.start), within(run.start + run.count));
  if (hasSuperblock(group)) {
    clearBits(bitmap, 0, reservedBlocks);
    setBits(bitmap, 0, 1 + descriptorBlocks);
  }
  return bitmap;
}

function setBits(bitmap: Buffer, from: number, to: number): void {
  for (let at = from; at < to; ) {
    if (at % 8 === 0 && to - at >= 8) {
      const end = Math.floor(to / 8);
      bitmap.fill(0xff, at / 8, end);
      at = end * 8;
    } else {
      bitmap[at >> 3]! |= 1 << (at & 7);
      at++;
    }
  }
}

function clearBits(bitmap: Buffer, from: number, to: number): void {
  for (let at = from; at < to; at++) bitmap[at >> 3]! &= ~(1 << (at & 7));
}

function bitsIn(bitmap: Buffer): number {
  let count = 0;
  for (const byte of bitmap) for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
}
