/** Times to begin at, as people write them. */
import { AppError } from './errors.ts';

/**
 * `22:00` is the next one in the time zone of this computer; else an ISO time. Milliseconds since 1970.
 * @throws AppError `usage`.
 */
export function parseStartTime(text: string, now = new Date()): number {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(text.trim());
  const [hours, minutes] = [Number(clock?.[1]), Number(clock?.[2])];
  if (hours < 24 && minutes < 60) {
    const time = new Date(now);
    time.setHours(hours, minutes, 0, 0);
    if (time.getTime() <= now.getTime()) time.setDate(time.getDate() + 1);
    return time.getTime();
  }
  const time = /^\d{4}-\d{2}-\d{2}/.test(text.trim()) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time)) {
    throw new AppError('usage', `"${text}" is no time`, {
      hint: 'write 22:00, or 2030-01-31T22:00, or with its zone 2030-01-31T22:00Z',
    });
  }
  if (time <= now.getTime()) throw new AppError('usage', `${text} is over`, { hint: 'give a time to come' });
  return time;
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** `90s`, `30m`, `1.5h`, `2d` in milliseconds. @throws AppError `usage`. */
export function parseDuration(text: string): number {
  const found = /^\s*(\d{1,6}(?:\.\d{1,3})?)\s*([smhd])\s*$/.exec(text);
  if (found !== null) return Number(found[1]) * units[found[2]!]! * 1000;
  throw new AppError('usage', `"${text}" is no length of time`, { hint: 'write 90s, 30m, 2h or 1d' });
}

/** `2026-03-01 22:00`, in the time zone of this computer. */
export function localTime(at: number): string {
  const zone = new Date(at).getTimezoneOffset() * 60_000;
  return new Date(at - zone).toISOString().slice(0, 16).replace('T', ' ');
}
