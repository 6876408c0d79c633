/**
 * LZFSE, Apple's compression of newer DMG (ULFO): blocks, each with a mark, the last one empty. By the facts that
 * Apple's own published program shows. Copies reach back over all blocks of the stream.
 *
 *   bvx-  bytes as they are      bvxn  LZVN, see `lzvn.ts`      bvx2  LZ77 with its numbers in FSE      bvx$  the end
 *
 * bvx2: header | frequencies | literals | numbers (of literals, of bytes copied, distances). `bvx1`, with its
 * frequencies in full, is written by nothing.
 */
import { AppError } from '../../model/errors.ts';
import { BackwardBits, type FseTable, fseTable, type ValueRange, valueRange } from './fse.ts';
import { unlzvn } from './lzvn.ts';

const marks = { end: 'bvx$', plain: 'bvx-', lzvn: 'bvxn', compressed: 'bvx2' } as const;

/** What has been decoded so far, of a known length. */
export interface Window {
  literals(from: Buffer, at: number, count: number): void;
  copy(distance: number, count: number): void;
}

/** @throws AppError `corrupt` when it is not exactly `length` bytes, `unsupported`. */
export function unlzfse(stored: Buffer, length: number, where: string): Buffer {
  const out = Buffer.alloc(length);
  let filled = 0;
  const damaged = (message: string) => new AppError('corrupt', `LZFSE: ${message}`, { where });
  const window: Window = {
    literals(from, at, count) {
      if (filled + count > length) throw damaged(`more than ${length} bytes`);
      from.copy(out, filled, at, at + count);
      filled += count;
    },
    copy(distance, count) {
      if (distance === 0 || distance > filled) throw damaged('a copy from outside');
      if (filled + count > length) throw damaged(`more than ${length} bytes`);
      if (distance >= count) out.copyWithin(filled, filled - distance, filled - distance + count);
      else for (let i = filled; i < filled + count; i++) out[i] = out[i - distance]!;
      filled += count;
    },
  };
  const number = (at: number): number => {
    if (at + 4 > stored.length) throw damaged('it is cut short');
    return stored.readUInt32LE(at);
  };
  /** A part of the file that must be there. */
  const part = (at: number, bytes: number): Buffer => {
    if (at + bytes > stored.length) throw damaged('it is cut short');
    return stored.subarray(at, at + bytes);
  };
  for (let at = 0; ; ) {
    number(at);
    const mark = stored.toString('latin1', at, at + 4);
    if (mark === marks.end) break;
    const before = filled;
    const content = number(at + 4);
    if (mark === marks.plain) {
      window.literals(part(at + 8, content), 0, content);
      at += 8 + content;
    } else if (mark === marks.lzvn) {
      const payload = number(at + 8);
      unlzvn(part(at + 12, payload), window, damaged);
      at += 12 + payload;
    } else if (mark === marks.compressed) {
      at += uncompress(stored, at, window, damaged);
    } else if (mark === 'bvx1') {
      throw new AppError('unsupported', 'LZFSE: a block of the first kind', { where });
    } else throw damaged('no block where one was expected');
    if (filled - before !== content)
      throw damaged(`a block of ${filled - before} bytes, expected ${content}`);
  }
  if (filled !== length) throw damaged(`${filled} bytes, expected ${length}`);
  return out;
}

const headerBytes = 32;
/** The format's own limits, per block. */
const mostLiterals = 40_000;
const mostCopies = 10_000;

const repeat = (count: number, bits: number): number[] => Array.from({ length: count }, () => bits);
export const literalCounts = valueRange([...repeat(16, 0), 2, 3, 5, 8]);
export const copyCounts = valueRange([...repeat(16, 0), 3, 5, 8, 11]);
export const distances = valueRange(Array.from({ length: 64 }, (_, i) => i >> 2));
export const stateCounts = { literalCounts: 64, copyCounts: 64, distances: 256, literals: 1024 } as const;

type Damaged = (message: string) => Error;

/** @returns the bytes of the block. */
function uncompress(stored: Buffer, at: number, out: Window, damaged: Damaged): number {
  if (at + headerBytes > stored.length) throw damaged('it is cut short');
  const words = [0, 1, 2].map((i) => stored.readBigUInt64LE(at + 8 + 8 * i));
  const field = (word: number, bit: number, bits: number) =>
    Number((words[word]! >> BigInt(bit)) & ((1n << BigInt(bits)) - 1n));
  const literalCount = field(0, 0, 20);
  const literalBytes = field(0, 20, 20);
  const copies = field(0, 40, 20);
  const numberBytes = field(1, 40, 20);
  const headerEnd = at + field(2, 0, 32);
  const numbersAt = headerEnd + literalBytes;
  const end = numbersAt + numberBytes;
  if (headerEnd < at + headerBytes || end > stored.length) throw damaged('it is cut short');
  if (literalCount > mostLiterals || literalCount % 4 !== 0 || copies > mostCopies)
    throw damaged(`a block of ${literalCount} literals, ${copies} copies`);
  const tables = readTables(stored.subarray(at + headerBytes, headerEnd), damaged);

  const literals = Buffer.alloc(literalCount);
  const states = [0, 1, 2, 3].map((i) => field(1, 10 * i, 10));
  const bits = new BackwardBits(stored, headerEnd, numbersAt, 7 - field(0, 60, 3));
  if (literalCount > 0) {
    const table = tables.literals ?? refuse(damaged);
    for (let i = 0; i < literalCount; i++) {
      const state = states[i & 3]!;
      literals[i] = table.symbol[state]!;
      states[i & 3] = table.delta[state]! + bits.take(table.bits[state]!);
    }
    if (bits.left < 0) throw damaged('the literals are cut short');
  }
  if (copies === 0) return end - at;

  const numbers = new BackwardBits(stored, numbersAt, end, 7 - field(1, 60, 3));
  const l = new Values(
    tables.literalCounts ?? refuse(damaged),
    literalCounts,
    field(2, 32, 10),
    numbers,
    damaged,
  );
  const m = new Values(tables.copyCounts ?? refuse(damaged), copyCounts, field(2, 42, 10), numbers, damaged);
  const d = new Values(tables.distances ?? refuse(damaged), distances, field(2, 52, 10), numbers, damaged);
  let used = 0;
  let distance = 0;
  for (let i = 0; i < copies; i++) {
    const plain = l.next();
    const copied = m.next();
    distance = d.next() || distance; // none: that of before
    if (numbers.left < 0) throw damaged('the numbers are cut short');
    if (used + plain > literalCount) throw damaged('more literals than there are');
    out.literals(literals, used, plain);
    used += plain;
    if (copied > 0) out.copy(distance, copied);
  }
  return end - at;
}

function refuse(damaged: Damaged): never {
  throw damaged('a table is empty');
}

class Values {
  readonly #table: FseTable;
  readonly #range: ValueRange;
  readonly #bits: BackwardBits;
  #state: number;

  constructor(table: FseTable, range: ValueRange, state: number, bits: BackwardBits, damaged: Damaged) {
    if (state >= table.states) throw damaged(`state ${state} of ${table.states}`);
    this.#table = table;
    this.#range = range;
    this.#bits = bits;
    this.#state = state;
  }

  /** The bits of the next state are above those of the value. */
  next(): number {
    const { symbol, bits, delta } = this.#table;
    const s = symbol[this.#state]!;
    const extra = this.#range.extraBits[s]!;
    const taken = this.#bits.take(bits[this.#state]! + extra);
    this.#state = delta[this.#state]! + (taken >> extra);
    return this.#range.base[s]! + (taken & ((1 << extra) - 1));
  }
}

/** Absent where no symbol has a frequency. */
interface Tables {
  readonly literalCounts: FseTable | undefined;
  readonly copyCounts: FseTable | undefined;
  readonly distances: FseTable | undefined;
  readonly literals: FseTable | undefined;
}

function readTables(stored: Buffer, damaged: Damaged): Tables {
  let at = 0; // in bits
  const peek = (bit: number, bits: number): number => {
    let word = 0;
    for (let i = 0; i < 4; i++) word |= (stored[(bit >> 3) + i] ?? 0) << (8 * i);
    return (word >>> (bit & 7)) & ((1 << bits) - 1);
  };
  const frequency = (): number => {
    const { bits, value } = frequencyCode(peek(at, 14));
    at += bits;
    return value;
  };
  const table = (states: number, symbols: number): FseTable | undefined => {
    const frequencies = Array.from({ length: symbols }, frequency);
    if (at > stored.length * 8) throw damaged('the tables are cut short');
    if (frequencies.every((f) => f === 0)) return undefined;
    const made = fseTable(states, frequencies);
    if (made === undefined) throw damaged(`a table whose frequencies are not ${states} together`);
    return made;
  };
  return {
    literalCounts: table(stateCounts.literalCounts, 20),
    copyCounts: table(stateCounts.copyCounts, 20),
    distances: table(stateCounts.distances, 64),
    literals: table(stateCounts.literals, 256),
  };
}

/** 0 and 1 in two bits, 2 and 3 in three, 4 to 7 in five, up to 23 in eight, the others in fourteen; lowest bit first. */
function frequencyCode(bits: number): { bits: number; value: number } {
  if ((bits & 1) === 0) return { bits: 2, value: (bits >> 1) & 1 };
  if ((bits & 2) === 0) return { bits: 3, value: 2 + ((bits >> 2) & 1) };
  if ((bits & 4) === 0) return { bits: 5, value: 4 + ((bits >> 3) & 3) };
  if ((bits & 8) === 0) return { bits: 8, value: 8 + ((bits >> 4) & 15) };
  return { bits: 14, value: 24 + ((bits >> 4) & 0x3ff) };
}
