/** Looking for machines in the folders of a host, as every environment of files does it: bounded, and past what can't be read. */
import { posix } from 'node:path';
import { readBytes } from '../io/byte-source.ts';
import type { Host, HostFile } from '../io/host/host.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError } from '../model/errors.ts';

export interface FolderWalk {
  readonly maximumDepth: number;
  /** Of all folders together. */
  readonly maximumEntries: number;
  /** Whether a folder of this name is not gone into. */
  skips(name: string): boolean;
  /** The folders are those usually looked into, nobody has named them: that none can be read is no error. */
  readonly usual?: boolean;
  readonly signal: AbortSignal;
}

/** What one file or folder says of itself; it hides no other. */
export const mayBePassedOver = (error: unknown): boolean =>
  error instanceof AppError && !['cancelled', 'unreachable'].includes(error.kind);

/**
 * These folders and those below them, each once, with what is in it in name order, the upper ones first.
 * @throws AppError when none of them can be read.
 */
export async function* foldersBelow(
  host: Host,
  folders: readonly string[],
  { maximumDepth, maximumEntries, skips, usual = false, signal }: FolderWalk,
): AsyncGenerator<{ readonly path: string; readonly entries: readonly HostFile[] }> {
  const queue = folders.map((path) => ({ path, depth: 0 }));
  const seen = new Set<string>();
  let left = maximumEntries;
  let readable = usual;
  let failure: unknown;
  for (let next = queue.shift(); next !== undefined && left > 0; next = queue.shift()) {
    const { path, depth } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    throwIfAborted(signal);
    const all = await host.files.list(path, signal).catch((error) => {
      if (!mayBePassedOver(error)) throw error;
      failure ??= error;
      return undefined;
    });
    if (all === undefined) continue;
    readable = true;
    const entries = all.slice(0, left);
    left -= entries.length;
    for (const { path: inner, kind } of entries) {
      if (kind === 'folder' && depth < maximumDepth && !skips(posix.basename(inner)))
        queue.push({ path: inner, depth: depth + 1 });
    }
    yield { path, entries };
  }
  if (!readable && failure !== undefined) throw failure;
}

/** A small file. @throws AppError `not-found`, `auth`, `unsupported` (longer than `most` bytes). */
export async function wholeFile(
  host: Host,
  path: string,
  signal: AbortSignal,
  most: number,
): Promise<Buffer> {
  const source = await host.files.open(path, signal);
  try {
    if (source.size > most) {
      throw new AppError('unsupported', `${source.size} bytes are too many for such a file`, {
        where: `${host.name}:${path}`,
      });
    }
    return await readBytes(source, 0, source.size, signal);
  } finally {
    await source.close();
  }
}
