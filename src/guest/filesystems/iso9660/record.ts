/** Folder records, ECMA-119, 9.1. */
import { AppError } from '../../../model/errors.ts';
import { sectorBytes } from './descriptors.ts';

export interface FolderRecord {
  /** Blocks. */
  readonly extent: number;
  readonly bytes: number;
  readonly isFolder: boolean;
  /** More of the same file follows in the next record. */
  readonly goesOn: boolean;
  readonly isAssociated: boolean;
  readonly name: Buffer;
  /** Seconds since 1970. */
  readonly recordedAt: number;
  /** Where other standards keep what they add. */
  readonly systemUse: Buffer;
}

/** Records don't cross sectors; a length of 0 leads to the next one. @throws AppError `corrupt`. */
export function* recordsIn(folder: Buffer): Generator<FolderRecord> {
  for (let at = 0; at < folder.length; ) {
    const length = folder[at]!;
    if (length === 0) {
      at = (Math.floor(at / sectorBytes) + 1) * sectorBytes;
      continue;
    }
    if (at + length > folder.length)
      throw new AppError('corrupt', `ISO 9660: a folder record of ${length} bytes at ${at}`);
    yield decodeFolderRecord(folder.subarray(at, at + length));
    at += length;
  }
}

export function decodeFolderRecord(bytes: Buffer): FolderRecord {
  const nameEnd = bytes.length < 34 ? Number.POSITIVE_INFINITY : 33 + bytes[32]!;
  if (nameEnd > bytes.length) throw new AppError('corrupt', 'ISO 9660: a name goes past its folder record');
  const flags = bytes[25]!;
  return {
    // Attributes of the old kind lie in front of the content.
    extent: bytes.readUInt32LE(2) + bytes[1]!,
    bytes: bytes.readUInt32LE(10),
    isFolder: (flags & 2) !== 0,
    goesOn: (flags & 0x80) !== 0,
    isAssociated: (flags & 4) !== 0,
    name: bytes.subarray(33, nameEnd),
    recordedAt: shortTime(bytes, 18),
    systemUse: bytes.subarray(nameEnd + (nameEnd % 2)),
  };
}

/** Years since 1900, month, day, hour, minute, second, and the zone in quarters of an hour. */
export function shortTime(bytes: Buffer, at: number): number {
  const [year, month, day, hour, minute, second] = bytes.subarray(at, at + 6);
  return Date.UTC(1900 + year!, month! - 1, day, hour, minute, second) / 1000 - bytes.readInt8(at + 6) * 900;
}
