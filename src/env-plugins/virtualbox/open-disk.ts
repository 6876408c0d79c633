/** A disk of a machine with those below it, wherever the registry says that they are. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { openHostImage } from '../host-image.ts';
import type { OpenDisk } from '../plugin.ts';
import { uuidOfImage } from './image-id.ts';

export interface DiskFiles {
  readonly path: string;
  /** The files of the disks below it, the nearest first. A VDI knows its parent by an id only. */
  readonly below: readonly string[];
  /** By which the settings know it. */
  readonly uuid?: string | undefined;
}

export async function openChain(
  host: Host,
  { path, below, uuid }: DiskFiles,
  home: string,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const disk = await openHostImage(host, path, signal, home);
  try {
    const own = await uuidOfImage(disk.source, signal);
    const differs = uuid !== undefined && own !== undefined && own !== uuid;
    return withBelow(differs ? { ...disk, findings: [otherDisk(path, own, uuid)] } : disk, below);
  } catch (error) {
    await disk.source.close();
    throw error;
  }
}

const otherDisk = (path: string, own: string, uuid: string): Finding => ({
  rule: 'virtualbox.uuid-differs',
  severity: 'warning',
  message: `the disk's own UUID is ${own}, the machine's settings say ${uuid}: it may be the disk of another machine`,
  evidence: path,
  remedy: 'look whether it is the right file; VirtualBox does not start the machine with it',
});

const withBelow = (disk: OpenDisk, below: readonly string[]): OpenDisk =>
  below.length === 0
    ? disk
    : {
        ...disk,
        async sibling(name) {
          const found = await disk.sibling(name).catch((error) => {
            // A parent that was moved since: where the registry has one of that name.
            const moved = below.find((path) => path !== name && baseOf(path) === baseOf(name));
            if (moved === undefined || toAppError(error).kind !== 'not-found') throw error;
            return disk.sibling(moved);
          });
          return withBelow(found, below);
        },
        // Those that are known first: there may be thousands of others.
        neighbours: async () => [...new Set([...below, ...((await disk.neighbours?.()) ?? [])])],
      };

const baseOf = (name: string): string => posix.basename(name.replaceAll('\\', '/'));
