/**
 * Decrypts sectors, each with a start value made from its number. Node's ciphers take one such value
 * per call, which is slow for sectors: here AES runs over all blocks at once (ECB), and what XTS (IEEE 1619) and CBC
 * add to it, an exclusive-or before or after, is done apart.
 */
import { createCipheriv, createDecipheriv, createHash } from 'node:crypto';
import { AppError } from '../../model/errors.ts';

/** What sectors are numbered by, also where they are larger: dm-crypt does so for LUKS2. */
const numberedBytes = 512;
const blockBytes = 16;

export interface CipherSpec {
  readonly mode: 'xts' | 'cbc';
  /** How a sector's number becomes its start value; `essiv`: encrypted with the key's SHA-256. */
  readonly start: 'plain' | 'plain64' | 'essiv';
}

/** By dm-crypt's name, such as `aes-xts-plain64`. @throws AppError `unsupported`. */
export function cipherSpec(name: string, keyBytes: number, where: string): CipherSpec {
  // qemu writes the hash that it was given behind a start value that needs none: `plain64:sha256`.
  const match = /^aes-(xts|cbc)-(?:(plain|plain64)(?::\w+)?|(essiv):sha256)$/.exec(name);
  const lengths = match?.[1] === 'xts' ? [32, 48, 64] : [16, 24, 32];
  if (match === null || !lengths.includes(keyBytes)) {
    const shown = name.slice(0, 80).replace(/[^ -~]/g, '?');
    throw new AppError('unsupported', `encrypted by ${shown} with a key of ${keyBytes * 8} bits`, {
      where,
      hint: 'AES in the modes XTS and CBC is supported; qemu-img convert with the key writes a plain copy',
    });
  }
  return { mode: match[1] as CipherSpec['mode'], start: (match[2] ?? match[3]) as CipherSpec['start'] };
}

/** Decrypts `bytes`, whole sectors, in place. `sector` numbers the first in units of 512 bytes. */
export type SectorCipher = (bytes: Uint8Array, sector: number) => void;

export function sectorCipher(
  { mode, start }: CipherSpec,
  key: Buffer,
  sectorBytes = numberedBytes,
): SectorCipher {
  const half = key.length / 2;
  const dataKey = mode === 'xts' ? key.subarray(0, half) : key;
  // XTS encrypts the start value with its second key.
  const tweakKey = mode === 'xts' ? key.subarray(half) : undefined;
  const essivKey = start === 'essiv' ? createHash('sha256').update(key).digest() : undefined;
  return (bytes, sector) => {
    let starts = startValues(
      bytes.length / sectorBytes,
      sector,
      sectorBytes / numberedBytes,
      start === 'plain',
    );
    if (essivKey !== undefined) starts = encryptBlocks(essivKey, starts);
    if (tweakKey !== undefined) starts = encryptBlocks(tweakKey, starts);
    const mask = mode === 'xts' ? tweaks(starts, sectorBytes) : chained(starts, bytes, sectorBytes);
    if (mode === 'xts') xor(bytes, mask);
    const decipher = createDecipheriv(ecb(dataKey), dataKey, null).setAutoPadding(false);
    const plain = decipher.update(bytes);
    xor(plain, mask);
    bytes.set(plain);
  };
}

const ecb = (key: Buffer) => `aes-${key.length * 8}-ecb` as const;

function encryptBlocks(key: Buffer, blocks: Buffer): Buffer {
  return createCipheriv(ecb(key), key, null).setAutoPadding(false).update(blocks);
}

/** A block for each sector: its number, little-endian, in 64 bits, or in 32 where it is `short`. */
function startValues(count: number, first: number, step: number, short: boolean): Buffer {
  const out = Buffer.alloc(count * blockBytes);
  for (let i = 0; i < count; i++) {
    const number = first + i * step;
    out.writeUInt32LE(number % 2 ** 32, i * blockBytes);
    if (!short) out.writeUInt32LE(Math.floor(number / 2 ** 32), i * blockBytes + 4);
  }
  return out;
}

/** IEEE 1619, 5.2: the tweak of each block is that of the one before, times x in GF(2^128). */
function tweaks(starts: Buffer, sectorBytes: number): Buffer {
  const out = Buffer.allocUnsafe((starts.length / blockBytes) * sectorBytes);
  for (let s = 0, at = 0; s < starts.length; s += blockBytes) {
    let a = starts.readUInt32LE(s);
    let b = starts.readUInt32LE(s + 4);
    let c = starts.readUInt32LE(s + 8);
    let d = starts.readUInt32LE(s + 12);
    for (let i = 0; i < sectorBytes; i += blockBytes, at += blockBytes) {
      out.writeUInt32LE(a >>> 0, at);
      out.writeUInt32LE(b >>> 0, at + 4);
      out.writeUInt32LE(c >>> 0, at + 8);
      out.writeUInt32LE(d >>> 0, at + 12);
      const carry = d >>> 31;
      d = (d << 1) | (c >>> 31);
      c = (c << 1) | (b >>> 31);
      b = (b << 1) | (a >>> 31);
      a = (a << 1) ^ (carry * 0x87);
    }
  }
  return out;
}

/** CBC: each block is mixed with the encrypted one before it, a sector's first with the start value. */
function chained(starts: Buffer, bytes: Uint8Array, sectorBytes: number): Buffer {
  const out = Buffer.allocUnsafe(bytes.length);
  out.set(bytes.subarray(0, bytes.length - blockBytes), blockBytes);
  for (let at = 0, s = 0; at < out.length; at += sectorBytes, s += blockBytes) {
    starts.copy(out, at, s, s + blockBytes);
  }
  return out;
}

function xor(target: Uint8Array, mask: Uint8Array): void {
  if (target.byteOffset % 4 === 0 && mask.byteOffset % 4 === 0) {
    const a = new Uint32Array(target.buffer, target.byteOffset, target.length / 4);
    const b = new Uint32Array(mask.buffer, mask.byteOffset, mask.length / 4);
    for (let i = 0; i < a.length; i++) a[i]! ^= b[i]!;
  } else {
    for (let i = 0; i < target.length; i++) target[i]! ^= mask[i]!;
  }
}
