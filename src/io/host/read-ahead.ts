/** A source read in order is read before it is asked for: on a long way many pieces are under way at once. */
import { MiB } from '../../model/units.ts';
import type { ByteSource } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import { cancelledBy, untilAborted } from './abort-watch.ts';

export interface ReadAheadOptions {
  readonly pieceBytes: number;
  /** Bytes to hold at most, now; 0: nothing is read ahead. */
  window(): number;
  /** Told of each read in order: bytes so far. */
  onSequence?(bytes: number): void;
}

interface Piece {
  readonly offset: number;
  readonly end: number;
  readonly bytes: Promise<Buffer>;
  /** Bytes of it that nobody took yet. */
  left: number;
  /** Who waits for it or copies from it. */
  takers: number;
}

/** So much in ascending order, by so many reads, and it is a sequence. */
const sequenceBytes = 2 * MiB;
const sequenceReads = 3;
/** A step forward that is longer ends it, unless nothing lies between. */
const longestStep = 64 * MiB;
const mostPooled = 64;
/** Extents are asked for so far ahead. */
const lookBytes = 4 * 1024 * MiB;

/** The same source. Closing it closes the source. */
export function readAhead(source: ByteSource, options: ReadAheadOptions): ByteSource {
  const ahead = new Ahead(source, options);
  return {
    ...source,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      await ahead.read(target, offset, signal);
    },
    async close() {
      ahead.stop();
      await source.close();
    },
  };
}

class Ahead {
  readonly #source: ByteSource;
  readonly #options: ReadAheadOptions;
  #pieces: Piece[] = [];
  #held = 0;
  readonly #pool: ArrayBufferLike[] = [];
  /** Of the reads in ascending order. */
  #reads = 0;
  #bytes = 0;
  #last = 0;
  /** Where reading ahead goes on; undefined: it has not begun. */
  #next: number | undefined;
  #data: { offset: number; end: number }[] = [];
  #looked = 0;
  #filling = false;
  #stop = new AbortController();

  constructor(source: ByteSource, options: ReadAheadOptions) {
    this.#source = source;
    this.#options = options;
  }

  stop(): void {
    this.#stop.abort();
    this.#pieces = [];
    this.#held = 0;
    this.#next = undefined;
  }

  async read(target: Uint8Array, offset: number, signal: AbortSignal | undefined): Promise<void> {
    const end = offset + target.length;
    this.#note(offset, end);
    const parts: Promise<void>[] = [];
    let at = offset;
    for (const piece of this.#pieces) {
      if (piece.end <= at) continue;
      if (piece.offset >= end) break;
      if (piece.offset > at) {
        parts.push(this.#source.read(target.subarray(at - offset, piece.offset - offset), at, signal));
        at = piece.offset;
      }
      const stop = Math.min(end, piece.end);
      parts.push(this.#take(piece, target.subarray(at - offset, stop - offset), at, signal));
      at = stop;
    }
    if (at < end) parts.push(this.#source.read(target.subarray(at - offset), at, signal));
    if (this.#next !== undefined) {
      this.#next = Math.max(this.#next, end);
      void this.#fill();
    }
    if (parts.length === 1) return parts[0];
    const ended = await Promise.allSettled(parts); // none may still write to the target
    const failed = ended.find((p): p is PromiseRejectedResult => p.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  async #take(
    piece: Piece,
    target: Uint8Array,
    offset: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    piece.takers++;
    try {
      const bytes = await untilAborted(piece.bytes, signal);
      if (signal?.aborted) throw cancelledBy(signal);
      const from = offset - piece.offset;
      target.set(bytes.subarray(from, from + target.length));
    } finally {
      piece.takers--;
      piece.left -= target.length;
      if (piece.left <= 0) this.#drop(piece);
      if (piece.left <= 0 && piece.takers === 0) this.#recycle(piece);
    }
  }

  /** Its buffer serves again: a collector of garbage comes late for so large ones. */
  #recycle(piece: Piece): void {
    if (this.#pool.length >= mostPooled) return;
    void piece.bytes.then(
      (bytes) => this.#pool.push(bytes.buffer),
      () => undefined,
    );
  }

  #drop(piece: Piece): void {
    const at = this.#pieces.indexOf(piece);
    if (at < 0) return;
    this.#pieces.splice(at, 1);
    this.#held -= piece.end - piece.offset;
    void this.#fill();
  }

  /** Is it a sequence? What lies behind the reader is not kept. */
  #note(offset: number, end: number): void {
    const back = offset < this.#last - longestStep;
    const inOrder = offset >= this.#last - 8 * MiB && !this.#isFar(offset);
    this.#last = Math.max(inOrder ? this.#last : 0, end);
    if (!inOrder) {
      this.#reads = 0;
      this.#bytes = 0;
      // A look elsewhere (a table) leaves what was read ahead; a new start does not.
      if (back || this.#isFar(offset)) this.#reset();
      return;
    }
    this.#reads++;
    this.#bytes += end - offset;
    for (const piece of this.#pieces.filter((p) => p.end <= offset - 8 * MiB)) this.#drop(piece);
    if (this.#reads < sequenceReads || this.#bytes < sequenceBytes) return;
    this.#options.onSequence?.(this.#bytes);
    if (this.#next === undefined && this.#options.window() > 0) {
      this.#next = end;
      this.#looked = end;
      this.#data = [];
    }
  }

  #isFar(offset: number): boolean {
    if (offset - this.#last <= longestStep) return false;
    // A large hole is stepped over; what is read ahead behind it tells that it is one.
    return !this.#pieces.some((p) => p.offset <= offset && offset < p.end);
  }

  #reset(): void {
    this.#stop.abort();
    this.#stop = new AbortController();
    this.#pieces = [];
    this.#held = 0;
    this.#next = undefined;
  }

  async #fill(): Promise<void> {
    if (this.#filling) return;
    this.#filling = true;
    const { signal } = this.#stop;
    try {
      while (this.#next !== undefined && !signal.aborted && this.#held < this.#options.window()) {
        const range = await this.#range(signal);
        if (range === undefined || signal.aborted) return;
        this.#begin(range.offset, range.end, signal);
      }
    } catch {
      // The reader comes to the same place, and is told.
      this.#next = undefined;
    } finally {
      this.#filling = false;
    }
  }

  #begin(offset: number, end: number, signal: AbortSignal): void {
    const length = end - offset;
    const bytes = (async () => {
      const place = this.#pool.pop() ?? new ArrayBuffer(this.#options.pieceBytes);
      const buffer = Buffer.from(place, 0, length);
      await this.#source.read(buffer, offset, signal);
      return buffer;
    })();
    bytes.catch(() => undefined); // who takes it is told
    this.#pieces.push({ offset, end, bytes, left: length, takers: 0 });
    this.#held += length;
    this.#next = end;
  }

  /** The next piece that holds data, not before `next`. */
  async #range(signal: AbortSignal): Promise<{ offset: number; end: number } | undefined> {
    const { size } = this.#source;
    for (;;) {
      const next = this.#next;
      if (next === undefined || next >= size) return undefined;
      while (this.#data.length > 0 && this.#data[0]!.end <= next) this.#data.shift();
      const [first] = this.#data;
      if (first !== undefined) {
        const offset = Math.max(next, first.offset);
        return { offset, end: Math.min(first.end, offset + this.#options.pieceBytes) };
      }
      const from = Math.max(next, this.#looked);
      if (from >= size) return undefined;
      const to = Math.min(size, from + lookBytes);
      const found = await this.#extents(from, to, signal);
      this.#data.push(...found);
      this.#looked = to;
    }
  }

  async #extents(from: number, to: number, signal: AbortSignal) {
    if (this.#source.extents === undefined) return [{ offset: from, end: to }];
    const found = await this.#source.extents(from, to, signal);
    return found
      .filter((e) => e.kind === 'data')
      .map((e) => ({ offset: e.offset, end: e.offset + e.length }));
  }
}
