import type { Failure } from '../model/errors.ts';

/** 0 done, 1 failed, 2 usage, 3 blocked by findings, 130 interrupted (128 + SIGINT). */
export function exitCode(failure: Failure | undefined): number {
  switch (failure?.kind) {
    case undefined:
      return 0;
    case 'usage':
      return 2;
    case 'blocked':
      return 3;
    case 'cancelled':
      return 130;
    default:
      return 1;
  }
}
