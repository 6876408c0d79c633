/** Where machines are: below folders, and in VirtualBox's own list. Bounded. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { attribute, largestXmlBytes, type XmlElement } from '../../io/xml.ts';
import { foldersBelow, mayBePassedOver, wholeFile } from '../host-folders.ts';
import { type Media, readMedia } from './media.ts';
import { allAt, at, parseSettings } from './settings-file.ts';

const maximumDepth = 4;
const maximumEntries = 50_000;
const mostListed = 10_000;
const skipped = /^\.|^(proc|sys|dev|caches|node_modules|Snapshots|Logs)$/;

export const isMachineFile = (name: string): boolean => /\.vbox$/i.test(name);

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
      const { root } = parseSettings(
        await wholeFile(host, path, signal, largestXmlBytes),
        `${host.name}:${path}`,
      );
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
