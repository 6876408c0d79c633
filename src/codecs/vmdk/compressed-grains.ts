/**
 * Deflated grains of a streamOptimized extent. Grains that follow each other in the file are fetched in one read
 * and inflated side by side on the thread pool.
 */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { BufferPool } from '../buffer-pool.ts';
import { inflateInto } from '../compression.ts';
import type { GrainRun, GrainTables } from './grain-tables.ts';
import { grainMarkerBytes, markerStruct, type SparseHeader, sectorBytes } from './layout.ts';

const spanBytes = 2 * MiB;
/** Inflated grains that were wanted only in part: the next small read mostly wants the rest. */
const keptBytes = 4 * MiB;

interface Wanted {
  readonly grain: number;
  /** First byte of the marker in the file. */
  readonly at: number;
  readonly run: GrainRun;
}

export class CompressedGrains {
  readonly #source: ByteSource;
  readonly #header: SparseHeader;
  readonly #tables: GrainTables;
  readonly #buffers: BufferPool;
  readonly #kept = new Map<number, Promise<Buffer>>();

  constructor(source: ByteSource, header: SparseHeader, tables: GrainTables) {
    this.#source = source;
    this.#header = header;
    this.#tables = tables;
    // A grain that is a span of its own may be longer: with its marker and what it did not shrink.
    this.#buffers = new BufferPool(Math.max(spanBytes, 2 * header.grainBytes));
  }

  /** Fills the parts of `target` (which starts at `offset` on the disk) that `runs` cover, one run per grain. */
  async read(
    target: Uint8Array,
    offset: number,
    runs: readonly GrainRun[],
    signal?: AbortSignal,
  ): Promise<void> {
    const { grainBytes } = this.#header;
    const place = (grain: number, run: GrainRun, bytes: Buffer) => {
      const start = run.offset - grain * grainBytes;
      bytes.copy(target, run.offset - offset, start, start + run.length);
    };
    /** Where a grain that is wanted whole goes to at once. */
    const placeOf = ({ run }: Wanted): Buffer | undefined =>
      run.length < grainBytes
        ? undefined
        : Buffer.from(target.buffer, target.byteOffset + run.offset - offset, grainBytes);
    const missing: Wanted[] = [];
    const work: Promise<void>[] = [];
    for (const run of runs) {
      const grain = Math.floor(run.offset / grainBytes);
      const kept = this.#kept.get(grain);
      if (kept === undefined) missing.push({ grain, at: run.sector * sectorBytes, run });
      else work.push(kept.then((bytes) => place(grain, run, bytes)));
    }
    for (const span of spansOf(missing, 2 * grainBytes)) {
      work.push(
        this.#readSpan(span, signal, placeOf, (wanted, bytes) => place(wanted.grain, wanted.run, bytes)),
      );
    }
    for (const result of await Promise.allSettled(work))
      if (result.status === 'rejected') throw result.reason;
  }

  async #readSpan(
    span: readonly Wanted[],
    signal: AbortSignal | undefined,
    placeOf: (w: Wanted) => Buffer | undefined,
    done: (w: Wanted, bytes: Buffer) => void,
  ) {
    const first = span[0]!;
    const last = span.at(-1)!;
    const end = await this.#likelyEnd(last);
    const buffer = this.#buffers.take();
    try {
      const bytes = buffer.subarray(0, end - first.at);
      await this.#source.read(bytes, first.at, signal);
      await this.#inflateSpan(span, bytes, signal, placeOf, done);
    } finally {
      this.#buffers.give(buffer);
    }
  }

  async #inflateSpan(
    span: readonly Wanted[],
    bytes: Buffer,
    signal: AbortSignal | undefined,
    placeOf: (w: Wanted) => Buffer | undefined,
    done: (w: Wanted, bytes: Buffer) => void,
  ) {
    const spanAt = span[0]!.at;
    const work = span.map(async (wanted) => {
      const whole = placeOf(wanted);
      const inflating = this.#inflate(wanted, bytes, spanAt, signal, whole);
      if (whole !== undefined) return void (await inflating);
      this.#keep(wanted.grain, inflating);
      done(wanted, await inflating);
    });
    for (const result of await Promise.allSettled(work))
      if (result.status === 'rejected') throw result.reason;
  }

  /** Where the grain most likely ends: at the next one in the table, else after a grain that did not shrink. */
  async #likelyEnd(wanted: Wanted): Promise<number> {
    const most = Math.min(this.#source.size, wanted.at + this.#header.grainBytes + 2 * sectorBytes);
    const next = (await this.#tables.nextSector(wanted.grain)) * sectorBytes;
    return next > wanted.at && next < most ? next : most;
  }

  async #inflate(
    wanted: Wanted,
    span: Buffer,
    spanAt: number,
    signal: AbortSignal | undefined,
    target: Buffer | undefined,
  ): Promise<Buffer> {
    const { grainBytes, grainSectors } = this.#header;
    const from = wanted.at - spanAt;
    const where = `${this.#source.name} at ${wanted.at}`;
    const marker = span.subarray(from, from + markerStruct.bytes);
    if (marker.length < grainMarkerBytes)
      throw new AppError('corrupt', 'VMDK grain marker is cut off', { where });
    const lba = Number(marker.readBigUInt64LE(0));
    const size = marker.readUInt32LE(8);
    if (lba !== wanted.grain * grainSectors) {
      throw new AppError(
        'corrupt',
        `VMDK grain marker is for sector ${lba}, the table says ${wanted.grain * grainSectors}`,
        { where },
      );
    }
    checkCompressedSize(size, grainBytes, where);
    const start = from + grainMarkerBytes;
    const data =
      start + size <= span.length
        ? span.subarray(start, start + size)
        : await this.#readRest(wanted.at + grainMarkerBytes, size, signal);
    return inflateGrain(data, this.#header, wanted.grain, where, target);
  }

  #readRest(at: number, size: number, signal: AbortSignal | undefined): Promise<Buffer> {
    if (at + size > this.#source.size) {
      throw new AppError(
        'corrupt',
        `VMDK grain of ${size} bytes goes past the end (${this.#source.size} bytes)`,
        {
          where: `${this.#source.name} at ${at}`,
          hint: 'the file is cut short or damaged; fetch it again',
        },
      );
    }
    return readBytes(this.#source, at, size, signal);
  }

  #keep(grain: number, inflating: Promise<Buffer>): void {
    this.#kept.delete(grain);
    this.#kept.set(grain, inflating);
    inflating.catch(() => this.#kept.delete(grain));
    if (this.#kept.size * this.#header.grainBytes > keptBytes)
      this.#kept.delete(this.#kept.keys().next().value!);
  }
}

/** Deflate grows what it can't shrink by a few bytes per 16 KiB; twice the grain is more than any writer makes. */
export function checkCompressedSize(size: number, grainBytes: number, where: string): void {
  if (size === 0 || size > 2 * grainBytes) {
    throw new AppError('corrupt', `VMDK grain of ${grainBytes} bytes has ${size} compressed bytes`, {
      where,
    });
  }
}

/**
 * Into `target`, of the size of a grain, where it is given.
 * @throws AppError `corrupt` when the data does not inflate to exactly one grain (the last may end with the disk).
 */
export async function inflateGrain(
  data: Buffer,
  header: SparseHeader,
  grain: number,
  where: string,
  target?: Buffer,
): Promise<Buffer> {
  const { grainBytes, capacitySectors } = header;
  const room = target ?? Buffer.allocUnsafe(grainBytes);
  const length = await inflateInto(data, room, 'zlib', where).catch((cause) => {
    throw new AppError('corrupt', `VMDK grain ${grain} can't be decompressed`, { where, cause });
  });
  const needed = Math.min(grainBytes, capacitySectors * sectorBytes - grain * grainBytes);
  // open-vmdk deflates only the part of the last grain that is inside the disk.
  if (length < needed || (length < grainBytes && needed === grainBytes)) {
    throw new AppError(
      'corrupt',
      `VMDK grain ${grain} decompresses to ${length} bytes, expected ${grainBytes}`,
      { where },
    );
  }
  return room.subarray(0, length);
}

/** Grains that lie one behind the other, with gaps no larger than `gap`, in spans of at most `spanBytes`. */
function spansOf(wanted: readonly Wanted[], gap: number): Wanted[][] {
  const spans: Wanted[][] = [];
  let first = 0;
  let previous = 0;
  for (const w of wanted) {
    const near =
      spans.length > 0 && w.at > previous && w.at - previous <= gap && w.at - first + gap <= spanBytes;
    if (near) spans.at(-1)!.push(w);
    else {
      spans.push([w]);
      first = w.at;
    }
    previous = w.at;
  }
  return spans;
}
