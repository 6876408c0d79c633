/** A file's bytes put together from where they lie on the volume: few large reads instead of one for each block. */
import { AppError } from '../../model/errors.ts';
import type { Looking } from '../looking.ts';

export interface Run {
  /** Bytes. */
  readonly length: number;
  /** Where on the volume; undefined where nothing was written: zeros. */
  readonly at: number | undefined;
}

/** Reads under way at once. */
const atOnce = 8;

/**
 * Fills `target` with the runs one behind the other, which must cover it; the last may go past its end.
 * @throws AppError `corrupt` when a run leaves the volume.
 */
export async function readRuns(
  looking: Looking,
  target: Buffer,
  runs: AsyncIterable<Run> | Iterable<Run>,
): Promise<void> {
  let under: Promise<void>[] = [];
  let done = 0;
  for await (const run of merged(runs, target.length)) {
    const part = target.subarray(done, done + run.length);
    done += part.length;
    if (run.at === undefined) part.fill(0);
    else {
      checkInside(looking, run.at, part.length);
      under.push(looking.disk.read(part, run.at, looking.signal));
    }
    if (under.length >= atOnce) {
      await Promise.all(under);
      under = [];
    }
    if (done >= target.length) break;
  }
  await Promise.all(under);
  if (done < target.length)
    throw new AppError('bug', `runs of ${done} bytes where ${target.length} are asked`);
}

/** @throws AppError `corrupt` when the range is not inside the volume. */
export function checkInside(looking: Looking, offset: number, length: number): void {
  const { size } = looking.disk;
  if (!Number.isSafeInteger(offset) || offset < 0 || offset + length > size) {
    throw new AppError('corrupt', `${length} bytes at ${offset} of a volume of ${size}`, {
      hint: 'the image may be cut short, or the filesystem is damaged',
    });
  }
}

/** Neighbours as one. */
async function* merged(runs: AsyncIterable<Run> | Iterable<Run>, wanted: number): AsyncGenerator<Run> {
  let last: Run | undefined;
  let seen = 0;
  for await (const run of runs) {
    if (run.length <= 0) continue;
    const follows =
      last !== undefined && (last.at === undefined ? run.at === undefined : run.at === last.at + last.length);
    if (last !== undefined && !follows) yield last;
    last = last !== undefined && follows ? { at: last.at, length: last.length + run.length } : run;
    seen += run.length;
    if (seen >= wanted) break;
  }
  if (last !== undefined) yield last;
}
