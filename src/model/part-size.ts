/** How large the parts of a file are that is cut for a medium: bytes, or the medium's name. */
import { AppError } from './errors.ts';
import { formatBytes, GiB, MiB, parseBytes } from './units.ts';

/** The list of the parts fits as well. Whole MiB: no block of an image lies across two parts. */
const media = {
  /** Files of FAT32 have less than 4 GiB. */
  fat32: 4 * GiB - MiB,
  /** 700 MiB, the usual one. */
  cd: 699 * MiB,
  /** DVD+R, the smaller one, has 4,700,372,992 bytes. */
  dvd: 4481 * MiB,
  /** DVD-R DL, the smaller one, has 8,543,666,176 bytes. */
  'dvd-dl': 8146 * MiB,
  /** A BD-R with its usual spare area has 24,220,008,448 bytes. */
  bd: 23_096 * MiB,
} as const satisfies Readonly<Record<string, number>>;

export const partMedia: Readonly<Record<string, number>> = media;

/** Less makes more files than anybody wants. */
const leastBytes = MiB;

/** @throws AppError `usage`. */
export function parsePartSize(text: string): number {
  const name = text.trim().toLowerCase();
  const known = Object.hasOwn(partMedia, name) ? partMedia[name] : undefined;
  if (known !== undefined) return known;
  if (!/^\d/.test(name)) {
    throw new AppError('usage', `"${text}" is no size of parts`, {
      hint: `write it as 4G or 700M, or name the medium: ${Object.keys(partMedia).join(', ')}`,
    });
  }
  const bytes = parseBytes(text);
  if (bytes >= leastBytes) return bytes;
  throw new AppError('usage', `parts of ${formatBytes(bytes)} are too small`, { hint: 'from 1M on' });
}

export const mediumOf = (bytes: number): string | undefined =>
  Object.entries(partMedia).find(([, size]) => size === bytes)?.[0];

/** `fat32`, or bytes where no medium has this size. */
export function partSizeInWords(bytes: number): string {
  const medium = mediumOf(bytes);
  return medium === undefined ? formatBytes(bytes) : `${formatBytes(bytes)} (${medium})`;
}
