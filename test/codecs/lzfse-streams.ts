/** LZFSE streams written by hand, with all kinds of blocks: no tool outside macOS writes them. 7-Zip judges them. */
import { type FseTable, fseTable, type ValueRange } from '../../src/codecs/dmg/fse.ts';
import { copyCounts, distances, literalCounts, stateCounts } from '../../src/codecs/dmg/lzfse.ts';

export type LzfseBlock = 'plain' | 'lzvn' | 'fse';

interface Step {
  readonly literals: Buffer;
  readonly copied: number;
  /** Of the copy; 0 where nothing is copied. */
  readonly distance: number;
}

/** Greedy; copies reach back over `from` to the beginning. */
function steps(
  all: Buffer,
  from: number,
  to: number,
  mostLiterals: number,
  mostCopied: number,
  far: number,
): Step[] {
  const seen = new Map<number, number>();
  for (let at = 0; at + 4 <= from; at++) seen.set(all.readUInt32LE(at), at);
  const out: Step[] = [];
  let start = from;
  for (let at = from; at < to; ) {
    const key = at + 4 <= to ? all.readUInt32LE(at) : -1;
    const before = seen.get(key);
    if (key >= 0) seen.set(key, at);
    let copied = 0;
    if (before !== undefined && at - before <= far)
      while (copied < mostCopied && at + copied < to && all[at + copied] === all[before + copied]) copied++;
    if (copied >= 4) {
      out.push({ literals: all.subarray(start, at), copied, distance: at - before! });
      at += copied;
      start = at;
    } else {
      at++;
      if (at - start === mostLiterals) {
        out.push({ literals: all.subarray(start, at), copied: 0, distance: 0 });
        start = at;
      }
    }
  }
  if (start < to) out.push({ literals: all.subarray(start, to), copied: 0, distance: 0 });
  return out;
}

/** Each block of `blockBytes` takes the next of the kinds. */
export function lzfseStream(bytes: Buffer, kinds: readonly LzfseBlock[], blockBytes = 50_000): Buffer {
  const out: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; at += blockBytes, i++) {
    const to = Math.min(bytes.length, at + blockBytes);
    out.push(writers[kinds[i % kinds.length]!](bytes, at, to));
  }
  return Buffer.concat([...out, Buffer.from('bvx$')]);
}

const writers: Record<LzfseBlock, (all: Buffer, from: number, to: number) => Buffer> = {
  plain: (all, from, to) => Buffer.concat([Buffer.from('bvx-'), number(to - from), all.subarray(from, to)]),
  lzvn(all, from, to) {
    const payload = lzvn(all, from, to);
    return Buffer.concat([Buffer.from('bvxn'), number(to - from), number(payload.length), payload]);
  },
  fse: fseBlock,
};

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function lzvn(all: Buffer, from: number, to: number): Buffer {
  const out: number[] = [0x0e, 0x16];
  let last = 0;
  // In a block of its own copies don't reach back over its start: an encoder may do so, ours need not.
  for (const { literals, copied, distance } of steps(all, from, to, 271, 271, 65_535)) {
    let left = literals;
    if (left.length > 3) {
      if (left.length < 16) out.push(0xe0 | left.length);
      else out.push(0xe0, left.length - 16);
      out.push(...left);
      left = Buffer.alloc(0);
    }
    if (copied === 0) {
      if (left.length > 0) out.push(0xe0 | left.length, ...left);
      continue;
    }
    const l = left.length;
    const most = [10, 8, 6, 4][l]!;
    const first = Math.min(copied, most);
    const code = (l << 6) | ((first - 3) << 3);
    let rest = copied - first;
    if (distance === last && l > 0) out.push(code | 6, ...left);
    else if (distance < 0x600) out.push(code | (distance >> 8), distance & 0xff, ...left);
    else if (distance < 0x4000 && copied <= 34) {
      const m = copied - 3;
      out.push(0xa0 | (l << 3) | (m >> 2), ((distance << 2) & 0xff) | (m & 3), distance >> 6, ...left);
      rest = 0;
    } else out.push(code | 7, distance & 0xff, distance >> 8, ...left);
    last = distance;
    if (rest >= 16) out.push(0xf0, rest - 16);
    else if (rest > 0) out.push(0xf0 | rest);
  }
  return Buffer.from([...out, 6, 0, 0, 0, 0, 0, 0, 0]);
}

/** Lowest bit first. */
class Bits {
  readonly bytes: number[] = [];
  count = 0;

  put(value: number, bits: number): void {
    for (let i = 0; i < bits; i++, this.count++) {
      if (this.count % 8 === 0) this.bytes.push(0);
      this.bytes[this.bytes.length - 1]! |= (i < 32 ? (value >> i) & 1 : 0) << (this.count % 8);
    }
  }

  get unused(): number {
    return (8 - (this.count % 8)) % 8;
  }
}

function fseBlock(all: Buffer, from: number, to: number): Buffer {
  const found = steps(all, from, to, 315, 2359, 200_000);
  const plain = Buffer.concat(found.map((s) => s.literals));
  const literals = [...plain, ...Array.from({ length: (4 - (plain.length % 4)) % 4 }, () => plain[0] ?? 0)];
  let last = 0;
  const numbers = found.map(({ literals: l, copied, distance }) => {
    const again = copied === 0 || distance === last;
    // The first one always says a distance, also where nothing is copied.
    const d = last === 0 && copied === 0 ? 1 : again ? 0 : distance;
    if (d !== 0) last = d;
    return { l: l.length, m: copied, d };
  });
  const l = new Encoder(
    stateCounts.literalCounts,
    numbers.map((n) => n.l),
    literalCounts,
  );
  const m = new Encoder(
    stateCounts.copyCounts,
    numbers.map((n) => n.m),
    copyCounts,
  );
  const d = new Encoder(
    stateCounts.distances,
    numbers.map((n) => n.d),
    distances,
  );
  const c = new Encoder(stateCounts.literals, literals);
  const literalBits = new Bits();
  const states = [0, 0, 0, 0];
  for (let i = literals.length - 1; i >= 0; i--)
    states[i & 3] = c.put(literals[i]!, states[i & 3]!, literalBits);
  const numberBits = new Bits();
  numberBits.put(0, 64); // a decoder that loads 64 bits at once must not come to what lies before
  let [ls, ms, ds] = [0, 0, 0];
  for (const n of numbers.reverse()) {
    ds = d.put(n.d, ds, numberBits);
    ms = m.put(n.m, ms, numberBits);
    ls = l.put(n.l, ls, numberBits);
  }
  const tables = new Bits();
  for (const encoder of [l, m, d, c]) for (const f of encoder.frequencies) putFrequency(tables, f);
  const fields: [number, number][][] = [
    [
      [literals.length, 20],
      [literalBits.bytes.length, 20],
      [numbers.length, 20],
      [7 - literalBits.unused, 3],
    ],
    [
      ...states.map((s): [number, number] => [s, 10]),
      [numberBits.bytes.length, 20],
      [7 - numberBits.unused, 3],
    ],
    [
      [32 + tables.bytes.length, 32],
      [ls, 10],
      [ms, 10],
      [ds, 10],
    ],
  ];
  const words = fields.map((word) => {
    const bytes = Buffer.alloc(8);
    let value = 0n;
    let at = 0n;
    for (const [field, bits] of word) {
      value |= BigInt(field) << at;
      at += BigInt(bits);
    }
    bytes.writeBigUInt64LE(value);
    return bytes;
  });
  const parts = [tables, literalBits, numberBits].map((bits) => Buffer.from(bits.bytes));
  return Buffer.concat([Buffer.from('bvx2'), number(to - from), ...words, ...parts]);
}

function putFrequency(bits: Bits, f: number): void {
  if (f < 2) bits.put(f << 1, 2);
  else if (f < 4) bits.put(1 | ((f - 2) << 2), 3);
  else if (f < 8) bits.put(3 | ((f - 4) << 3), 5);
  else if (f < 24) bits.put(7 | ((f - 8) << 4), 8);
  else bits.put(15 | ((f - 24) << 4), 14);
}

/** Backwards: to each state the one before it that decodes to the symbol. */
class Encoder {
  readonly frequencies: number[];
  readonly #table: FseTable;
  readonly #range: ValueRange | undefined;

  constructor(states: number, values: readonly number[], range?: ValueRange) {
    this.#range = range;
    const symbols = range?.base.length ?? 256;
    const counts = Array.from({ length: symbols }, () => 0);
    for (const value of values) counts[this.#symbol(value)]!++;
    if (values.length === 0) counts[0] = 1;
    const total = counts.reduce((a, b) => a + b, 0);
    this.frequencies = counts.map((n) => (n === 0 ? 0 : Math.max(1, Math.floor((n * states) / total))));
    // The most frequent one takes what is left, or gives what is missing.
    for (
      let sum = this.frequencies.reduce((a, b) => a + b, 0);
      sum !== states;
      sum += sum < states ? 1 : -1
    ) {
      const most = this.frequencies.indexOf(Math.max(...this.frequencies));
      this.frequencies[most]! += sum < states ? 1 : -1;
    }
    this.#table = fseTable(states, this.frequencies)!;
  }

  #symbol(value: number): number {
    return this.#range === undefined ? value : this.#range.base.findLastIndex((base) => base <= value);
  }

  put(value: number, next: number, out: Bits): number {
    const { symbol, bits, delta, states } = this.#table;
    const s = this.#symbol(value);
    for (let state = 0; state < states; state++) {
      const above = next - delta[state]!;
      if (symbol[state] !== s || above < 0 || above >= 2 ** bits[state]!) continue;
      const extra = this.#range?.extraBits[s] ?? 0;
      if (this.#range !== undefined) out.put(value - this.#range.base[s]!, extra);
      out.put(above, bits[state]!);
      return state;
    }
    throw new Error('no state leads there');
  }
}
