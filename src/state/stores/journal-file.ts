/** Reading of journals, within bounds and tolerant of torn lines. */
import { type FileHandle, open } from 'node:fs/promises';
import { toAppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { type JournalLine, parseLine } from './journal-lines.ts';

const HEAD = 8 * KiB;
const TAILS = [8 * KiB, 256 * KiB, 8 * MiB] as const;
const WHOLE = 64 * MiB;

/** The first line and the last that can be read, from the head and the tail of the file only. */
export async function readEnds(
  path: string,
): Promise<{ first: JournalLine | undefined; last: JournalLine | undefined }> {
  return withFile(path, async (handle, size) => {
    const [firstText = ''] = (await textAt(handle, 0, Math.min(size, HEAD))).split('\n', 1);
    return { first: parseLine(firstText), last: await lastLine(handle, size) };
  });
}

/** Usually in the last 8 KiB; further back when the last line is long. */
async function lastLine(handle: FileHandle, size: number): Promise<JournalLine | undefined> {
  for (const tail of TAILS) {
    const length = Math.min(size, tail);
    const lines = (await textAt(handle, size - length, length)).split('\n');
    // The first one is cut, unless it is the file's first.
    const found = lines.slice(length < size ? 1 : 0).findLast((text) => parseLine(text));
    if (found !== undefined) return parseLine(found);
    if (length === size) return undefined;
  }
  return undefined;
}

/** All lines of the first 64 MiB. */
export async function readLines(
  path: string,
): Promise<{ lines: JournalLine[]; truncated: boolean; damagedLines: number }> {
  return withFile(path, async (handle, size) => {
    const truncated = size > WHOLE;
    const texts = (await textAt(handle, 0, Math.min(size, WHOLE))).split('\n');
    if (truncated) texts.pop();
    const filled = texts.filter((text) => text !== '');
    const lines = filled.map(parseLine).filter((line) => line !== undefined);
    return { lines, truncated, damagedLines: filled.length - lines.length };
  });
}

async function textAt(handle: FileHandle, offset: number, length: number): Promise<string> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.toString('utf8', 0, done);
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
