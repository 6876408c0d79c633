import { localTime } from '../model/start-time.ts';
import type { Waiting } from './state.ts';

/** `begins 2026-03-01 22:00`, `2 runs come before it`. */
export function waitingText({ until, before }: Waiting): string {
  if (until !== undefined) return `begins ${localTime(until)}`;
  if (before === undefined) return 'waits for its turn';
  return `${before} ${before === 1 ? 'run comes' : 'runs come'} before it`;
}
