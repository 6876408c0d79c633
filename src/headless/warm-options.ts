/** The options of a machine that is copied while it runs. */
import { resolve } from 'node:path';
import { AppError } from '../model/errors.ts';
import type { Warm } from '../model/plan.ts';
import { parseBytes } from '../model/units.ts';

export interface WarmOptions {
  readonly warm?: boolean;
  readonly warmShutdown?: boolean;
  readonly warmTracking?: boolean;
  readonly warmPasses?: string;
  readonly warmBelow?: string;
  readonly warmInterval?: string;
  readonly warmFolder?: string;
}

/** Each of them says that it is wanted. @throws AppError `usage`. */
export function warmOf(options: WarmOptions): Warm | undefined {
  const { warm, warmShutdown, warmTracking, warmPasses, warmBelow, warmInterval, warmFolder } = options;
  const given = [warm, warmShutdown, warmTracking, warmPasses, warmBelow, warmInterval, warmFolder];
  if (given.every((value) => value === undefined || value === false)) return undefined;
  return {
    shutDown: warmShutdown === true,
    turnOn: warmTracking === true,
    ...(warmPasses === undefined ? {} : { passes: wholeNumber('--warm-passes', warmPasses, 10_000) }),
    ...(warmBelow === undefined ? {} : { belowBytes: parseBytes(warmBelow) }),
    ...(warmInterval === undefined
      ? {}
      : { intervalSeconds: wholeNumber('--warm-interval', warmInterval, 1_000_000) }),
    ...(warmFolder === undefined ? {} : { folder: resolve(warmFolder) }),
  };
}

function wholeNumber(option: string, text: string, most: number): number {
  const number = Number(text);
  if (/^\d+$/.test(text) && number <= most) return number;
  throw new AppError('usage', `${option} ${text}: it takes a whole number up to ${most}`);
}
