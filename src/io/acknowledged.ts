/** How far a disk has been written for good, told by the chunks that carry its bytes. */
import { MiB } from '../model/units.ts';
import type { Chunk } from './encoded-file.ts';
import type { StoredRun } from './stored-runs.ts';

/** What is told ends at a multiple of this: digests are of blocks of this size, and no grain is larger. */
export const acknowledgedUnit = 4 * MiB;

interface Sent {
  readonly offset: number;
  readonly end: number;
  done: boolean;
}

/** What lies below `to` is written; `runs` is where it holds data, from what was told before on. */
export interface Advance {
  readonly from: number;
  readonly to: number;
  readonly runs: readonly StoredRun[];
}

export class Acknowledged {
  readonly #size: number;
  /** What is written and not told yet; neighbours are one. */
  #runs: StoredRun[] = [];
  /** In the order in which they were sent; those at the front are not done. */
  readonly #sent: Sent[] = [];
  #last = 0;
  #told: number;
  /** The chunks do not come in the disk's order: nothing more can be told. */
  #lost = false;
  #whole = false;

  /** `from`: so far it was written by an earlier run. */
  constructor(size: number, from = 0) {
    this.#size = size;
    this.#told = from;
    this.#last = from;
  }

  /** To be called for each chunk that says where its bytes lie on the disk; what it gives, when that one is written. */
  sent(chunk: Pick<Chunk, 'bytes'> & { readonly disk: number }): () => void {
    const end = chunk.disk + chunk.bytes.length;
    if (chunk.disk < this.#last && end > this.#told) this.#lost = true;
    this.#last = Math.max(this.#last, end);
    const one: Sent = { offset: chunk.disk, end, done: false };
    this.#sent.push(one);
    return () => {
      one.done = true;
      while (this.#sent[0]?.done) {
        const { offset, end } = this.#sent.shift()!;
        this.#written(Math.max(offset, this.#told), end);
      }
    };
  }

  #written(offset: number, end: number): void {
    if (end <= offset) return;
    const before = this.#runs.at(-1);
    if (before !== undefined && before.offset + before.length === offset) {
      this.#runs[this.#runs.length - 1] = { offset: before.offset, length: end - before.offset };
    } else this.#runs.push({ offset, length: end - offset });
  }

  /** All chunks have been sent and written: what is behind the last one is zeros. */
  finished(): void {
    this.#whole = this.#sent.length === 0;
  }

  /** What is new since the last call, if anything is. */
  take(): Advance | undefined {
    if (this.#lost) return undefined;
    const sure = this.#whole ? this.#size : (this.#sent[0]?.offset ?? this.#last);
    const to = sure >= this.#size ? this.#size : Math.floor(sure / acknowledgedUnit) * acknowledgedUnit;
    const from = this.#told;
    if (to <= from) return undefined;
    this.#told = to;
    const runs: StoredRun[] = [];
    const later: StoredRun[] = [];
    for (const { offset, length } of this.#runs) {
      const end = offset + length;
      if (offset < to) runs.push({ offset, length: Math.min(end, to) - offset });
      if (end > to) later.push({ offset: Math.max(offset, to), length: end - Math.max(offset, to) });
    }
    this.#runs = later;
    return { from, to, runs };
  }
}
