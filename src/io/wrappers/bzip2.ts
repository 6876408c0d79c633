/**
 * Reading bzip2: streams one behind the other, block by block, each with its checksum. After the format as
 * bzip2 1.0.8 writes it; "randomised" blocks of versions before 0.9.5 are refused.
 */
import { AppError } from '../../model/errors.ts';

const blockMagic = 0x314159265359;
const endMagic = 0x177245385090;
const outputBytes = 256 * 1024;
const groupSymbols = 50;
const longestCode = 20;
/** No block of level 9 is longer: 900,000 symbols of 20 bits, the selectors and the tables. */
export const longestBlockBytes = 2_400_000;

/** CRC-32 with the most significant bit first, as bzip2 counts it. */
const crcTable = Int32Array.from({ length: 256 }, (_, i) => {
  let c = i << 24;
  for (let k = 0; k < 8; k++) c = c < 0 ? (c << 1) ^ 0x04c11db7 : c << 1;
  return c;
});

const damaged = (message: string) => new AppError('corrupt', `bzip2: ${message}`);

/** Bits of a buffer, most significant first. */
class Bits {
  at = 0;
  #bytes: Buffer;
  #buffer = 0;
  #count = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** More bytes behind those that are not used yet. */
  append(more: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes.subarray(this.at), more]);
    this.at = 0;
  }

  /** Whole bytes not taken yet. */
  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** 1 to 24 bits. */
  read(count: number): number {
    this.#fill(count);
    this.#count -= count;
    return (this.#buffer >>> this.#count) & ((1 << count) - 1);
  }

  /** The next bits without taking them, zeros past the end. */
  peek(count: number): number {
    while (this.#count < count) {
      this.#buffer = (this.#buffer << 8) | (this.at < this.#bytes.length ? this.#bytes[this.at]! : 0);
      this.at++;
      this.#count += 8;
    }
    return (this.#buffer >>> (this.#count - count)) & ((1 << count) - 1);
  }

  skip(count: number): void {
    this.#count -= count;
    if (this.at - (this.#count >> 3) > this.#bytes.length) throw damaged('it is cut short');
  }

  #fill(count: number): void {
    this.peek(count);
    if (this.at - ((this.#count - count) >> 3) > this.#bytes.length) throw damaged('it is cut short');
  }

  /** Takes all that is left. */
  restIsZero(): boolean {
    const rest = this.#bytes.subarray(this.at);
    this.at = this.#bytes.length;
    return rest.every((byte) => byte === 0);
  }

  toByte(): void {
    this.#count -= this.#count & 7;
    // Whole bytes that were looked at go back.
    this.at -= this.#count >> 3;
    this.#count = 0;
  }
}

interface Table {
  readonly shortest: number;
  /** By length: the largest code, left-aligned to 20 bits, plus one. */
  readonly limit: Int32Array;
  readonly base: Int32Array;
  readonly symbols: Uint16Array;
}

export class Bunzip2 {
  readonly #bits = new Bits(Buffer.alloc(0));
  #level = 0;
  #streams = 0;
  #streamCrc = 0;
  readonly #work = new Uint32Array(900_000);

  /**
   * The content of all blocks that are sure to be complete; `last` says that no more bytes come.
   * @throws AppError `corrupt`, `unsupported`.
   */
  *push(bytes: Buffer, last: boolean): Generator<Buffer> {
    this.#bits.append(bytes);
    while (last ? this.#bits.left > 0 || this.#level > 0 : this.#bits.left > longestBlockBytes) {
      if (this.#level === 0 && !this.#header()) return;
      const magic = this.#bits.read(24) * 2 ** 24 + this.#bits.read(24);
      const crc = (this.#bits.read(16) << 16) | this.#bits.read(16);
      if (magic === endMagic) {
        if (crc !== this.#streamCrc) throw damaged('the checksum of the stream is wrong');
        this.#bits.toByte();
        this.#level = 0;
      } else if (magic === blockMagic) {
        yield* this.#block(crc);
        this.#streamCrc = ((this.#streamCrc << 1) | (this.#streamCrc >>> 31)) ^ crc;
      } else throw damaged('neither a block nor the end of the stream');
    }
    if (last && this.#streams === 0) throw damaged('no stream in it');
  }

  /** @returns false for zeros behind the last stream. Anything else may be a stream that was damaged. */
  #header(): boolean {
    if (this.#bits.left < 4) return this.#notStream();
    const mark = this.#bits.read(24);
    if (mark === 0) return this.#notStream();
    if (mark !== 0x425a68) throw damaged('no stream where one was expected');
    const level = this.#bits.read(8) - 0x30;
    if (level < 1 || level > 9) throw damaged(`block size ${level}`);
    this.#level = level;
    this.#streamCrc = 0;
    this.#streams++;
    return true;
  }

  #notStream(): false {
    if (this.#streams === 0) throw damaged('no stream in it');
    this.#bits.toByte();
    if (!this.#bits.restIsZero()) throw damaged('what follows the stream is no stream');
    return false;
  }

  *#block(crc: number): Generator<Buffer> {
    const bits = this.#bits;
    if (bits.read(1) === 1) throw new AppError('unsupported', 'bzip2: a randomised block of an old version');
    const start = bits.read(24);
    const used = readUsed(bits);
    const { tables, selectors } = readTables(bits, used.length + 2);
    const length = this.#symbols(used, tables, selectors);
    if (start >= length) throw damaged(`a block of ${length} bytes that starts at ${start}`);
    yield* unsorted(this.#work, length, start, crc);
  }

  /** Huffman codes, runs and moving to front undone: the sorted column, in the low bytes of `#work`. */
  #symbols(used: Uint8Array, tables: readonly Table[], selectors: Uint8Array): number {
    const bits = this.#bits;
    const work = this.#work;
    const limit = this.#level * 100_000;
    const front = Uint8Array.from(used);
    const end = used.length + 1;
    let length = 0;
    let run = 0;
    let weight = 1;
    for (let group = 0; ; group++) {
      if (group >= selectors.length) throw damaged('more symbols than selectors');
      const table = tables[selectors[group]!]!;
      for (let i = 0; i < groupSymbols; i++) {
        const symbol = decode(bits, table);
        if (symbol < 2) {
          run += weight << symbol;
          weight <<= 1;
          if (run > limit) throw damaged('a run that is longer than the block');
          continue;
        }
        if (run > 0) {
          if (length + run > limit) throw damaged('more bytes than the block may have');
          work.fill(front[0]!, length, length + run);
          length += run;
          run = 0;
          weight = 1;
        }
        if (symbol === end) return length;
        if (length >= limit) throw damaged('more bytes than the block may have');
        const byte = front[symbol - 1]!;
        front.copyWithin(1, 0, symbol - 1);
        front[0] = byte;
        work[length++] = byte;
      }
    }
  }
}

function readUsed(bits: Bits): Uint8Array {
  const groups = bits.read(16);
  const used: number[] = [];
  for (let i = 0; i < 16; i++) {
    if ((groups & (0x8000 >> i)) === 0) continue;
    const inGroup = bits.read(16);
    for (let j = 0; j < 16; j++) if ((inGroup & (0x8000 >> j)) !== 0) used.push(i * 16 + j);
  }
  if (used.length === 0) throw damaged('a block without bytes');
  return Uint8Array.from(used);
}

function readTables(bits: Bits, symbols: number): { tables: Table[]; selectors: Uint8Array } {
  const count = bits.read(3);
  const selectorCount = bits.read(15);
  if (count < 2 || count > 6 || selectorCount === 0)
    throw damaged(`${count} tables, ${selectorCount} selectors`);
  const order = [0, 1, 2, 3, 4, 5];
  const selectors = new Uint8Array(selectorCount);
  for (let i = 0; i < selectorCount; i++) {
    let position = 0;
    while (bits.read(1) === 1) if (++position >= count) throw damaged('a selector of no table');
    const [table] = order.splice(position, 1);
    order.unshift(table!);
    selectors[i] = table!;
  }
  const tables: Table[] = [];
  for (let t = 0; t < count; t++) {
    const lengths = new Uint8Array(symbols);
    let length = bits.read(5);
    for (let s = 0; s < symbols; s++) {
      for (;;) {
        if (length < 1 || length > longestCode) throw damaged(`a code of ${length} bits`);
        if (bits.read(1) === 0) break;
        length += bits.read(1) === 0 ? 1 : -1;
      }
      lengths[s] = length;
    }
    tables.push(tableOf(lengths));
  }
  return { tables, selectors };
}

/** Codes of one length follow each other, the shorter ones first. */
function tableOf(lengths: Uint8Array): Table {
  const counts = new Int32Array(longestCode + 1);
  for (const length of lengths) counts[length]!++;
  const limit = new Int32Array(longestCode + 1);
  const base = new Int32Array(longestCode + 1);
  const places = new Int32Array(longestCode + 1);
  let code = 0;
  let place = 0;
  let shortest = 0;
  for (let length = 1; length <= longestCode; length++) {
    places[length] = place;
    base[length] = place - code;
    code += counts[length]!;
    place += counts[length]!;
    limit[length] = code << (longestCode - length);
    if (code > 1 << length) throw damaged('more codes than there can be');
    if (shortest === 0 && counts[length]! > 0) shortest = length;
    code <<= 1;
  }
  const symbols = new Uint16Array(lengths.length);
  lengths.forEach((length, symbol) => {
    symbols[places[length]!++] = symbol;
  });
  return { shortest, limit, base, symbols };
}

function decode(bits: Bits, { shortest, limit, base, symbols }: Table): number {
  const next = bits.peek(longestCode);
  let length = shortest;
  while (length <= longestCode && next >= limit[length]!) length++;
  if (length > longestCode) throw damaged('a code that stands for nothing');
  bits.skip(length);
  return symbols[base[length]! + (next >>> (longestCode - length))]!;
}

/** The sorting undone, then the first run-length coding: four equal bytes are followed by a count. */
function* unsorted(work: Uint32Array, length: number, start: number, expected: number): Generator<Buffer> {
  const places = new Int32Array(256);
  for (let i = 0; i < length; i++) places[work[i]! & 0xff]!++;
  for (let byte = 0, sum = 0; byte < 256; byte++) {
    const count = places[byte]!;
    places[byte] = sum;
    sum += count;
  }
  for (let i = 0; i < length; i++) {
    const byte = work[i]! & 0xff;
    work[places[byte]!++]! |= i << 8;
  }
  let out = Buffer.allocUnsafe(outputBytes + 256);
  let filled = 0;
  let crc = -1;
  let same = 0;
  let previous = -1;
  let at = work[start]! >>> 8;
  for (let i = 0; i < length; i++) {
    const entry = work[at]!;
    at = entry >>> 8;
    const byte = entry & 0xff;
    if (same === 4) {
      for (let n = 0; n < byte; n++) crc = (crc << 8) ^ crcTable[((crc >>> 24) ^ previous) & 0xff]!;
      out.fill(previous, filled, filled + byte);
      filled += byte;
      same = 0;
      previous = -1;
    } else {
      same = byte === previous ? same + 1 : 1;
      previous = byte;
      out[filled++] = byte;
      crc = (crc << 8) ^ crcTable[((crc >>> 24) ^ byte) & 0xff]!;
    }
    if (filled >= outputBytes) {
      yield out.subarray(0, filled);
      out = Buffer.allocUnsafe(outputBytes + 256);
      filled = 0;
    }
  }
  if (~crc !== expected) throw damaged('the checksum of a block is wrong');
  if (filled > 0) yield out.subarray(0, filled);
}
