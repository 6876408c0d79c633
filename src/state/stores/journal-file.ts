/** Reading of journals, within bounds and tolerant of torn lines. */
import { type FileHandle, open } from 'node:fs/promises';
import { toAppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { type JournalLine, parseLine, progressOf } from './journal-lines.ts';

const HEAD = 16 * KiB;
const TAILS = [8 * KiB, 256 * KiB, 8 * MiB] as const;
const CHUNK = MiB;

/** Of lines that are read; of all lines, those passed over included; of one line. */
const MOST_KEPT = 64 * MiB;
const MOST_READ = 512 * MiB;
const MOST_LINE = 16 * MiB;

export interface Ends {
  readonly first: JournalLine | undefined;
  readonly last: JournalLine | undefined;
  /** Bytes read at the last point of the rate near the end. */
  readonly bytes: number | undefined;
}

/** The first line and the last that can be read, from the head and the tail of the file only. */
export async function readEnds(path: string): Promise<Ends> {
  return withFile(path, async (handle, size) => {
    const [firstText = ''] = (await textAt(handle, 0, Math.min(size, HEAD))).split('\n', 1);
    return { first: parseLine(firstText), ...(await lastLine(handle, size)) };
  });
}

/** Usually in the last 8 KiB; further back when the last line is long. */
async function lastLine(handle: FileHandle, size: number): Promise<Omit<Ends, 'first'>> {
  for (const tail of TAILS) {
    const length = Math.min(size, tail);
    const lines = (await textAt(handle, size - length, length)).split('\n');
    // The first one is cut, unless it is the file's first.
    const whole = lines.slice(length < size ? 1 : 0).reverse();
    const last = firstOf(whole, parseLine);
    if (last !== undefined || length === size) {
      const bytes = last?.type === 'end' ? undefined : firstOf(whole, progressIn);
      return { last, bytes };
    }
  }
  return { last: undefined, bytes: undefined };
}

function firstOf<T>(texts: readonly string[], read: (text: string) => T | undefined): T | undefined {
  for (const text of texts) {
    const found = read(text);
    if (found !== undefined) return found;
  }
  return undefined;
}

function progressIn(text: string): number | undefined {
  const line = text.includes('"progress"') ? parseLine(text) : undefined;
  return line === undefined ? undefined : progressOf(line);
}

export interface JournalText {
  readonly lines: readonly JournalLine[];
  /** Lines of types that are not read, how many of each. */
  readonly passedOver: Readonly<Record<string, number>>;
  readonly truncated: boolean;
  readonly damagedLines: number;
}

export interface ReadOptions {
  /** Only lines of these types; the others are counted. */
  readonly types?: ReadonlySet<string>;
  /** Bytes of lines that are read. */
  readonly most?: number | undefined;
}

/** The lines, as far as the bounds go. */
export async function readLines(
  path: string,
  { types, most = MOST_KEPT }: ReadOptions = {},
): Promise<JournalText> {
  return withFile(path, async (handle, size) => {
    const lines: JournalLine[] = [];
    const passedOver = new Map<string, number>();
    let damagedLines = 0;
    let kept = 0;
    for await (const text of textLines(handle, Math.min(size, MOST_READ))) {
      const type = typeOf(text ?? '');
      if (type !== undefined && types?.has(type) === false) {
        passedOver.set(type, (passedOver.get(type) ?? 0) + 1);
        continue;
      }
      if (text === undefined || kept + text.length > most) {
        return { lines, passedOver: Object.fromEntries(passedOver), truncated: true, damagedLines };
      }
      const line = parseLine(text);
      if (line === undefined) damagedLines++;
      else lines.push(line);
      kept += text.length;
    }
    const truncated = size > MOST_READ;
    return { lines, passedOver: Object.fromEntries(passedOver), truncated, damagedLines };
  });
}

/** The first line of this type; undefined where there is none in the first 16 MiB. */
export async function firstLineOf(path: string, type: string): Promise<JournalLine | undefined> {
  return withFile(path, async (handle, size) => {
    for await (const text of textLines(handle, Math.min(size, MOST_LINE))) {
      const line = text?.includes(`"${type}"`) ? parseLine(text) : undefined;
      if (line?.type === type) return line;
    }
    return undefined;
  });
}

/** Lines of these types as they are written, so many bytes of them: to search them. */
export async function textOf(path: string, types: ReadonlySet<string>, most: number): Promise<string> {
  return withFile(path, async (handle, size) => {
    const texts: string[] = [];
    let length = 0;
    for await (const text of textLines(handle, Math.min(size, MOST_READ))) {
      if (text === undefined) break;
      if (!types.has(typeOf(text) ?? '')) continue;
      texts.push(text);
      length += text.length;
      if (length > most) break;
    }
    return texts.join('\n');
  });
}

/** Without parsing the line. */
const typeOf = (text: string): string | undefined => /^\{"type":"([\w.-]{1,40})"/.exec(text)?.[1];

/** Each line that is not empty; undefined, and no more, at one that is no line of a journal by its length. */
async function* textLines(handle: FileHandle, size: number): AsyncGenerator<string | undefined> {
  let rest: Buffer[] = [];
  let restLength = 0;
  for (let offset = 0; offset < size; ) {
    const chunk = await bytesAt(handle, offset, Math.min(CHUNK, size - offset));
    if (chunk.length === 0) break;
    offset += chunk.length;
    let from = 0;
    for (let to = chunk.indexOf(10); to >= 0; to = chunk.indexOf(10, from)) {
      const text = Buffer.concat([...rest, chunk.subarray(from, to)]).toString('utf8');
      rest = [];
      restLength = 0;
      from = to + 1;
      if (text !== '') yield text;
    }
    rest.push(chunk.subarray(from));
    restLength += chunk.length - from;
    if (restLength > MOST_LINE) {
      yield undefined;
      return;
    }
  }
  if (restLength > 0) yield Buffer.concat(rest).toString('utf8');
}

async function textAt(handle: FileHandle, offset: number, length: number): Promise<string> {
  return (await bytesAt(handle, offset, length)).toString('utf8');
}

/** Fewer where the file ends before. */
async function bytesAt(handle: FileHandle, offset: number, length: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

async function withFile<T>(path: string, read: (handle: FileHandle, size: number) => Promise<T>): Promise<T> {
  try {
    const handle = await open(path, 'r');
    try {
      return await read(handle, (await handle.stat()).size);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toAppError(error);
  }
}
