/** A disk of a machine with those below it, wherever the registry says that they are. */
import type { Host } from '../../io/host/host.ts';
import { openHostImage } from '../host-image.ts';
import type { OpenDisk } from '../plugin.ts';

/** `below`: the files of the disks below it, the nearest first; a VDI knows its parent by an id only. */
export async function openChain(
  host: Host,
  path: string,
  below: readonly string[],
  home: string,
  signal: AbortSignal,
): Promise<OpenDisk> {
  return withBelow(await openHostImage(host, path, signal, home), below);
}

const withBelow = (disk: OpenDisk, below: readonly string[]): OpenDisk =>
  below.length === 0
    ? disk
    : {
        ...disk,
        sibling: async (name) => withBelow(await disk.sibling(name), below),
        // Those that are known first: there may be thousands of others.
        neighbours: async () => [...new Set([...below, ...((await disk.neighbours?.()) ?? [])])],
      };
