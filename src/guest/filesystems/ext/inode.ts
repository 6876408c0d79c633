/** Inodes, and data inside them. Linux Documentation/filesystems/ext4/{inodes,inlinedata,attributes}.rst. */
import { AppError } from '../../../model/errors.ts';
import type { FileKind, FileStat } from '../files.ts';

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
const flagCasefold = 0x40000000;
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

/** Owners have two halves; the time got two bits of epoch in inodes of more than 128 bytes. */
export function statOf(inode: Inode): FileStat {
  const { bytes, kind, size } = inode;
  const large = bytes.length >= 140 && bytes.readUInt16LE(128) >= 12;
  const epoch = large ? (bytes.readUInt32LE(136) & 3) * 2 ** 32 : 0;
  return {
    kind,
    size,
    mode: bytes.readUInt16LE(0) & 0o7777,
    uid: bytes.readUInt16LE(2) + bytes.readUInt16LE(120) * 65536,
    gid: bytes.readUInt16LE(24) + bytes.readUInt16LE(122) * 65536,
    modifiedAt: bytes.readInt32LE(16) + epoch,
  };
}

export const isInline = (inode: Inode): boolean => (inode.flags & flagInline) !== 0;

export const usesExtents = (inode: Inode): boolean => (inode.flags & flagExtents) !== 0;

export const isCasefolded = (inode: Inode): boolean => (inode.flags & flagCasefold) !== 0;

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
