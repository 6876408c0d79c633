/** Blocks given out in ascending order and written as they come, past the places that superblocks will need. */
import type { ByteSink } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { blockBytes, blocksPerGroup, hasSuperblock, mostGroups, reservedBlocks } from './layout.ts';

export interface Run {
  readonly start: number;
  readonly count: number;
}

const bufferBlocks = 256;

export class Blocks {
  readonly #sink: ByteSink;
  readonly #signal: AbortSignal | undefined;
  /** Jumped over, and so free. */
  readonly skipped: Run[] = [];
  #next = 0;
  #out = Buffer.alloc(bufferBlocks * blockBytes);
  #outStart = 0;
  #outCount = 0;

  constructor(sink: ByteSink, signal?: AbortSignal) {
    this.#sink = sink;
    this.#signal = signal;
  }

  /** The first that is not given out. */
  get next(): number {
    return this.#next;
  }

  /** As many in a row as there are, at most `count`. @throws AppError `unsupported`. */
  take(count: number): Run {
    const group = Math.floor(this.#next / blocksPerGroup);
    const start = group * blocksPerGroup;
    if (hasSuperblock(group) && this.#next < start + reservedBlocks) this.#next = start + reservedBlocks;
    let end = (group + 1) * blocksPerGroup;
    for (let g = group + 1; !hasSuperblock(g) && end < this.#next + count; g++) end += blocksPerGroup;
    const run = { start: this.#next, count: Math.min(count, end - this.#next) };
    this.#next += run.count;
    if (this.#next > mostGroups * blocksPerGroup)
      throw new AppError('unsupported', 'it is larger than the 2 TiB that a filesystem made here can have');
    return run;
  }

  /** `count` in a row; what is too short for them stays free. */
  takeTogether(count: number): number {
    for (;;) {
      const run = this.take(count);
      if (run.count === count) return run.start;
      this.skipped.push(run);
    }
  }

  /** Whole blocks; `bytes` may be used again afterwards. */
  async write(block: number, bytes: Buffer): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#outCount === bufferBlocks || block + at / blockBytes !== this.#outStart + this.#outCount)
        await this.flush();
      if (this.#outCount === 0) this.#outStart = block + at / blockBytes;
      const room = (bufferBlocks - this.#outCount) * blockBytes;
      const length = Math.min(room, bytes.length - at);
      bytes.copy(this.#out, this.#outCount * blockBytes, at, at + length);
      this.#outCount += length / blockBytes;
      at += length;
    }
  }

  async flush(): Promise<void> {
    if (this.#outCount === 0) return;
    const bytes = this.#out.subarray(0, this.#outCount * blockBytes);
    this.#outCount = 0;
    await this.#sink.write(bytes, this.#outStart * blockBytes, this.#signal);
  }
}
