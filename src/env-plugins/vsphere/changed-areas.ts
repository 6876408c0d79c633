/** QueryChangedDiskAreas, asked until it has told of the whole disk. What it tells is checked before it is believed. */
import { childrenOf, type XmlElement } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { ByteWindow } from '../../model/window.ts';
import type { Changed } from '../plugin.ts';
import type { VimSession } from './session.ts';
import { numberIn, type Ref, refTo, text } from './soap.ts';

export interface TrackedDisk {
  readonly session: VimSession;
  readonly vm: Ref;
  /** What is asked about; without one the machine as it is, which is off then. */
  readonly snapshot: Ref | undefined;
  readonly key: number;
  /** Bytes. To ask from its end on is a fault. */
  readonly size: number;
}

/** Ranges kept for a disk: with more of them it is read from one end to the other as fast. */
const mostRanges = 500_000;

/**
 * Faults of the server end in `unknown`: it refuses an id of another disk or of another time (InvalidArgument), and of
 * a disk whose tracking file it can't use (FileFault).
 * @throws AppError `auth` (a privilege is missing), `unreachable`, `cancelled`.
 */
export async function changedAreas(
  disk: TrackedDisk,
  changeId: string,
  signal: AbortSignal | undefined,
): Promise<Changed> {
  const { session, vm, snapshot, key, size } = disk;
  const step = 'asking for what changed';
  const ranges: ByteWindow[] = [];
  try {
    for (let at = 0; at < size; ) {
      const [info] = await session.call(
        'QueryChangedDiskAreas',
        vm,
        [
          ...(snapshot === undefined ? [] : [refTo('snapshot', snapshot)]),
          text('deviceKey', key),
          text('startOffset', at),
          text('changeId', changeId),
        ],
        { step, signal },
      );
      at = readAnswer(info, at, size, ranges);
      if (ranges.length > mostRanges) return { unknown: `more than ${mostRanges} areas changed` };
    }
    return { ranges };
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (kind === 'auth' || kind === 'unreachable' || kind === 'cancelled' || kind === 'bug') throw error;
    return { unknown: message };
  }
}

/** Adds what an answer tells; resolves to where it ends. @throws AppError `corrupt`. */
function readAnswer(info: XmlElement | undefined, at: number, size: number, ranges: ByteWindow[]): number {
  const start = numberIn(info, 'startOffset');
  const length = numberIn(info, 'length');
  const wrong = (what: string) =>
    new AppError('corrupt', `the server's list of changes ${what} (from ${at} on)`);
  if (info === undefined || start === undefined || length === undefined) throw wrong('says no range');
  if (start !== at || length === 0) throw wrong(`goes from ${start} over ${length} bytes`);
  const end = start + length;
  let told = at;
  for (const area of childrenOf(info, 'changedArea')) {
    const offset = numberIn(area, 'start');
    const bytes = numberIn(area, 'length');
    if (offset === undefined || bytes === undefined || offset < told || offset + bytes > end)
      throw wrong('has an area out of place');
    told = offset + bytes;
    // A disk may be told in whole blocks of its datastore, past its end.
    push(ranges, offset, Math.min(told, size) - offset);
  }
  return end;
}

function push(ranges: ByteWindow[], offset: number, length: number): void {
  const last = ranges.at(-1);
  if (length <= 0) return;
  if (last !== undefined && last.offset + last.length === offset) {
    ranges[ranges.length - 1] = { offset: last.offset, length: last.length + length };
  } else ranges.push({ offset, length });
}
