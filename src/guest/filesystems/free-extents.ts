/** What a filesystem says nobody uses, so that it need not be carried along. */
import type { Looking } from '../looking.ts';

export interface FreeExtent {
  /** Bytes, on the volume. */
  readonly offset: number;
  readonly length: number;
}

type Find = (looking: Looking) => Promise<AsyncIterable<FreeExtent> | undefined>;

const finders: Readonly<Record<string, () => Promise<Find>>> = {
  ext: async () => (await import('./ext/used.ts')).freeOfExt,
  xfs: async () => (await import('./xfs/used.ts')).freeOfXfs,
  ntfs: async () => (await import('./ntfs/used.ts')).freeOfNtfs,
};

/**
 * Ascending, not overlapping. Undefined where the kind is not known for it, or where the filesystem was not left
 * clean: what it says may then be old. `looking.disk` is the volume alone, seen through `cached`.
 * @throws AppError `corrupt` when its own numbers don't agree, also while it is read: then nothing is free.
 */
export async function freeExtents(
  looking: Looking,
  kind: string,
): Promise<AsyncIterable<FreeExtent> | undefined> {
  const find = finders[kind.replace(/^ext[234]$/, 'ext')];
  return find === undefined ? undefined : (await find())(looking);
}

/** Runs of zero bits, `[from, to)` each; bits count from the lowest of each byte. */
export function* zeroRuns(bits: Buffer, count: number): Generator<readonly [from: number, to: number]> {
  let start = -1;
  for (let i = 0; i < count; ) {
    const byte = bits[i >> 3]!;
    const whole = (i & 7) === 0 && i + 8 <= count && (byte === 0 || byte === 0xff);
    const used = whole ? byte !== 0 : ((byte >> (i & 7)) & 1) === 1;
    if (used && start >= 0) yield [start, i];
    if (used) start = -1;
    else if (start < 0) start = i;
    i += whole ? 8 : 1;
  }
  if (start >= 0) yield [start, count];
}
