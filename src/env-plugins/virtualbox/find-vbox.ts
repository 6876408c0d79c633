/** Where machines are: below folders, and in VirtualBox's own list. Bounded. */
import { posix } from 'node:path';
import { readBytes } from '../../io/byte-source.ts';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { attribute, largestXmlBytes, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { type Media, readMedia } from './media.ts';
import { allAt, at, parseSettings } from './settings-file.ts';

const maximumDepth = 4;
const maximumEntries = 50_000;
const mostListed = 10_000;
const skipped = /^\.|^(proc|sys|dev|caches|node_modules|Snapshots|Logs)$/;

export const isMachineFile = (name: string): boolean => /\.vbox$/i.test(name);

export const mayBePassedOver = (error: unknown): boolean =>
  error instanceof AppError && !['cancelled', 'unreachable'].includes(error.kind);

/** @throws AppError `not-found`, `auth`, `unsupported` (too long). */
export async function wholeFile(
  host: Host,
  path: string,
  signal: AbortSignal,
  most = largestXmlBytes,
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

/** VirtualBox.xml: the machines that it lists, and the media of versions before 4.0. */
export interface Registry {
  readonly machines: readonly string[];
  readonly media: Media;
}

/** Where the user's settings are: Linux, macOS, Windows and older versions. */
const registryFiles = [
  '.config/VirtualBox/VirtualBox.xml',
  'Library/VirtualBox/VirtualBox.xml',
  '.VirtualBox/VirtualBox.xml',
];

/** Those of the user's home and directly in `folders`; what can't be read has nothing to tell. */
export async function readRegistries(
  host: Host,
  home: string,
  folders: readonly string[],
  signal: AbortSignal,
): Promise<Registry[]> {
  const paths = [
    ...registryFiles.map((name) => posix.join(home, name)),
    ...folders.flatMap((folder) =>
      ['VirtualBox.xml', ...registryFiles].map((name) => posix.join(folder, name)),
    ),
  ];
  const found: Registry[] = [];
  for (const path of new Set(paths)) {
    throwIfAborted(signal);
    try {
      if ((await host.files.stat(path, signal))?.kind !== 'file') continue;
      const { root } = parseSettings(await wholeFile(host, path, signal), `${host.name}:${path}`);
      found.push(registryOf(root, posix.dirname(path)));
    } catch (error) {
      if (!mayBePassedOver(error)) throw error;
    }
  }
  return found;
}

function registryOf(root: XmlElement, folder: string): Registry {
  const machines = allAt(root, ['Global', 'MachineRegistry'], 'MachineEntry')
    .map((entry) => attribute(entry, 'src') ?? '')
    .filter((path) => path !== '' && !path.includes('\0'))
    .slice(0, mostListed)
    .map((path) => posix.resolve(folder, path))
    .filter(isMachineFile);
  // Relative names are from the folder of that file.
  const media = readMedia(at(root, 'Global'), (location) =>
    /^(\/|[a-z]:)/i.test(location) ? location : posix.resolve(folder, location),
  );
  return { machines, media };
}
