/** Start files, COW files and root filesystems below folders of a host, told apart by content. Bounded. */
import { posix } from 'node:path';
import { readBytes } from '../../io/byte-source.ts';
import type { Host, HostFile } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError, toAppError } from '../../model/errors.ts';
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
  const queue = folders.map((path) => ({ path, depth: 0 }));
  const seen = new Set<string>();
  let left = maximumEntries;
  let readable = false;
  let failure: unknown;
  for (let next = queue.shift(); next !== undefined && left > 0; next = queue.shift()) {
    const { path, depth } = next;
    if (seen.has(path)) continue;
    seen.add(path);
    const entries = await host.files.list(path, signal).catch((error) => {
      if (!(error instanceof AppError) || ['cancelled', 'unreachable'].includes(error.kind)) throw error;
      failure ??= error;
      return undefined;
    });
    if (entries === undefined) continue;
    readable = true;
    for (const entry of entries.slice(0, left)) {
      left--;
      throwIfAborted(signal);
      if (entry.kind === 'folder') {
        if (depth < maximumDepth && !skipped.has(posix.basename(entry.path)))
          queue.push({ path: entry.path, depth: depth + 1 });
        continue;
      }
      const found = entry.kind === 'file' ? await lookAt(host, entry, signal) : undefined;
      if (found !== undefined) yield found;
    }
  }
  if (readable || failure === undefined) return;
  const { kind, message, where } = toAppError(failure);
  throw new AppError(kind, message, {
    ...(where === undefined ? {} : { where }),
    hint: 'name the folders with the start files and images in the setting "Folders"',
    cause: failure,
  });
}

/** Undefined for what is none of ours, or can't be read. */
export async function lookAt(host: Host, file: HostFile, signal: AbortSignal): Promise<UmlFile | undefined> {
  try {
    if (file.size > 0 && file.size <= longestScript) return await startFile(host, file, signal);
    if (file.size < headBytes) return undefined;
    const kind = await kindOf(host, file, signal);
    return kind === undefined ? undefined : { kind, file };
  } catch (error) {
    if (!(error instanceof AppError) || ['cancelled', 'unreachable'].includes(error.kind)) throw error;
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
