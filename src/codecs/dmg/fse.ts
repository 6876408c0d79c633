/**
 * The entropy coding of LZFSE ("finite state entropy"): a state stands for a symbol and says how many bits lead to
 * the next state. Bits are taken from the end of their stream to its start.
 */

/** One table: by state, the symbol's value, its extra bits, and where the next state begins. */
export interface FseTable {
  readonly states: number;
  readonly symbol: Uint8Array;
  /** Bits to the next state. */
  readonly bits: Uint8Array;
  readonly delta: Uint16Array;
}

/** Symbols have as many states as their frequency says, in their order; `undefined` when they do not fill the table. */
export function fseTable(states: number, frequencies: ArrayLike<number>): FseTable | undefined {
  const symbol = new Uint8Array(states);
  const bits = new Uint8Array(states);
  const delta = new Uint16Array(states);
  const leading = Math.clz32(states);
  let at = 0;
  for (let s = 0; s < frequencies.length; s++) {
    const count = frequencies[s]!;
    if (count === 0) continue;
    if (at + count > states) return undefined;
    // The shift that brings the count to [states, 2 * states): the first ones need it whole, the others one less.
    const shift = Math.clz32(count) - leading;
    const longer = ((2 * states) >> shift) - count;
    for (let i = 0; i < count; i++, at++) {
      symbol[at] = s;
      bits[at] = i < longer ? shift : shift - 1;
      delta[at] = i < longer ? ((count + i) << shift) - states : (i - longer) << (shift - 1);
    }
  }
  return at === states ? { states, symbol, bits, delta } : undefined;
}

/** Bits from the end of [start, end) of a buffer; the last byte may have some too many. */
export class BackwardBits {
  readonly #bytes: Buffer;
  readonly #start: number;
  /** Bits left. */
  left: number;

  constructor(bytes: Buffer, start: number, end: number, unused: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.left = (end - start) * 8 - unused;
  }

  /** At most 24. Past the start come zeros, and `left` is negative. */
  take(count: number): number {
    this.left -= count;
    if (this.left < 0) return 0;
    const at = this.#start + (this.left >> 3);
    const b = this.#bytes;
    const word = b[at]! | ((b[at + 1] ?? 0) << 8) | ((b[at + 2] ?? 0) << 16) | ((b[at + 3] ?? 0) << 24);
    return (word >>> (this.left & 7)) & ((1 << count) - 1);
  }
}

/** How values are told: a symbol gives the least one, and some bits what is above it. */
export interface ValueRange {
  readonly extraBits: readonly number[];
  readonly base: readonly number[];
}

export function valueRange(extraBits: readonly number[]): ValueRange {
  const base: number[] = [];
  let next = 0;
  for (const bits of extraBits) {
    base.push(next);
    next += 2 ** bits;
  }
  return { extraBits, base };
}
