/** Start files, COW files and root filesystems below folders of a host, told apart by content. Bounded. */
import { posix } from 'node:path';
import { readBytes } from '../../io/byte-source.ts';
import type { Host, HostFile } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { foldersBelow, mayBePassedOver } from '../host-folders.ts';
import { parseUmlCommand, type UmlCommand } from './command-line.ts';
import { commandLines } from './start-file.ts';

const maximumDepth = 3;
const maximumEntries = 20_000;
const skipped = new Set(['proc', 'sys', 'dev', 'node_modules', '.git']);
/** A script is not longer. */
const longestScript = 64 * 1024;
/** The superblock of ext2/3/4 lies 1024 bytes in, its mark 56 bytes further. */
const headBytes = 1024 + 58;
const cowMarks = ['OOOM', 'MOOO'];

export type UmlFile =
  | { readonly kind: 'start'; readonly file: HostFile; readonly command: UmlCommand }
  | { readonly kind: 'cow' | 'filesystem' | 'disk'; readonly file: HostFile };

/** Folder by folder; what can't be read is passed over, but not all the folders at the top. */
export async function* umlFiles(
  host: Host,
  folders: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<UmlFile> {
  for await (const { entries } of readableFolders(host, folders, signal)) {
    for (const entry of entries) {
      throwIfAborted(signal);
      const found = entry.kind === 'file' ? await lookAt(host, entry, signal) : undefined;
      if (found !== undefined) yield found;
    }
  }
}

async function* readableFolders(host: Host, folders: readonly string[], signal: AbortSignal) {
  const skips = (name: string) => skipped.has(name);
  try {
    yield* foldersBelow(host, folders, { maximumDepth, maximumEntries, skips, signal });
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    const { kind, message, where } = toAppError(error);
    throw new AppError(kind, message, {
      ...(where === undefined ? {} : { where }),
      hint: 'name the folders with the start files and images in the setting "Folders"',
      cause: error,
    });
  }
}

/** Undefined for what is none of ours, or can't be read. */
export async function lookAt(host: Host, file: HostFile, signal: AbortSignal): Promise<UmlFile | undefined> {
  try {
    if (file.size > 0 && file.size <= longestScript) return await startFile(host, file, signal);
    if (file.size < headBytes) return undefined;
    const kind = await kindOf(host, file, signal);
    return kind === undefined ? undefined : { kind, file };
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    return undefined;
  }
}

async function startFile(host: Host, file: HostFile, signal: AbortSignal): Promise<UmlFile | undefined> {
  const text = await host.files.text(file.path, { signal, maximumBytes: longestScript });
  if (!text.includes('ubd') || text.includes('\0')) return undefined;
  for (const words of commandLines(text)) {
    const command = parseUmlCommand(words, posix.dirname(file.path));
    if (command !== undefined) return { kind: 'start', file, command };
  }
  return undefined;
}

async function kindOf(
  host: Host,
  file: HostFile,
  signal: AbortSignal,
): Promise<'cow' | 'filesystem' | 'disk' | undefined> {
  const source = await host.files.open(file.path, signal);
  try {
    const head = await readBytes(source, 0, headBytes, signal);
    if (cowMarks.includes(head.toString('latin1', 0, 4))) return 'cow';
    if (head.readUInt16LE(1024 + 56) === 0xef53) return 'filesystem';
    // XFS, btrfs and others are known by their name only as long as it says so; a partition table by its mark.
    if (head.toString('latin1', 0, 4) === 'XFSB') return 'filesystem';
    return head.readUInt16LE(510) === 0xaa55 ? 'disk' : undefined;
  } finally {
    await source.close();
  }
}
