/** Where machines are: below folders, also in Fusion's bundles. Bounded. */
import type { Host } from '../../io/host/host.ts';
import { MiB } from '../../model/units.ts';
import { foldersBelow, wholeFile } from '../host-folders.ts';
import { type Dictionary, parseDictionary } from './dictionary.ts';

/** An encrypted one holds some 100 KiB, others a few. */
export const largestText = 4 * MiB;
const maximumDepth = 4;
const maximumEntries = 50_000;
const skipped = /^\.|\.lck$|^(proc|sys|dev|caches|node_modules)$/;

export const isMachineFile = (name: string): boolean => /\.(vmx|vmtx)$/i.test(name);

/** @throws AppError `not-found`, `auth`, `corrupt` (no text), `unsupported` (too long). */
export async function readDictionary(host: Host, path: string, signal: AbortSignal): Promise<Dictionary> {
  return parseDictionary(await wholeFile(host, path, signal, largestText), `${host.name}:${path}`);
}

/** Paths of machine files below `folders`. @throws AppError as `foldersBelow`. */
export async function* machineFiles(
  host: Host,
  folders: readonly string[],
  asked: boolean,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const skips = (name: string) => skipped.test(name);
  const walk = { maximumDepth, maximumEntries, skips, usual: !asked, signal };
  for await (const { entries } of foldersBelow(host, folders, walk))
    for (const { path, kind } of entries) if (kind === 'file' && isMachineFile(path)) yield path;
}
