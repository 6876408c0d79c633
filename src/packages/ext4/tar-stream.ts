/**
 * A tar archive of a whole filesystem as a stream: POSIX pax (`tar --format=posix --numeric-owner --sparse --xattrs`),
 * with GNU's sparse members 1.0 and extended attributes as `SCHILY.xattr.*`. Names are bytes: here as latin1 text.
 */
import { AppError } from '../../model/errors.ts';
import { decodeHeader, type Header, isEndBlock, paxRecords, tarBlock } from './tar-header.ts';

export interface Timestamp {
  readonly seconds: number;
  readonly nanoseconds: number;
}

export interface Piece {
  readonly offset: number;
  readonly bytes: Buffer;
}

export interface TarEntry {
  /** As it is written, latin1. */
  readonly path: string;
  /** `0` a file, `1` a hard link, `2` a symbolic link, `3` and `4` devices, `5` a folder, `6` a named pipe. */
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly modifiedAt: Timestamp;
  /** Of the file, holes included. */
  readonly size: number;
  readonly link: string;
  readonly major: number;
  readonly minor: number;
  /** As the kernel gives them. */
  readonly xattrs: ReadonlyMap<string, Buffer>;
  /** The file's data in ascending order, holes left out; to be read, if at all, before the next entry. */
  pieces(): AsyncGenerator<Piece>;
}

const mostExtended = 4 * 2 ** 20;
const mostSparse = 4_000_000;

/** @throws AppError `corrupt`, `unsupported`. */
export async function* tarEntries(input: AsyncIterable<Uint8Array>, where: string): AsyncGenerator<TarEntry> {
  const reader = new Reader(input, where);
  let extended = new Map<string, Buffer>();
  for (;;) {
    const block = await reader.exactly(tarBlock);
    if (isEndBlock(block)) return reader.drain();
    const header = decodeHeader(block, where);
    if ('xgLK'.includes(header.type)) {
      extended = withExtension(extended, header, await reader.padded(header.size, mostExtended), where);
      continue;
    }
    const { entry, left } = await entryOf(header, extended, reader, where);
    extended = new Map();
    yield entry;
    await reader.skip(left());
  }
}

function withExtension(
  before: Map<string, Buffer>,
  { type }: Header,
  bytes: Buffer,
  where: string,
): Map<string, Buffer> {
  const after = new Map(before);
  if (type === 'L' || type === 'K') {
    const end = bytes.indexOf(0);
    after.set(type === 'L' ? 'path' : 'linkpath', end < 0 ? bytes : bytes.subarray(0, end));
  } else if (type === 'x') for (const [key, value] of paxRecords(bytes, where)) after.set(key, value);
  return after;
}

async function entryOf(
  header: Header,
  extended: ReadonlyMap<string, Buffer>,
  reader: Reader,
  where: string,
): Promise<{ entry: TarEntry; left(): number }> {
  const text = (key: string) => extended.get(key)?.toString('latin1');
  const number = (key: string): number | undefined => {
    const value = text(key);
    if (value === undefined) return undefined;
    const found = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(found)) throw new AppError('corrupt', `a pax ${key} of "${value}"`, { where });
    return found;
  };
  const stored = number('size') ?? header.size;
  const hasData = header.type === '0' || header.type === '7' || header.type === '\0';
  const sparse = [...extended.keys()].some((key) => key.startsWith('GNU.sparse.'));
  if (sparse && (text('GNU.sparse.major') !== '1' || text('GNU.sparse.minor') !== '0'))
    throw new AppError('unsupported', 'a sparse member of another kind than 1.0', { where });
  if ('SMV'.includes(header.type) && header.type !== '')
    throw new AppError('unsupported', `a tar member of type "${header.type}"`, { where });
  const body = reader.body(hasData ? stored : 0);
  const realSize = sparse ? (number('GNU.sparse.realsize') ?? 0) : stored;
  const map = sparse && hasData ? await sparseMap(body, realSize, where) : undefined;
  const entry: TarEntry = {
    path: text('GNU.sparse.name') ?? text('path') ?? header.name,
    type: hasData ? '0' : header.type,
    mode: header.mode & 0o7777,
    uid: number('uid') ?? header.uid,
    gid: number('gid') ?? header.gid,
    modifiedAt: timestamp(text('mtime')) ?? { seconds: header.modifiedAt, nanoseconds: 0 },
    size: hasData ? realSize : 0,
    link: text('linkpath') ?? header.link,
    major: header.major,
    minor: header.minor,
    xattrs: xattrsOf(extended),
    async *pieces() {
      if (map === undefined) {
        for (let at = 0; body.left > 0; ) {
          const bytes = await body.some();
          yield { offset: at, bytes };
          at += bytes.length;
        }
        return;
      }
      for (const { offset, length } of map) {
        for (let done = 0; done < length; ) {
          const bytes = await body.some(length - done);
          yield { offset: offset + done, bytes };
          done += bytes.length;
        }
      }
    },
  };
  return { entry, left: () => body.left + body.padding };
}

/** `mtime=-315619199.5`: the fraction counts upwards. */
function timestamp(text: string | undefined): Timestamp | undefined {
  const [, sign, whole = '', fraction = ''] = /^(-?)(\d{1,15})(?:\.(\d*))?$/.exec(text ?? '') ?? [];
  if (whole === '') return undefined;
  const nanoseconds = Number(fraction.padEnd(9, '0').slice(0, 9));
  if (sign !== '-') return { seconds: Number(whole), nanoseconds };
  return nanoseconds === 0
    ? { seconds: -Number(whole), nanoseconds }
    : { seconds: -Number(whole) - 1, nanoseconds: 1e9 - nanoseconds };
}

const xattrPrefix = 'SCHILY.xattr.';

/** In a key "=" and "%" are written as `%3D` and `%25`. */
const xattrsOf = (extended: ReadonlyMap<string, Buffer>): Map<string, Buffer> =>
  new Map(
    [...extended]
      .filter(([key]) => key.startsWith(xattrPrefix))
      .map(([key, value]) => [
        key.slice(xattrPrefix.length).replace(/%(3D|25)/g, (_, code) => (code === '25' ? '%' : '=')),
        value,
      ]),
  );

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** In front of the data: how many ranges, and each as offset and length, a decimal number on a line; in whole blocks. */
async function sparseMap(body: Body, realSize: number, where: string): Promise<Range[]> {
  const broken = () => new AppError('corrupt', 'the map of a sparse member is broken', { where });
  let text = '';
  const numbers: number[] = [];
  let wanted = 1;
  while (numbers.length < wanted) {
    if (body.left < tarBlock) throw broken();
    text += (await body.exactly(tarBlock)).toString('latin1');
    for (let end = text.indexOf('\n'); end >= 0 && numbers.length < wanted; end = text.indexOf('\n')) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (!/^\d{1,16}$/.test(line) || !Number.isSafeInteger(Number(line))) throw broken();
      numbers.push(Number(line));
      if (numbers.length === 1) wanted = 1 + 2 * numbers[0]!;
      if (wanted > mostSparse) throw broken();
    }
    if (text.length > 2 * tarBlock) throw broken();
  }
  const ranges: Range[] = [];
  let at = 0;
  let sum = 0;
  for (let i = 1; i < numbers.length; i += 2) {
    const range = { offset: numbers[i]!, length: numbers[i + 1]! };
    if (range.offset < at || range.length > realSize - range.offset) throw broken();
    at = range.offset + range.length;
    sum += range.length;
    if (range.length > 0) ranges.push(range);
  }
  if (sum !== body.left) throw broken();
  return ranges;
}

/** The bytes of one member that are not read yet. */
interface Body {
  readonly left: number;
  readonly padding: number;
  exactly(length: number): Promise<Buffer>;
  /** What has come, at most so much. */
  some(most?: number): Promise<Buffer>;
}

class Reader {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #where: string;
  #have: Buffer = Buffer.alloc(0);

  constructor(input: AsyncIterable<Uint8Array>, where: string) {
    this.#chunks = input[Symbol.asyncIterator]();
    this.#where = where;
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#chunks.next();
    if (done)
      throw new AppError('corrupt', 'the archive ends in the middle', {
        where: this.#where,
        hint: 'the connection or tar ended early; run it again',
      });
    this.#have = Buffer.from(value.buffer, value.byteOffset, value.length);
  }

  /** Never more than `most` bytes. */
  async some(most: number): Promise<Buffer> {
    while (this.#have.length === 0) await this.#more();
    const bytes = this.#have.subarray(0, most);
    this.#have = this.#have.subarray(bytes.length);
    return bytes;
  }

  /** `length` is bounded by the caller. */
  async exactly(length: number): Promise<Buffer> {
    if (this.#have.length >= length) return this.some(length);
    const whole = Buffer.alloc(length);
    for (let at = 0; at < length; ) {
      const bytes = await this.some(length - at);
      bytes.copy(whole, at);
      at += bytes.length;
    }
    return whole;
  }

  async padded(length: number, most: number): Promise<Buffer> {
    if (length > most)
      throw new AppError('corrupt', `a tar extension of ${length} bytes`, { where: this.#where });
    const bytes = Buffer.from(await this.exactly(length));
    await this.skip(paddingOf(length));
    return bytes;
  }

  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) left -= (await this.some(left)).length;
  }

  /** What comes behind the end is filling. */
  async drain(): Promise<void> {
    for (let end = false; !end; ) end = (await this.#chunks.next()).done === true;
  }

  body(length: number): Body {
    let left = length;
    const reader = this;
    return {
      get left() {
        return left;
      },
      padding: paddingOf(length),
      async exactly(wanted) {
        left -= wanted;
        return reader.exactly(wanted);
      },
      async some(most = left) {
        const bytes = await reader.some(Math.min(most, left));
        left -= bytes.length;
        return bytes;
      },
    };
  }
}

const paddingOf = (length: number): number => (tarBlock - (length % tarBlock)) % tarBlock;
