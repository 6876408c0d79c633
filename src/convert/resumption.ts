/** What a run keeps of itself on its way, so that it can be gone on with, and what is made of that. */
import type { OpenImage } from '../codecs/codec.ts';
import type { Advance } from '../io/acknowledged.ts';
import type { StoredRuns } from '../io/stored-runs.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { ExtractedDisk } from './run-context.ts';

/** One disk of the source as it was read. */
export interface DiskIdentity {
  readonly disk: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  readonly format: string;
  /** Seconds since 1970, where the storage tells. */
  readonly modifiedAt?: number;
  /** Of some places that hold data: offset in bytes, and the first half of the SHA-256 of 4 KiB from there. */
  readonly samples: readonly (readonly [number, string])[];
}

export interface RunRecord {
  /** Once, before the first byte is delivered. @throws AppError `conflict` when another run goes on with the same. */
  source(disks: readonly DiskIdentity[]): Promise<void>;
  /** A file of the delivery has been begun. Resolves when that is on paper. */
  file(name: string): Promise<void>;
  /**
   * More of a disk is at the destination. `durable`: it survives a power cut there. Resolves when that is on paper.
   */
  advanced(disk: string, advance: Advance, durable: boolean): Promise<void>;
  /** So much was acknowledged that it should not be moved again. */
  isWorthwhile(): boolean;
  /** The run ends, and what is at the destination waits for another one that goes on. */
  suspended(): void;
  /** What is at the destination is about to be removed. Resolves when that is on paper. Never throws. */
  takenBack(): Promise<void>;
}

/** Of a run that was cut. */
export interface Resumption {
  readonly source: readonly DiskIdentity[];
  /** Files that were begun at the destination. */
  readonly files: ReadonlySet<string>;
  /**
   * By the disk's id: what is below `to` is at the destination, and `runs` is where it held data. What is below
   * `durableTo` has been flushed to the medium there.
   */
  readonly disks: ReadonlyMap<
    string,
    { readonly to: number; readonly durableTo: number; readonly runs: StoredRuns }
  >;
}

const sampleBytes = 4096;
const samples = 32;

/** Undefined where a disk can't be looked at twice, or its storage does not tell when it was last changed. */
export async function identityOf(
  disks: readonly ExtractedDisk[],
  signal: AbortSignal,
): Promise<DiskIdentity[] | undefined> {
  // By its bytes alone, of which only some are looked at, nobody knows it again for sure.
  if (disks.some(({ image }) => image.onlyForward === true || image.modifiedAt === undefined))
    return undefined;
  const { createHash } = await import('node:crypto');
  return Promise.all(
    disks.map(async ({ disk, image }) => {
      const places = await samplePlaces(image, signal);
      const taken = places.map(async (offset): Promise<[number, string]> => {
        const bytes = Buffer.alloc(Math.min(sampleBytes, image.size - offset));
        await image.read(bytes, offset, signal);
        return [offset, createHash('sha256').update(bytes).digest('hex').slice(0, 32)];
      });
      return {
        disk: disk.id,
        name: disk.name,
        size: image.size,
        format: image.info.format,
        ...(image.modifiedAt === undefined ? {} : { modifiedAt: image.modifiedAt }),
        samples: await Promise.all(taken),
      };
    }),
  );
}

/** Spread over the disk, each at the beginning of data at or behind its place. */
async function samplePlaces(image: OpenImage, signal: AbortSignal): Promise<number[]> {
  const step = Math.max(sampleBytes, Math.floor(image.size / samples / sampleBytes) * sampleBytes);
  const places = new Set<number>();
  for (let from = 0; from < image.size; from += step) {
    const extents = await image.extents(from, Math.min(image.size, from + step), signal);
    const first = extents.find(({ kind }) => kind === 'data');
    if (first !== undefined) places.add(Math.floor(first.offset / 512) * 512);
  }
  return [...places];
}

/** @throws AppError `conflict`, naming what is different. */
export function refuseChanged(then: readonly DiskIdentity[], now: readonly DiskIdentity[] | undefined): void {
  const hint = 'start it anew: "vmferry history RUN --rerun", after "vmferry resume RUN --discard"';
  const changed = (name: string, what: string) =>
    new AppError('conflict', `${name} has changed since it was read: ${what}`, { hint });
  if (now === undefined) throw changed('the source', 'when it was last changed is not known any more');
  for (const was of then) {
    const is = now.find(({ disk }) => disk === was.disk);
    if (is === undefined) throw changed(was.name, 'it is not there any more');
    if (is.size !== was.size)
      throw changed(was.name, `it had ${formatBytes(was.size)} and has ${formatBytes(is.size)}`);
    if (is.format !== was.format) throw changed(was.name, `it was ${was.format} and is ${is.format}`);
    if (is.modifiedAt !== was.modifiedAt)
      throw changed(
        was.name,
        `it was last changed at ${when(was.modifiedAt)}, and now at ${when(is.modifiedAt)}`,
      );
    const found = new Map(is.samples);
    const other = was.samples.find(([offset, digest]) => found.get(offset) !== digest);
    if (other !== undefined) throw changed(was.name, `the bytes at ${other[0]} are others`);
    if (is.samples.length !== was.samples.length) throw changed(was.name, 'its data lies elsewhere');
  }
}

const when = (seconds: number | undefined): string =>
  seconds === undefined ? 'an unknown time' : new Date(seconds * 1000).toISOString();
