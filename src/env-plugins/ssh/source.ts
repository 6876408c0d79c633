/** Folders of a host as source. A machine's id is the absolute path of its image there. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { sshHost } from '../../io/host/ssh-host.ts';
import type { SshConnection } from '../../io/ssh/connection.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { packagePlace } from '../host-packages.ts';
import {
  type ImagePlace,
  imageFileMachine,
  isInside,
  relativesFolders,
  siblingPath,
} from '../image-paths.ts';
import {
  isPackage,
  machinesOfPackage,
  openPackageDisk,
  packageExtensions,
  withPackage,
} from '../package-file.ts';
import { packageMachine, splitPackageId } from '../package-machines.ts';
import { wholeName } from '../package-parts.ts';
import type { OpenDisk, SourceRole } from '../plugin.ts';
import { isXvaName } from '../xva-archive.ts';
import { findRemoteFiles } from './scan.ts';
import { remotePath } from './settings.ts';

export interface RemoteFolders {
  /** The user's own folder there. */
  readonly home: string;
  readonly folders: readonly string[];
  readonly imageExtensions: readonly string[];
}

/** `host` is the one behind `connection`. */
export function sourceRole(
  connection: SshConnection,
  where: RemoteFolders,
  host: Host = sshHost(connection),
): SourceRole {
  const place: ImagePlace = { paths: posix, label: connection.target.host };
  const packages = packagePlace(host);
  const wanted = new Set([...where.imageExtensions, ...packageExtensions]);
  return {
    async list({ signal, found }) {
      const sftp = await connection.sftp(signal);
      for await (const { path, size } of findRemoteFiles(sftp, where.folders, wanted, signal)) {
        const bare = named(imageFileMachine(path, size, place));
        const isWhole = isPackage(path) && bare.findings.length === 0;
        const machines = isWhole ? await machinesOfPackage(path, packages, signal, async () => bare) : [bare];
        for (const machine of machines) found(machine);
      }
    },
    async inspect(id, signal) {
      const { path: given, inner } = splitPackageId(id, isPackage);
      const path = remotePath(given, where.home);
      const found = await host.files.stat(path, signal);
      const there = `${connection.name}:${path}`;
      if (found === undefined) throw new AppError('not-found', 'no such file or folder', { where: there });
      if (found.kind === 'folder') {
        throw new AppError('unsupported', 'this is a folder, not an image', {
          where: there,
          hint: 'name a file in it, or add the folder to those that are searched',
        });
      }
      if (isPackage(path))
        return withPackage(path, packages, signal, async (pack) => packageMachine(pack, path, inner));
      return imageFileMachine(path, found.allocatedBytes ?? found.size, place);
    },
    async open(machine, diskId, signal) {
      const path = remotePath(splitPackageId(machine.id, isPackage).path, where.home);
      if (isPackage(path)) return openPackageDisk(path, diskId, packages, signal);
      return openRemoteImage(host, path, place, posix.dirname(path), signal);
    },
    async verify(machine, signal) {
      const path = remotePath(splitPackageId(machine.id, isPackage).path, where.home);
      if (isPackage(path)) await withPackage(path, packages, signal, async (pack) => pack.verify?.(signal));
    },
    async nvram(machine, signal) {
      const { path: given, inner } = splitPackageId(machine.id, isPackage);
      if (!isXvaName(wholeName(given))) return undefined;
      return withPackage(remotePath(given, where.home), packages, signal, async ({ machines, nvram }) =>
        nvram?.(inner ?? machines[0]?.id ?? ''),
      );
    },
  };
}

/** The image's bytes; names inside it are looked for beside it, at the far end. */
async function openRemoteImage(
  host: Host,
  path: string,
  place: ImagePlace,
  home: string,
  signal: AbortSignal | undefined,
): Promise<OpenDisk> {
  return {
    source: await host.files.open(path, signal),
    ...(isInside(home, path, place) ? {} : { outside: true }),
    sibling: async (name) => openRemoteImage(host, siblingPath(name, path, place), place, home, signal),
    neighbours: () => filesBeside(host, path, place, signal),
  };
}

/** In name order; a folder that can't be read has none. */
async function filesBeside(
  host: Host,
  path: string,
  place: ImagePlace,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const names: string[] = [];
  for (const folder of relativesFolders(path, place)) {
    const found: string[] = [];
    try {
      for (const { path: file, kind } of await host.files.list(folder.path, signal)) {
        if (kind !== 'folder' && found.length < 10_000) found.push(posix.basename(file));
      }
    } catch (error) {
      if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
    }
    names.push(...found.sort().map((name) => folder.prefix + name));
  }
  return names;
}

/** SFTP carries names as UTF-8: others can be seen and not be opened. */
function named(machine: Machine): Machine {
  if (!machine.id.includes('\ufffd')) return machine;
  return {
    ...machine,
    disks: [],
    findings: [
      {
        rule: 'file.name-not-utf8',
        severity: 'blocker',
        message: 'the name of this file is not UTF-8, so it can not be opened over SSH',
        evidence: machine.id,
        remedy: 'rename it there, or make a link to it with a plain name',
      },
    ],
  };
}
