/** Finding image files below folders: bounded in depth and number, never following links out. */
import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { throwIfAborted } from '../../io/in-order.ts';
import { partName, splitPartName } from '../../io/part-names.ts';
import { listName } from '../../io/parts/part-list.ts';
import { splitWrapperName, withoutWrappers } from '../../io/wrappers/wrapper.ts';
import { isBundle } from './bundle.ts';

const maximumDepth = 4;
const maximumEntries = 200_000;
const skipped = new Set(['node_modules', 'proc', 'sys', 'dev']);

/**
 * Paths of files with one of `extensions` (no dot, any case), folder by folder, in name order. A folder that
 * can't be read is passed over: it is not what was asked for by name. A bundle is given as its folder.
 */
export async function* findFiles(
  folders: readonly string[],
  extensions: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const seen = new Set<string>();
  let entries = 0;
  const queue = folders.map((path) => ({ path, depth: 0 }));
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { path, depth } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    throwIfAborted(signal);
    const listing = await readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
    if (isBundle(listing)) {
      yield path;
      continue;
    }
    listing.sort((a, b) => (a.name < b.name ? -1 : 1));
    const names = new Set(listing.map((entry) => entry.name));
    for (const entry of listing) {
      if (++entries > maximumEntries) return;
      if (entry.name.startsWith('.')) continue;
      const full = join(path, entry.name);
      if (entry.isDirectory() && depth < maximumDepth && !skipped.has(entry.name)) {
        queue.push({ path: full, depth: depth + 1 });
      } else if ((entry.isFile() || entry.isSymbolicLink()) && isWanted(entry.name, extensions, names)) {
        yield full;
      }
    }
  }
}

/**
 * Also an image that is packed as a whole (`disk.raw.gz`), or the first part of one that was cut (`disk.raw.001`);
 * a package that is packed can't be read, and one in parts where their list is there.
 */
function isWanted(name: string, extensions: ReadonlySet<string>, beside: ReadonlySet<string>): boolean {
  const { inner: whole, part } = splitPartName(name);
  if (part !== undefined && !(part === 0 || (part === 1 && !beside.has(partName(whole, 0))))) return false;
  const { inner, wrapper } = splitWrapperName(whole);
  const extension = extensionOf(withoutWrappers(inner));
  return (
    extensions.has(extension) &&
    ((wrapper === undefined && (part === undefined || beside.has(listName(whole)))) ||
      !/^(ov[af]|xva)$/.test(extension))
  );
}

export const extensionOf = (path: string): string => extname(path).slice(1).toLowerCase();
