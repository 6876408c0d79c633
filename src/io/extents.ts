/**
 * The algebra of extents. The one law: what a call for [from, to) returns is ascending, contiguous, merged
 * (no two neighbours of one kind), and covers the range exactly once.
 */

/** `data`: bytes to read; `zero`: known to be zeros; `hole`: this layer says nothing, ask the parent. */
export type ExtentKind = 'data' | 'zero' | 'hole';

export interface Extent {
  readonly kind: ExtentKind;
  /** Bytes. */
  readonly offset: number;
  readonly length: number;
}

/** Collects extents in ascending order and merges neighbours of one kind. */
export class ExtentList {
  readonly list: Extent[] = [];
  #end: number;

  constructor(from: number) {
    this.#end = from;
  }

  get end(): number {
    return this.#end;
  }

  /** Appends `length` bytes of `kind` behind the last one; nothing for a length of zero. */
  push(kind: ExtentKind, length: number): void {
    if (length <= 0) return;
    const last = this.list.at(-1);
    if (last !== undefined && last.kind === kind) {
      this.list[this.list.length - 1] = { kind, offset: last.offset, length: last.length + length };
    } else {
      this.list.push({ kind, offset: this.#end, length });
    }
    this.#end += length;
  }
}

/** One extent over the whole range; none for an empty range. */
export function wholeExtent(kind: ExtentKind, from: number, to: number): Extent[] {
  return to > from ? [{ kind, offset: from, length: to - from }] : [];
}

export function bytesOf(extents: readonly Extent[], kind: ExtentKind): number {
  return extents.reduce((sum, e) => (e.kind === kind ? sum + e.length : sum), 0);
}
