/**
 * Inodes and where their bytes are: a tree of extents (ext4), blocks of block numbers (ext2/3), or inside the
 * inode itself. Linux Documentation/filesystems/ext4/{inodes,ifork,inlinedata,attributes}.rst.
 */
import { AppError } from '../../../model/errors.ts';
import type { FileKind } from '../files.ts';
import type { ExtVolume } from './volume.ts';

export interface Inode {
  readonly number: number;
  readonly kind: FileKind;
  readonly size: number;
  readonly flags: number;
  /** The 60 bytes that hold block numbers, the root of the extent tree, a short link, or data. */
  readonly block: Buffer;
  /** The whole inode: inline data goes on in its attributes. */
  readonly bytes: Buffer;
}

const flagEncrypted = 0x800;
const flagExtents = 0x80000;
const flagInline = 0x10000000;
const attributeMagic = 0xea020000;
/** Attribute names of kind `system.`. */
const systemIndex = 7;

const kinds: Readonly<Record<number, FileKind>> = { 16384: 'folder', 32768: 'file', 40960: 'link' };

export function decodeInode(number: number, bytes: Buffer): Inode {
  const kind = kinds[bytes.readUInt16LE(0) & 0xf000] ?? 'other';
  // The upper half is another field in folders of old revisions.
  const sizeHi = kind === 'file' ? bytes.readUInt32LE(108) : 0;
  const size = bytes.readUInt32LE(4) + sizeHi * 2 ** 32;
  if (!Number.isSafeInteger(size))
    throw new AppError('corrupt', `ext inode ${number}: size 0x${sizeHi.toString(16)}…`);
  return { number, kind, size, flags: bytes.readUInt32LE(32), block: bytes.subarray(40, 100), bytes };
}

/** @throws AppError `unsupported` when its content is encrypted. */
export function checkPlain(inode: Inode): void {
  if ((inode.flags & flagEncrypted) !== 0) {
    throw new AppError('unsupported', `ext inode ${inode.number} is encrypted (fscrypt)`);
  }
}

export const isInline = (inode: Inode): boolean => (inode.flags & flagInline) !== 0;

/** A link's target of less than 60 bytes lies where the block numbers would be. */
export const isFastLink = (inode: Inode): boolean =>
  inode.kind === 'link' && inode.size < 60 && (inode.flags & (flagExtents | flagInline)) === 0;

/** The data of an inode that keeps it in itself: the first 60 bytes, then the attribute `system.data`. */
export function inlineData(inode: Inode): Buffer {
  const all = Buffer.concat([inode.block, inlineAttribute(inode)]);
  if (inode.size > all.length) {
    throw new AppError(
      'corrupt',
      `ext inode ${inode.number}: ${inode.size} bytes inline, ${all.length} are there`,
    );
  }
  return all.subarray(0, inode.size);
}

function inlineAttribute(inode: Inode): Buffer {
  const { bytes } = inode;
  const nothing = Buffer.alloc(0);
  if (bytes.length <= 130) return nothing;
  const start = 128 + bytes.readUInt16LE(128);
  if (start + 4 > bytes.length || bytes.readUInt32LE(start) !== attributeMagic) return nothing;
  const first = start + 4;
  for (let at = first; at + 16 <= bytes.length && bytes.readUInt32LE(at) !== 0; ) {
    const nameLength = bytes[at]!;
    const valueAt = first + bytes.readUInt16LE(at + 2);
    const valueBytes = bytes.readUInt32LE(at + 8);
    const name = bytes.toString('latin1', at + 16, at + 16 + nameLength);
    if (bytes[at + 1] === systemIndex && name === 'data') {
      if (valueAt + valueBytes > bytes.length) {
        throw new AppError('corrupt', `ext inode ${inode.number}: inline data goes past the inode`);
      }
      return bytes.subarray(valueAt, valueAt + valueBytes);
    }
    at += 16 + ((nameLength + 3) & ~3);
  }
  return nothing;
}

/** The volume's block that holds the inode's block `index`; undefined for a hole. */
export async function blockOf(volume: ExtVolume, inode: Inode, index: number): Promise<number | undefined> {
  volume.budget.spend();
  const found =
    (inode.flags & flagExtents) !== 0
      ? await byExtents(volume, inode, index)
      : await byPointers(volume, inode, index);
  if (found === undefined || found === 0) return undefined;
  if (found >= volume.geometry.blocksCount) {
    throw new AppError(
      'corrupt',
      `ext inode ${inode.number}: block ${found} of ${volume.geometry.blocksCount}`,
    );
  }
  return found;
}

/** The 12-byte header and entries of each node: 0xF30A, entries, room, depth. Depth falls by one on each step. */
async function byExtents(volume: ExtVolume, inode: Inode, index: number): Promise<number | undefined> {
  let node = inode.block;
  for (let expectedDepth = -1; ; ) {
    const entries = node.readUInt16LE(2);
    const depth = node.readUInt16LE(6);
    const wrong = expectedDepth < 0 ? depth > 5 : depth !== expectedDepth;
    if (node.readUInt16LE(0) !== 0xf30a || wrong || 12 + entries * 12 > node.length) {
      throw new AppError('corrupt', `ext inode ${inode.number}: broken node of the extent tree`);
    }
    // Entries are in ascending order of their first block: the last that is not past `index`.
    let at = -1;
    for (let i = 0; i < entries && node.readUInt32LE(12 + i * 12) <= index; i++) at = 12 + i * 12;
    if (at < 0) return undefined;
    if (depth === 0) return leafBlock(node, at, index);
    const child = node.readUInt32LE(at + 4) + node.readUInt16LE(at + 8) * 2 ** 32;
    node = await volume.block(child);
    expectedDepth = depth - 1;
  }
}

function leafBlock(node: Buffer, at: number, index: number): number | undefined {
  const length = node.readUInt16LE(at + 4);
  // A length above 2^15 marks an extent that was allocated and never written: zeros.
  const written = length <= 0x8000;
  const inside = index - node.readUInt32LE(at);
  if (!written || inside >= length) return undefined;
  return node.readUInt32LE(at + 8) + node.readUInt16LE(at + 6) * 2 ** 32 + inside;
}

/** 12 direct block numbers, then one each of single, double and triple indirection. */
async function byPointers(volume: ExtVolume, inode: Inode, index: number): Promise<number | undefined> {
  if (index < 12) return inode.block.readUInt32LE(index * 4);
  const perBlock = volume.geometry.blockBytes / 4;
  let rest = index - 12;
  for (let level = 1; level <= 3; level++) {
    const span = perBlock ** level;
    if (rest >= span) {
      rest -= span;
      continue;
    }
    let pointer = inode.block.readUInt32LE((11 + level) * 4);
    for (let below = span / perBlock; pointer !== 0; below /= perBlock) {
      const block = await volume.block(pointer);
      pointer = block.readUInt32LE(Math.floor(rest / below) * 4);
      rest %= below;
      if (below === 1) return pointer;
    }
    return undefined;
  }
  throw new AppError('corrupt', `ext inode ${inode.number}: block ${index} is past what an inode can hold`);
}
