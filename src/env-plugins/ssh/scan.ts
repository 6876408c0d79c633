/** Finding image files below folders of the far end: bounded in depth and number. */
import { posix } from 'node:path';
import { throwIfAborted } from '../../io/in-order.ts';
import type { RemoteEntry, Sftp } from '../../io/ssh/sftp.ts';
import { AppError } from '../../model/errors.ts';
import { isImageName } from '../image-names.ts';

const maximumDepth = 4;
const maximumEntries = 200_000;
const skipped = new Set(['node_modules', 'proc', 'sys', 'dev']);

export interface FoundFile {
  readonly path: string;
  readonly size: number;
}

/**
 * Files with one of `extensions` (no dot, small letters), also packed or cut into parts, folder by folder, in name order. A folder below that can't be
 * read is passed over; so is one of several at the top.
 * @throws AppError when none of the folders at the top can be read.
 */
export async function* findRemoteFiles(
  sftp: Sftp,
  folders: readonly string[],
  extensions: ReadonlySet<string>,
  signal: AbortSignal,
): AsyncGenerator<FoundFile> {
  const seen = new Set<string>();
  const budget = { entries: maximumEntries };
  const queue = folders.map((path) => ({ path, depth: 0 }));
  let failure: unknown;
  let readable = false;
  for (let next = queue.shift(); next !== undefined && budget.entries > 0; next = queue.shift()) {
    const { path, depth } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    const listing = await listFolder(sftp, path, budget, signal).catch((error) => {
      if (!mayBePassedOver(error)) throw error;
      failure ??= error;
      return undefined;
    });
    if (listing === undefined) continue;
    readable = true;
    const beside = new Set(listing.map((entry) => entry.filename));
    for (const entry of listing) {
      throwIfAborted(signal);
      const full = posix.join(path, entry.filename);
      if (entry.attrs.isDirectory()) {
        if (depth < maximumDepth && !skipped.has(entry.filename))
          queue.push({ path: full, depth: depth + 1 });
      } else if (isImageName(entry.filename, extensions, beside)) {
        const size = await fileSize(sftp, full, entry, signal);
        if (size !== undefined) yield { path: full, size };
      }
    }
  }
  if (!readable && failure !== undefined) throw failure;
}

/** The folder's entries in name order, those with an odd name left out that no file system can have. */
async function listFolder(
  sftp: Sftp,
  path: string,
  budget: { entries: number },
  signal: AbortSignal,
): Promise<RemoteEntry[]> {
  const found: RemoteEntry[] = [];
  for await (const entry of sftp.entries(path, signal)) {
    if (budget.entries-- <= 0) break;
    if (/^\.|[/\0]/.test(entry.filename) || entry.filename === '') continue;
    found.push(entry);
  }
  return found.sort((a, b) => (a.filename < b.filename ? -1 : 1));
}

/** Bytes of a file, also behind a link; undefined for anything else. */
async function fileSize(
  sftp: Sftp,
  path: string,
  entry: RemoteEntry,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (entry.attrs.isFile()) return entry.attrs.size;
  if (!entry.attrs.isSymbolicLink()) return undefined;
  const behind = await sftp.stat(path, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return undefined;
  });
  return behind?.isFile() ? behind.size : undefined;
}

const mayBePassedOver = (error: unknown): boolean =>
  error instanceof AppError && ['not-found', 'auth', 'io'].includes(error.kind);
