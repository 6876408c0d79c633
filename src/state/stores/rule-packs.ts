/** The packs of rules: those that come along, and the user's own in a folder. */
import type { Dirent } from 'node:fs';
import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { largestPack } from '../../eligibility/pack.ts';
import { type BrokenPack, joinPacks, type LoadedPacks, type UserFile } from '../../eligibility/packs.ts';
import { toAppError } from '../../model/errors.ts';

const extensions = new Set(['.json', '.yaml', '.yml']);
/** Files of the folder that are looked at, by name. */
const mostFiles = 100;

/** A file that can't be used is left out and told in `broken`; no folder is no failure. `product`: see `joinPacks`. */
export async function loadPacks(folder?: string, product?: string): Promise<LoadedPacks> {
  const files: UserFile[] = [];
  const broken: BrokenPack[] = [];
  const entries = folder === undefined ? [] : await entriesOf(folder, broken);
  for (const name of entries) {
    const where = join(folder!, name);
    try {
      const found = await stat(where);
      if (!found.isFile()) continue;
      if (found.size > largestPack) throw new Error(`it is larger than ${largestPack} bytes`);
      const { parsePack } = await import('../../eligibility/parse-pack.ts'); // most have no files of their own
      files.push({ where, pack: parsePack(await readFile(where, 'utf8'), where) });
    } catch (error) {
      broken.push({ where, reason: (error as Error).message });
    }
  }
  const { packs, broken: unfit } = joinPacks(files, product);
  return { packs, broken: [...broken, ...unfit] };
}

async function entriesOf(folder: string, broken: BrokenPack[]): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await readdir(folder, { withFileTypes: true });
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (kind !== 'not-found') broken.push({ where: folder, reason: message });
    return [];
  }
  const names = entries
    .map(({ name }) => name)
    .filter((name) => extensions.has(extname(name)))
    .sort();
  if (names.length > mostFiles)
    broken.push({ where: folder, reason: `only the first ${mostFiles} of ${names.length} files are read` });
  return names.slice(0, mostFiles);
}
