/** XFS inodes. XFS Algorithms & Data Structures, "On-disk Inode". */
import { AppError } from '../../../model/errors.ts';
import type { FileKind, FileStat } from '../files.ts';

/** Where the content is: in the inode, listed in it, or in a tree whose root it is. */
export type ForkFormat = 'local' | 'extents' | 'btree' | 'none';

export interface XfsInode {
  readonly number: number;
  readonly stat: FileStat;
  readonly format: ForkFormat;
  /** Records in the data fork, when its format is `extents`. */
  readonly extents: number;
  /** The data fork. */
  readonly fork: Buffer;
  /** Its content is on the realtime device. */
  readonly realtime: boolean;
}

const formats: Readonly<Record<number, ForkFormat>> = { 1: 'local', 2: 'extents', 3: 'btree' };
const kinds: Readonly<Record<number, FileKind>> = { 16384: 'folder', 32768: 'file', 40960: 'link' };
const flagRealtime = 1;
const flag2Bigtime = 8;
const flag2Nrext64 = 0x10;

/** @throws AppError `corrupt`. */
export function decodeInode(number: number, bytes: Buffer): XfsInode {
  const bad = (what: string) => new AppError('corrupt', `XFS inode ${number}: ${what}`);
  if (bytes.readUInt16BE(0) !== 0x494e) throw bad('no mark of an inode');
  const version = bytes[4]!;
  if (version < 1 || version > 3) throw bad(`version ${version}`);
  const flags2 = version === 3 ? Number(bytes.readBigUInt64BE(120) & 0xffn) : 0;
  const forkAt = version === 3 ? 176 : 100;
  const attributesAt = bytes[82]! * 8;
  const forkBytes = attributesAt === 0 ? bytes.length - forkAt : attributesAt;
  if (forkAt + forkBytes > bytes.length) throw bad(`a fork of ${forkBytes} bytes`);
  const size = Number(bytes.readBigUInt64BE(56));
  if (!Number.isSafeInteger(size)) throw bad(`a size of ${size} bytes`);
  const nrext64 = (flags2 & flag2Nrext64) !== 0;
  const mode = bytes.readUInt16BE(0 + 2);
  return {
    number,
    stat: {
      kind: kinds[mode & 0xf000] ?? 'other',
      size,
      mode: mode & 0o7777,
      uid: bytes.readUInt32BE(8),
      gid: bytes.readUInt32BE(12),
      modifiedAt: timeAt(bytes, 40, (flags2 & flag2Bigtime) !== 0),
    },
    format: formats[bytes[5]!] ?? 'none',
    extents: nrext64 ? Number(bytes.readBigUInt64BE(24)) : bytes.readUInt32BE(76),
    fork: bytes.subarray(forkAt, forkAt + forkBytes),
    realtime: (bytes.readUInt16BE(90) & flagRealtime) !== 0,
  };
}

/** Seconds and nanoseconds; with bigtime nanoseconds since 1901, which is -2^31. */
function timeAt(bytes: Buffer, at: number, bigtime: boolean): number {
  if (!bigtime) return bytes.readInt32BE(at);
  return Number(bytes.readBigUInt64BE(at) / 1_000_000_000n) - 2 ** 31;
}
