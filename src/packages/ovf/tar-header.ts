/**
 * The 512 bytes before each member of a tar archive: POSIX ustar, as DSP0243 5.3 asks for, with GNU's base-256
 * numbers where a size does not fit into eleven octal digits (8 GiB and more).
 *
 *   0 name 100 | 100 mode 8 | 108 uid 8 | 116 gid 8 | 124 size 12 | 136 mtime 12 | 148 checksum 8 | 156 type 1
 *   157 link 100 | 257 magic 6, version 2 | 265 uname 32 | 297 gname 32 | 329 major 8, minor 8 | 345 prefix 155
 */
import { AppError } from '../../model/errors.ts';

export const tarBlockBytes = 512;

export interface TarHeader {
  readonly name: string;
  readonly sizeBytes: number;
  /** The type's character: `0` a file, `5` a folder, `x` and `g` pax records, `L` GNU's long name … */
  readonly type: string;
}

const largestOctal = 8 ** 11 - 1;

/** @throws AppError `corrupt` for a wrong checksum or an impossible number. Undefined for a block of zeros. */
export function decodeTarHeader(block: Uint8Array, where: string): TarHeader | undefined {
  const bytes = Buffer.from(block.buffer, block.byteOffset, tarBlockBytes);
  if (bytes.every((b) => b === 0)) return undefined;
  const stored = number(bytes, 148, 8);
  const { unsigned, signed } = checksums(bytes);
  // Some old tars summed signed characters.
  if (stored !== unsigned && stored !== signed) {
    throw new AppError('corrupt', `tar header: checksum ${stored}, expected ${unsigned}`, {
      where,
      hint: 'the archive is damaged or not a tar archive; fetch it again',
    });
  }
  const sizeBytes = number(bytes, 124, 12);
  if (sizeBytes === undefined)
    throw new AppError('corrupt', 'tar header: the size is not a number', { where });
  const isPosix = bytes.toString('latin1', 257, 263) === 'ustar\0';
  const prefix = isPosix ? text(bytes, 345, 155) : '';
  const name = text(bytes, 0, 100);
  const type = bytes[156] === 0 ? '0' : String.fromCharCode(bytes[156]!);
  return { name: prefix === '' ? name : `${prefix}/${name}`, sizeBytes, type };
}

/** @throws AppError `usage` when the name does not fit. */
export function encodeTarHeader(name: string, sizeBytes: number, mtimeSeconds: number): Buffer {
  const block = Buffer.alloc(tarBlockBytes);
  const nameBytes = Buffer.from(name, 'utf8');
  if (nameBytes.length > 100) {
    throw new AppError('usage', `the name "${name}" is longer than the 100 bytes that a tar header holds`, {
      hint: 'choose a shorter name',
    });
  }
  nameBytes.copy(block);
  block.write('0000644\0', 100, 'latin1');
  block.write('0000000\0', 108, 'latin1');
  block.write('0000000\0', 116, 'latin1');
  const large = sizeBytes > largestOctal;
  if (large) {
    block[124] = 0x80;
    block.writeBigUInt64BE(BigInt(sizeBytes), 128);
  } else block.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  block.write(`${mtimeSeconds.toString(8).padStart(11, '0')}\0`, 136, 'latin1');
  block[156] = 0x30;
  // A base-256 size is GNU's; the header says so.
  block.write(large ? 'ustar  \0' : 'ustar\x0000', 257, 'latin1');
  block.write('root', 265, 'latin1');
  block.write('root', 297, 'latin1');
  block.write(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return block;
}

/** Sums of all bytes, with the checksum's own field counted as spaces. */
function checksums(block: Uint8Array): { unsigned: number; signed: number } {
  let unsigned = 8 * 32;
  let above = 0;
  for (let i = 0; i < tarBlockBytes; i++) {
    if (i >= 148 && i < 156) continue;
    unsigned += block[i]!;
    if (block[i]! > 127) above++;
  }
  return { unsigned, signed: unsigned - 256 * above };
}

/** Octal digits, or a base-256 number; undefined when it is neither or past 2^53 - 1. */
function number(block: Buffer, offset: number, length: number): number | undefined {
  if (block[offset]! === 0x80) {
    let value = 0;
    for (let i = 1; i < length; i++) value = value * 256 + block[offset + i]!;
    return Number.isSafeInteger(value) ? value : undefined;
  }
  const digits = text(block, offset, length).trim();
  if (digits === '') return 0;
  return /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : undefined;
}

function text(block: Buffer, offset: number, length: number): string {
  const end = block.indexOf(0, offset);
  return block.toString('utf8', offset, end < 0 ? offset + length : Math.min(end, offset + length));
}
