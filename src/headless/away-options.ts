/** The options of a run that is left to itself, and of how fast it reads. */
import type { Command } from 'commander';
import { AppError } from '../model/errors.ts';
import { parseBytes } from '../model/units.ts';
import type { RunWhen } from '../state/runs.ts';

export interface AwayOptions {
  readonly detach?: boolean;
  readonly at?: string;
  readonly in?: string;
  readonly atOnce?: string;
  readonly limitRate?: string;
}

export const withAway = (command: Command): Command =>
  command
    .option('--detach', 'leave it to a process of its own: print its id and end; see vmferry attach')
    .option('--at <time>', 'as --detach, and begin then: 22:00, or an ISO time')
    .option('--in <time>', 'as --detach, and begin after so long: 90s, 30m, 2h')
    .option('--at-once <number>', 'as --detach, and wait while so many run (the preference, else 2)')
    .option('--limit-rate <bytes>', 'read at most so many bytes a second, such as 20M');

export const isAway = ({ detach, at, in: after, atOnce }: AwayOptions): boolean =>
  detach === true || [at, after, atOnce].some((option) => option !== undefined);

/** @throws AppError `usage`. */
export function whenOf(options: AwayOptions, now = new Date()): RunWhen {
  const { at, in: after, atOnce, limitRate } = options;
  if (at !== undefined && after !== undefined)
    throw new AppError('usage', '--at and --in can not both be given');
  return {
    ...(at === undefined ? {} : { at: timeOf(at, now) }),
    ...(after === undefined ? {} : { at: now.getTime() + durationOf(after) }),
    ...(atOnce === undefined ? {} : { atOnce: countOf(atOnce) }),
    ...(limitRate === undefined ? {} : { bytesPerSecond: rateOf(limitRate) }),
  };
}

/** `22:00` is the next one here; else an ISO time. Milliseconds since 1970. @throws AppError `usage`. */
export function timeOf(text: string, now: Date): number {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (clock !== null) {
    const [hours, minutes] = [Number(clock[1]), Number(clock[2])];
    const time = new Date(now);
    time.setHours(hours, minutes, 0, 0);
    if (time.getTime() <= now.getTime()) time.setDate(time.getDate() + 1);
    if (hours < 24 && minutes < 60) return time.getTime();
  }
  const time = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time))
    throw new AppError('usage', `"${text}" is no time`, {
      hint: 'write 22:00, or 2030-01-31T22:00, or with its zone 2030-01-31T22:00Z',
    });
  if (time <= now.getTime()) throw new AppError('usage', `${text} is over`, { hint: 'give a time to come' });
  return time;
}

const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Milliseconds. @throws AppError `usage`. */
export function durationOf(text: string): number {
  const found = /^(\d{1,6}(?:\.\d{1,3})?)([smhd])$/.exec(text);
  if (found === null)
    throw new AppError('usage', `"${text}" is no length of time`, { hint: 'write 90s, 30m, 2h or 1d' });
  return Number(found[1]) * units[found[2]!]! * 1000;
}

/** Bytes a second. @throws AppError `usage`. */
export function rateOf(text: string): number {
  const bytes = parseBytes(text.replace(/\/s$/, ''));
  if (bytes > 0) return bytes;
  throw new AppError('usage', `${text} is no rate`, { hint: 'give a number above zero, such as 20M' });
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new AppError('usage', `--at-once ${text}: it takes a whole number above zero`);
}
