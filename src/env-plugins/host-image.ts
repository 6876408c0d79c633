/** An image file of a host, with the files that it names: for every environment that works through a `Host`. */
import { posix } from 'node:path';
import type { Host } from '../io/host/host.ts';
import { AppError } from '../model/errors.ts';
import { type ImagePlace, isInside, relativesFolders, siblingPath } from './image-paths.ts';
import type { OpenDisk } from './plugin.ts';

/** Names told of one folder. */
const mostNeighbours = 10_000;

/** What is below `home` is the image's own; other places that it names are marked as outside. */
export async function openHostImage(
  host: Host,
  path: string,
  signal: AbortSignal | undefined,
  home = posix.dirname(path),
): Promise<OpenDisk> {
  const place: ImagePlace = { paths: posix, label: host.name };
  return {
    source: await host.files.open(path, signal),
    ...(isInside(home, path, place) ? {} : { outside: true }),
    sibling: (name) => openHostImage(host, siblingPath(name, path, place), signal, home),
    neighbours: () => filesBeside(host, path, place, signal),
  };
}

/** A folder that can't be read has none. */
async function filesBeside(host: Host, path: string, place: ImagePlace, signal: AbortSignal | undefined) {
  const names: string[] = [];
  for (const folder of relativesFolders(path, place)) {
    const entries = await host.files.list(folder.path, signal).catch((error) => {
      if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
      return [];
    });
    const files = entries.filter((entry) => entry.kind !== 'folder').slice(0, mostNeighbours);
    names.push(...files.map((entry) => folder.prefix + posix.basename(entry.path)));
  }
  return names;
}
