/** Small files of a guest, read whole or not at all. */
import { toAppError } from '../../../model/errors.ts';
import type { Files } from '../../filesystems/files.ts';
import type { ConfigFile } from '../../formats/config-file.ts';
import type { Reader } from '../../formats/reader.ts';
import { plainText } from '../../text.ts';

/** Far more than any configuration has. */
const maxTextBytes = 128 * 1024;
const maxFiles = 200;

export async function textAt(
  files: Files,
  path: string,
  maxBytes = maxTextBytes,
): Promise<string | undefined> {
  return (await files.read(path, maxBytes))?.toString('utf8');
}

export async function isThere(files: Files, paths: readonly string[]): Promise<boolean> {
  for (const path of paths) if ((await files.stat(path)) !== undefined) return true;
  return false;
}

/** A configuration file with the folder that it was found in. */
export interface FoundFile extends ConfigFile {
  readonly path: string;
}

/** Names that can be shown as they are; no configuration has others. */
export const isPlain = (name: string): boolean => plainText(name) === name;

/** Files of a folder whose names are wanted, by name. */
export async function filesIn(
  files: Files,
  folder: string,
  wanted: (name: string) => boolean,
): Promise<FoundFile[]> {
  const found: FoundFile[] = [];
  for (const name of (await files.list(folder))
    .filter((name) => isPlain(name) && wanted(name))
    .sort()
    .slice(0, maxFiles)) {
    const path = `${folder}/${name}`;
    const content = await files.read(path, maxTextBytes);
    if (content !== undefined) found.push({ name, path, content });
  }
  return found;
}

/** For the readers of formats. */
export async function readerAt(files: Files, path: string): Promise<Reader | undefined> {
  const file = await files.open(path);
  return file && { size: file.stat.size, read: (offset, length) => file.readAt(offset, length) };
}

/** One broken file says nothing of the others: undefined for what is no valid one. Other errors go through. */
export async function unlessBroken<T>(step: () => Promise<T>): Promise<T | undefined> {
  try {
    return await step();
  } catch (error) {
    const { kind } = toAppError(error);
    if (kind !== 'corrupt' && kind !== 'unsupported') throw error;
    return undefined;
  }
}
