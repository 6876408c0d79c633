/** What of a disk holds data, as ranges: appended in ascending order, looked up at random, small on paper. */
import type { Extent } from './extents.ts';
import { ExtentList } from './extents.ts';

export interface StoredRun {
  /** Bytes on the disk. */
  readonly offset: number;
  readonly length: number;
}

/** On paper distances and lengths are counted in sectors; the disk's last run may end inside of one. */
const unit = 512;

export class StoredRuns {
  /** Start and end by turns, ascending; neighbours are one. */
  readonly #edges: number[] = [];

  get end(): number {
    return this.#edges.at(-1) ?? 0;
  }

  /** Bytes in all runs below `to`. */
  bytesBelow(to: number): number {
    let sum = 0;
    for (let i = 0; i < this.#edges.length && this.#edges[i]! < to; i += 2) {
      sum += Math.min(to, this.#edges[i + 1]!) - this.#edges[i]!;
    }
    return sum;
  }

  /** A part that is there already adds nothing. */
  add(offset: number, length: number): void {
    const start = Math.max(offset, this.end);
    const end = offset + length;
    if (end <= start) return;
    if (this.#edges.length > 0 && start === this.end) this.#edges[this.#edges.length - 1] = end;
    else this.#edges.push(start, end);
  }

  /** The runs of [from, to), cut to it. */
  within(from: number, to: number): StoredRun[] {
    const out: StoredRun[] = [];
    for (let i = this.#firstEndingAfter(from); i < this.#edges.length && this.#edges[i]! < to; i += 2) {
      const offset = Math.max(from, this.#edges[i]!);
      out.push({ offset, length: Math.min(to, this.#edges[i + 1]!) - offset });
    }
    return out;
  }

  /** See the law in `extents.ts`: runs are data, what is between them zeros. */
  extents(from: number, to: number): Extent[] {
    const list = new ExtentList(from);
    let at = from;
    for (const { offset, length } of this.within(from, to)) {
      list.push('zero', offset - at);
      list.push('data', length);
      at = offset + length;
    }
    list.push('zero', to - at);
    return list.list;
  }

  #firstEndingAfter(offset: number): number {
    let low = 0;
    let high = this.#edges.length / 2;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#edges[middle * 2 + 1]! <= offset) low = middle + 1;
      else high = middle;
    }
    return low * 2;
  }
}

/** Distance from the end of the one before (from `from` at first) and length by turns, in sectors. */
export function runsToNumbers(runs: readonly StoredRun[], from: number): number[] {
  const out: number[] = [];
  let at = from;
  for (const { offset, length } of runs) {
    out.push((offset - at) / unit, length / unit);
    at = offset + length;
  }
  return out;
}

/** The other way round. Undefined for numbers that are no such runs, or that lead past `to`. */
export function runsOfNumbers(numbers: unknown, from: number, to: number): StoredRun[] | undefined {
  if (!Array.isArray(numbers) || numbers.length % 2 !== 0) return undefined;
  const out: StoredRun[] = [];
  let at = from;
  for (let i = 0; i < numbers.length; i += 2) {
    const [gap, length] = [numbers[i] * unit, numbers[i + 1] * unit];
    if (!(gap >= 0) || !(length > 0)) return undefined;
    out.push({ offset: at + gap, length });
    at += gap + length;
    if (!Number.isSafeInteger(at) || at > to) return undefined;
  }
  return out;
}
