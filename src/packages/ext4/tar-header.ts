/**
 * The header of a tar member with all that a filesystem needs; POSIX ustar and GNU, numbers in octal or base 256:
 *
 *   0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type 1
 *   157 link 100 | 257 magic 6 | 329 major 8 | 337 minor 8 | 345 prefix 155
 */
import { AppError } from '../../model/errors.ts';

export const tarBlock = 512;

export interface Header {
  /** latin1. */
  readonly name: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly modifiedAt: number;
  readonly type: string;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
}

export const isEndBlock = (block: Buffer): boolean => block.every((byte) => byte === 0);

/** @throws AppError `corrupt`. */
export function decodeHeader(block: Buffer, where: string): Header {
  const stored = number(block, 148, 8, where);
  let sum = 8 * 32;
  for (let i = 0; i < tarBlock; i++) if (i < 148 || i >= 156) sum += block[i]!;
  if (stored !== sum)
    throw new AppError('corrupt', `tar header: checksum ${stored}, expected ${sum}`, { where });
  const isPosix = block.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? text(block, 345, 155) : '';
  const name = text(block, 0, 100);
  const size = number(block, 124, 12, where);
  if (size < 0) throw new AppError('corrupt', `tar header: a size of ${size}`, { where });
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    mode: number(block, 100, 8, where),
    uid: number(block, 108, 8, where),
    gid: number(block, 116, 8, where),
    size,
    modifiedAt: number(block, 136, 12, where),
    type: String.fromCharCode(block[156]!),
    link: text(block, 157, 100),
    major: number(block, 329, 8, where),
    minor: number(block, 337, 8, where),
  };
}

function number(block: Buffer, at: number, length: number, where: string): number {
  const first = block[at]!;
  if (first === 0x80 || first === 0xff) {
    let value = first === 0xff ? -1 : 0;
    for (let i = 1; i < length; i++) value = value * 256 + block[at + i]!;
    if (Number.isSafeInteger(value)) return value;
  } else {
    const digits = text(block, at, length).trim();
    if (digits === '') return 0;
    if (/^[0-7]+$/.test(digits)) return Number.parseInt(digits, 8);
  }
  throw new AppError('corrupt', `tar header: no number at ${at}`, { where });
}

function text(block: Buffer, at: number, length: number): string {
  const end = block.indexOf(0, at);
  return block.toString('latin1', at, end < 0 ? at + length : Math.min(end, at + length));
}

/** `length key=value\n`, the length counting the whole record; values are bytes. @throws AppError `corrupt`. */
export function* paxRecords(bytes: Buffer, where: string): Generator<[string, Buffer]> {
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const digits = space < 0 ? '' : bytes.toString('latin1', at, space);
    const end = at + (/^\d{1,8}$/.test(digits) ? Number(digits) : 0);
    const equals = bytes.indexOf(0x3d, space);
    if (end <= at || end > bytes.length || equals < 0 || equals >= end || bytes[end - 1] !== 0x0a)
      throw new AppError('corrupt', 'a pax header that is not in records', { where });
    yield [bytes.toString('latin1', space + 1, equals), bytes.subarray(equals + 1, end - 1)];
    at = end;
  }
}
