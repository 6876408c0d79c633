/**
 * The LUKS header, version 1: "LUKS1 On-Disk Format Specification", 1.2.3. All numbers
 * are big-endian.
 *
 *   header | eight key slots: how each passphrase leads to the master key | key material of the slots
 */

import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { type CipherSpec, cipherSpec } from './sector-cipher.ts';
import { knownHash } from './stripes.ts';

const headerBytes = 592;
const slotsAt = 208;
const slotBytes = 48;
const slotCount = 8;
const slotActive = 0x00ac71f3;
const sectorBytes = 512;
/** A passphrase takes a second or two with some millions; more only keeps a processor busy for hours. */
const mostIterations = 100_000_000;

export interface KeySlot {
  readonly iterations: number;
  readonly salt: Buffer;
  /** Offset in the source and length of the key material, bytes. */
  readonly offset: number;
  readonly bytes: number;
  readonly stripes: number;
}

/** What a header and its key slots are read from. */
export type LuksSource = Pick<ByteSource, 'name' | 'size' | 'read'>;

export interface LuksHeader {
  readonly cipher: CipherSpec;
  /** As node:crypto names it. */
  readonly hash: string;
  readonly keyBytes: number;
  readonly digest: Buffer;
  readonly digestSalt: Buffer;
  readonly digestIterations: number;
  readonly slots: readonly KeySlot[];
  /** Where the encrypted bytes begin, from the start of the header. An image in qcow2 knows that by itself. */
  readonly payloadOffset: number;
}

/** `place` is where the header lies in `source`, as the image tells. @throws AppError `corrupt`, `unsupported`. */
export async function readLuksHeader(
  source: LuksSource,
  place: { readonly offset: number; readonly bytes: number },
  signal: AbortSignal | undefined,
): Promise<LuksHeader> {
  const where = `${source.name}, LUKS header at ${place.offset}`;
  const corrupt = (message: string) => new AppError('corrupt', message, { where });
  if (place.bytes < headerBytes || place.offset > source.size - headerBytes) {
    throw corrupt(`LUKS header of ${place.bytes} bytes is not in the file (${source.size} bytes)`);
  }
  const bytes = await readBytes(source, place.offset, headerBytes, signal);
  if (bytes.toString('latin1', 0, 6) !== 'LUKS\xba\xbe') throw corrupt('no LUKS magic');
  const version = bytes.readUInt16BE(6);
  if (version !== 1) throw new AppError('unsupported', `LUKS version ${version}; 1 is supported`, { where });
  const text = (at: number) => bytes.toString('latin1', at, at + 32).split('\0', 1)[0]!;
  const keyBytes = bytes.readUInt32BE(108);
  return {
    cipher: cipherSpec(`${text(8)}-${text(40)}`, keyBytes, where),
    hash: knownHash(text(72), where),
    keyBytes,
    digest: bytes.subarray(112, 132),
    digestSalt: bytes.subarray(132, 164),
    digestIterations: iterationsAt(bytes, 164, corrupt),
    slots: readSlots(bytes, keyBytes, source, place.offset, corrupt),
    payloadOffset: bytes.readUInt32BE(104) * sectorBytes,
  };
}

type Refusal = (message: string) => AppError;

function iterationsAt(bytes: Buffer, at: number, corrupt: Refusal): number {
  const iterations = bytes.readUInt32BE(at);
  if (iterations === 0 || iterations > mostIterations) throw corrupt(`${iterations} iterations of PBKDF2`);
  return iterations;
}

function readSlots(
  bytes: Buffer,
  keyBytes: number,
  source: LuksSource,
  base: number,
  corrupt: Refusal,
): KeySlot[] {
  const slots: KeySlot[] = [];
  for (let i = 0; i < slotCount; i++) {
    const at = slotsAt + i * slotBytes;
    if (bytes.readUInt32BE(at) !== slotActive) continue;
    const stripes = bytes.readUInt32BE(at + 44);
    const offset = base + bytes.readUInt32BE(at + 40) * sectorBytes;
    const length = Math.ceil((keyBytes * stripes) / sectorBytes) * sectorBytes;
    if (stripes === 0 || length > 4 * MiB || offset > source.size - length) {
      throw corrupt(`key slot ${i}: ${length} bytes of key material at ${offset}`);
    }
    slots.push({
      iterations: iterationsAt(bytes, at + 4, corrupt),
      salt: bytes.subarray(at + 8, at + 40),
      offset,
      bytes: length,
      stripes,
    });
  }
  if (slots.length === 0) throw corrupt('no key slot is in use: the key is lost');
  return slots;
}
