/** Parts joined as their list says: which part is missing, of another size, swapped or damaged is named. */
import { basename } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { checkedParts } from './checked-parts.ts';
import {
  isListName,
  type ListedPart,
  listName,
  longestList,
  looksLikeList,
  type PartList,
  parsePartList,
} from './part-list.ts';

/** A file, and those beside it. */
export interface PartFile {
  readonly source: ByteSource;
  /** It was reached by a name that leads out of the first one's folder. */
  readonly outside?: boolean;
  /** @throws AppError `not-found`. */
  sibling(name: string): Promise<PartFile>;
}

export interface JoinedByList {
  readonly source: ByteSource;
  /** The names of all parts. */
  readonly parts: readonly string[];
  /** Every byte of every part against the list. @throws AppError `corrupt`, naming the part. */
  verify(signal?: AbortSignal): Promise<void>;
}

export interface ByListOptions {
  readonly follow: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * `disk`: a list, or a file of which `inner` is the name without the part's number. Undefined where no list is there.
 * What was opened for it is closed again on an error; `disk` stays the caller's.
 */
export async function joinByList(
  disk: PartFile,
  inner: string | undefined,
  options: ByListOptions,
): Promise<JoinedByList | undefined> {
  const list = await listOf(disk, inner, options.signal);
  if (list === undefined) return undefined;
  const opened: ByteSource[] = [];
  try {
    for (const [i, part] of list.parts.entries())
      opened.push(await partOf(disk, list, part, i, options.follow));
    const again = async (name: string) => (await disk.sibling(name)).source;
    const { source, verify } = checkedParts(list, opened, disk.source, again);
    return { source, parts: opened.map(({ name }) => name), verify };
  } catch (error) {
    await Promise.all(opened.filter((one) => one !== disk.source).map((one) => one.close()));
    throw error;
  }
}

async function listOf(
  disk: PartFile,
  inner: string | undefined,
  signal: AbortSignal | undefined,
): Promise<PartList | undefined> {
  const own = basename(disk.source.name);
  if (isListName(own)) return readList(disk.source, signal);
  if (inner === undefined) return undefined;
  const found = await siblingOf(disk, listName(inner));
  if (found === undefined) return undefined;
  try {
    return await readList(found.source, signal);
  } finally {
    await found.source.close();
  }
}

/** Undefined for a file that has the name and is no list. */
async function readList(source: ByteSource, signal: AbortSignal | undefined): Promise<PartList | undefined> {
  if (source.access === 'forward' || source.size > longestList) return undefined;
  const text = (await readBytes(source, 0, source.size, signal)).toString('utf8');
  return looksLikeList(text) ? parsePartList(text, source.name) : undefined;
}

async function siblingOf(disk: PartFile, name: string): Promise<PartFile | undefined> {
  try {
    return await disk.sibling(name);
  } catch (error) {
    if (toAppError(error).kind === 'not-found') return undefined;
    throw error;
  }
}

async function partOf(
  disk: PartFile,
  list: PartList,
  { name, size }: ListedPart,
  index: number,
  follow: boolean,
): Promise<ByteSource> {
  const own = basename(disk.source.name) === name;
  const found = own ? disk : await siblingOf(disk, name);
  const which = `part ${index + 1} of ${list.parts.length}`;
  if (found === undefined) {
    throw new AppError('corrupt', `${which} is missing: ${name}`, {
      where: disk.source.name,
      hint: 'put all parts into one folder, with their list',
    });
  }
  const { source } = found;
  const refused = outsideOrSize(
    found,
    own,
    follow,
    `${which} has ${source.size} bytes, ${size} expected`,
    size,
  );
  if (refused === undefined) return source;
  if (!own) await source.close();
  throw refused;
}

function outsideOrSize(found: PartFile, own: boolean, follow: boolean, message: string, size: number) {
  const where = found.source.name;
  if (found.outside && !own && !follow) {
    const hint = 'if you trust it, say so with --follow';
    return new AppError('unsupported', 'a part that lies outside the folder of the first', { where, hint });
  }
  if (found.source.size === size) return undefined;
  return new AppError('corrupt', message, { where, hint: 'fetch this part again' });
}
