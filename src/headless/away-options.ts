/** The options of a run that is left to itself, and of how fast it reads. */
import type { Command } from 'commander';
import { AppError } from '../model/errors.ts';
import { parseDuration, parseStartTime } from '../model/start-time.ts';
import { parseRate } from '../model/units.ts';
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
    ...(at === undefined ? {} : { at: parseStartTime(at, now) }),
    ...(after === undefined ? {} : { at: now.getTime() + parseDuration(after) }),
    ...(atOnce === undefined ? {} : { atOnce: countOf(atOnce) }),
    ...(limitRate === undefined ? {} : { bytesPerSecond: parseRate(limitRate) }),
  };
}

function countOf(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new AppError('usage', `--at-once ${text}: it takes a whole number above zero`);
}
