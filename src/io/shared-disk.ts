/**
 * One disk read once for several readers, each from its start to its end at about the same time. What one has read is
 * there for the others until all have passed it; who is too far ahead waits for the slowest.
 */
import { MiB } from '../model/units.ts';
import type { Disk } from './disk.ts';
import { throwIfAborted } from './in-order.ts';

const blockBytes = MiB;
/** Between the first and the last reader, and so in memory. */
const windowBlocks = 64;

/** A reader's view. Before `start` and after `end` it is the disk itself, read at any place for this reader alone. */
export interface SharedReader extends Disk {
  /** From here on it is read ascending, in step with the others. */
  start(): void;
  /** It has read what it wants, or has failed: nobody waits for it any more. Safe to be called at any time. */
  end(): void;
}

interface Place {
  state: 'before' | 'reading' | 'ended';
  /** What is below was asked for already … */
  at: number;
  /** … but for these, which are under way: where each begins. */
  readonly pending: Set<{ readonly from: number }>;
}

export class SharedDisk {
  readonly #disk: Disk;
  readonly #places = new Set<Place>();
  readonly #blocks = new Map<number, Promise<Buffer>>();
  #waiting: (() => void)[] = [];

  /** Closing the readers closes nothing: the disk stays with whoever opened it. */
  constructor(disk: Disk) {
    this.#disk = disk;
  }

  reader(): SharedReader {
    const place: Place = { state: 'before', at: 0, pending: new Set() };
    this.#places.add(place);
    const disk = this.#disk;
    return {
      size: disk.size,
      sectorSize: disk.sectorSize,
      read: (target, offset, signal) =>
        place.state === 'reading'
          ? this.#read(place, target, offset, signal)
          : disk.read(target, offset, signal),
      extents: (from, to, signal) => disk.extents(from, to, signal),
      start: () => {
        if (place.state === 'before') place.state = 'reading';
      },
      end: () => {
        place.state = 'ended';
        this.#places.delete(place);
        this.#moved();
      },
      close: async () => undefined,
    };
  }

  async #read(place: Place, target: Uint8Array, offset: number, signal: AbortSignal | undefined) {
    // Where it goes back, nobody has kept that for it.
    if (offset < this.#kept()) return this.#disk.read(target, offset, signal);
    const own = { from: offset };
    place.pending.add(own);
    place.at = Math.max(place.at, offset);
    this.#moved();
    try {
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const index = Math.floor(at / blockBytes);
        await this.#inReach(index, place, signal);
        const block = await this.#block(index, signal);
        const within = at - index * blockBytes;
        const part = block.subarray(within, within + target.length - done);
        target.set(part, done);
        done += part.length;
      }
    } finally {
      place.pending.delete(own);
      this.#moved();
    }
  }

  /** Readers that have not begun count: the disk is to be read once. */
  #slowest(): number {
    let least = Number.POSITIVE_INFINITY;
    for (const { at, pending } of this.#places) {
      least = Math.min(least, at);
      for (const { from } of pending) least = Math.min(least, from);
    }
    return least;
  }

  #kept(): number {
    const least = this.#slowest();
    return Number.isFinite(least) ? Math.floor(least / blockBytes) * blockBytes : 0;
  }

  async #inReach(index: number, place: Place, signal: AbortSignal | undefined): Promise<void> {
    while (place.state === 'reading' && index >= Math.floor(this.#slowest() / blockBytes) + windowBlocks) {
      throwIfAborted(signal);
      await new Promise<void>((resolve) => {
        const go = () => {
          signal?.removeEventListener('abort', go);
          resolve();
        };
        this.#waiting.push(go);
        signal?.addEventListener('abort', go, { once: true });
      });
    }
    throwIfAborted(signal);
  }

  #moved(): void {
    const kept = this.#kept() / blockBytes;
    for (const index of this.#blocks.keys()) if (index < kept) this.#blocks.delete(index);
    for (const go of this.#waiting.splice(0)) go();
  }

  /** The disk's own law holds for one who gives up: another one reads it then. */
  async #block(index: number, signal: AbortSignal | undefined): Promise<Buffer> {
    for (;;) {
      const known = this.#blocks.get(index);
      if (known === undefined) break;
      try {
        return await known;
      } catch (error) {
        if (this.#blocks.get(index) === known) this.#blocks.delete(index);
        // It was given up by whoever asked for it; a failure of the disk is everybody's.
        if (!isAbort(error)) throw error;
        throwIfAborted(signal);
      }
    }
    const loading = this.#load(index, signal);
    loading.catch(() => undefined); // told to whoever awaits it
    this.#blocks.set(index, loading);
    try {
      return await loading;
    } catch (error) {
      this.#blocks.delete(index);
      throw error;
    }
  }

  async #load(index: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const from = index * blockBytes;
    const to = Math.min(from + blockBytes, this.#disk.size);
    const buffer = Buffer.alloc(to - from);
    const reads: Promise<void>[] = [];
    for (const { kind, offset, length } of await this.#disk.extents(from, to, signal)) {
      if (kind !== 'data') continue;
      reads.push(this.#disk.read(buffer.subarray(offset - from, offset - from + length), offset, signal));
    }
    const results = await Promise.allSettled(reads);
    for (const result of results) if (result.status === 'rejected') throw result.reason;
    return buffer;
  }
}

const isAbort = (error: unknown): boolean =>
  (error as { kind?: unknown })?.kind === 'cancelled' || (error as Error)?.name === 'AbortError';
