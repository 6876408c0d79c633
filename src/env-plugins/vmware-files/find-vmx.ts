/** Where machines are: below folders, also in Fusion's bundles. Bounded. */
import { posix } from 'node:path';
import { readBytes } from '../../io/byte-source.ts';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { type Dictionary, parseDictionary } from './dictionary.ts';

/** An encrypted one holds some 100 KiB, others a few. */
const largestText = 4 * MiB;
const maximumDepth = 4;
const maximumEntries = 50_000;
const skipped = /^\.|\.lck$|^(proc|sys|dev|caches|node_modules)$/;

export const isMachineFile = (name: string): boolean => /\.(vmx|vmtx)$/i.test(name);

/** @throws AppError `not-found`, `auth`, `corrupt` (no text), `unsupported` (too long). */
export async function readDictionary(host: Host, path: string, signal: AbortSignal): Promise<Dictionary> {
  return parseDictionary(await wholeFile(host, path, signal), `${host.name}:${path}`);
}

export async function wholeFile(
  host: Host,
  path: string,
  signal: AbortSignal,
  most = largestText,
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

/**
 * Paths of machine files below `folders`, in name order.
 * @throws AppError when folders were `asked` for by name and none can be read.
 */
export async function* machineFiles(
  host: Host,
  folders: readonly string[],
  asked: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const queue = folders.map((path) => ({ path, depth: 0 }));
  const seen = new Set<string>();
  let left = maximumEntries;
  let readable = !asked;
  let failure: unknown;
  for (let next = queue.shift(); next !== undefined && left > 0; next = queue.shift()) {
    const { path, depth } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    throwIfAborted(signal);
    const entries = await host.files.list(path, signal).catch((error) => {
      if (!mayBePassedOver(error)) throw error;
      failure ??= error;
      return undefined;
    });
    if (entries === undefined) continue;
    readable = true;
    for (const entry of entries.slice(0, left)) {
      left--;
      throwIfAborted(signal);
      const name = posix.basename(entry.path);
      if (entry.kind === 'folder') {
        if (depth < maximumDepth && !skipped.test(name)) queue.push({ path: entry.path, depth: depth + 1 });
      } else if (entry.kind === 'file' && isMachineFile(name)) yield entry.path;
    }
  }
  if (!readable && failure !== undefined) throw failure;
}

export const mayBePassedOver = (error: unknown): boolean =>
  error instanceof AppError && !['cancelled', 'unreachable'].includes(error.kind);
