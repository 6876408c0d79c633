/** What a recogniser is: it looks at a volume's known places and says what it is, or undefined. */
import type { GuestVolume } from '../../model/guest-report.ts';
import type { Looking } from '../looking.ts';

/** `looking.disk` is the volume alone. @throws AppError `corrupt` when the mark is there and the rest makes no sense. */
export type Recognise = (looking: Looking) => Promise<GuestVolume | undefined>;

/** Size and used bytes, each only where it is a number that can be. */
export function sizes(sizeBytes: number, freeBytes?: number): { sizeBytes?: number; usedBytes?: number } {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return {};
  if (freeBytes === undefined || !(freeBytes >= 0 && freeBytes <= sizeBytes)) return { sizeBytes };
  return { sizeBytes, usedBytes: sizeBytes - freeBytes };
}

/** A 64-bit number as a double: exact up to 2^53, and past it only fit to be refused. */
export const u64le = (bytes: Buffer, offset: number): number => Number(bytes.readBigUInt64LE(offset));
export const u64be = (bytes: Buffer, offset: number): number => Number(bytes.readBigUInt64BE(offset));
