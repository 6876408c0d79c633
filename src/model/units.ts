/** Binary sizes and durations, as people write and read them. */
import { AppError } from './errors.ts';

export const KiB = 1024;
export const MiB = 1024 * KiB;
export const GiB = 1024 * MiB;
export const TiB = 1024 * GiB;

const steps = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** `1.5 GiB`; at most four significant characters before the unit. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let step = 0;
  while (Math.abs(value) >= 1000 && step < steps.length - 1) {
    value /= 1024;
    step++;
  }
  const digits = step === 0 || Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  const text = value.toFixed(digits);
  return `${digits > 0 ? text.replace(/\.?0+$/, '') : text} ${steps[step]}`;
}

/** `2:05`, `1:02:03`; seconds, rounded up. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.ceil(seconds));
  const h = Math.floor(whole / 3600);
  const m = Math.floor((whole % 3600) / 60);
  const s = String(whole % 60).padStart(2, '0');
  return h > 0 ? `${h}:${String(m).padStart(2, '0')}:${s}` : `${m}:${s}`;
}

/**
 * Bytes from `64K`, `64KiB`, `2M`, `1.5 GiB`, `4096`. All suffixes are binary, as in qemu-img.
 * @throws AppError `usage` when the text is not a size or not a whole number of bytes.
 */
export function parseBytes(text: string): number {
  const match = /^\s*(\d+(?:\.\d+)?)\s*([KMGTP]?)(?:iB|B)?\s*$/i.exec(text);
  if (match === null) {
    throw new AppError('usage', `"${text}" is not a size`, { hint: 'write it as 64K, 512M or 2G' });
  }
  const power = ' KMGTP'.indexOf((match[2] || ' ').toUpperCase());
  const bytes = Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(bytes)) throw new AppError('usage', `"${text}" is not a whole number of bytes`);
  return bytes;
}

/** Bytes a second, from `20M` or `20 MiB/s`. @throws AppError `usage`. */
export function parseRate(text: string): number {
  const bytes = parseBytes(text.replace(/\/s\s*$/, ''));
  if (bytes > 0) return bytes;
  throw new AppError('usage', `${text} is no rate`, { hint: 'give a number above zero, such as 20M' });
}
