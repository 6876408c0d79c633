/** Inodes, kept until it is known where their tables will lie. */
import { AppError } from '../../model/errors.ts';
import { inodeBytes, lostFoundInode } from './layout.ts';
import type { Timestamp } from './tar-stream.ts';

/** Bytes behind the first 128 that have fields; what is left is for extended attributes. */
const extraBytes = 32;
const fieldsEnd = 128 + extraBytes;
const perChunk = 4096;
/** 4 GiB of memory would be needed for more. */
const mostInodes = 2 ** 24;
/** More hard links the format does not count. */
const mostLinks = 65_000;
const usesExtents = 0x80000;

export interface InodeFields {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: Timestamp;
}

export class Inodes {
  readonly #chunks: Buffer[] = [];
  #last = lostFoundInode;

  get last(): number {
    return this.#last;
  }

  /** @throws AppError `unsupported`. */
  make(): number {
    this.#last++;
    if (this.#last > mostInodes)
      throw new AppError('unsupported', `more than ${mostInodes} files and folders`, {
        hint: 'convert the container to ploop on its host',
      });
    return this.#last;
  }

  /** The bytes of one, to be changed in place. */
  bytes(ino: number): Buffer {
    const chunk = Math.floor(ino / perChunk);
    while (this.#chunks.length <= chunk) this.#chunks.push(Buffer.alloc(perChunk * inodeBytes));
    const at = (ino % perChunk) * inodeBytes;
    return this.#chunks[chunk]!.subarray(at, at + inodeBytes);
  }

  /** Where its extended attributes may lie. */
  inner(ino: number): Buffer {
    return this.bytes(ino).subarray(fieldsEnd);
  }

  setFields(ino: number, { mode, uid, gid, modifiedAt }: InodeFields): void {
    const inode = this.bytes(ino);
    inode.writeUInt16LE(mode, 0);
    inode.writeUInt16LE(uid & 0xffff, 2);
    inode.writeUInt16LE((uid >>> 16) & 0xffff, 120);
    inode.writeUInt16LE(gid & 0xffff, 24);
    inode.writeUInt16LE((gid >>> 16) & 0xffff, 122);
    inode.writeUInt16LE(extraBytes, 128);
    const { low, extra } = timeFields(modifiedAt);
    for (const at of [8, 12, 16]) inode.writeUInt32LE(low, at);
    for (const at of [132, 136, 140]) inode.writeUInt32LE(extra, at);
  }

  setContent(ino: number, size: number, blocks: number, root: Buffer): void {
    const inode = this.bytes(ino);
    inode.writeUInt32LE(size % 2 ** 32, 4);
    inode.writeUInt32LE(Math.floor(size / 2 ** 32), 108);
    inode.writeUInt32LE(usesExtents, 32);
    root.copy(inode, 40);
    this.addBlocks(ino, blocks);
  }

  /** Counted in sectors, whatever they hold. */
  addBlocks(ino: number, blocks: number): void {
    const inode = this.bytes(ino);
    const sectors = inode.readUInt32LE(28) + inode.readUInt16LE(116) * 2 ** 32 + blocks * 8;
    inode.writeUInt32LE(sectors % 2 ** 32, 28);
    inode.writeUInt16LE(Math.floor(sectors / 2 ** 32), 116);
  }

  setXattrBlock(ino: number, block: number): void {
    this.bytes(ino).writeUInt32LE(block, 104);
    this.addBlocks(ino, 1);
  }

  setLinks(ino: number, links: number): void {
    this.bytes(ino).writeUInt16LE(links, 26);
  }

  /** @throws AppError `unsupported`. */
  addLink(ino: number): void {
    const links = this.bytes(ino).readUInt16LE(26) + 1;
    if (links > mostLinks) throw new AppError('unsupported', `a file with more than ${mostLinks} hard links`);
    this.setLinks(ino, links);
  }
}

/** 34 bits of seconds from 1901 on, 30 of nanoseconds. */
function timeFields({ seconds, nanoseconds }: Timestamp): { low: number; extra: number } {
  const bounded = Math.min(Math.max(seconds, -(2 ** 31)), 2 ** 34 - 2 ** 31 - 1);
  const epoch = Math.floor((bounded + 2 ** 31) / 2 ** 32);
  return {
    low: (((bounded % 2 ** 32) + 2 ** 32) % 2 ** 32) >>> 0,
    extra: ((nanoseconds << 2) | epoch) >>> 0,
  };
}
