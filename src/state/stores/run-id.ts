import { randomBytes } from 'node:crypto';
import { timeStamp } from './time-stamp.ts';

/** Ids sort as time goes, to the millisecond: its last four digits are the thousandths, and a little chance. */
export function newRunId(now = new Date()): string {
  const last = now.getUTCMilliseconds() * 65 + (randomBytes(1)[0]! % 65);
  return `${timeStamp(now)}-${last.toString(16).padStart(4, '0')}`;
}
