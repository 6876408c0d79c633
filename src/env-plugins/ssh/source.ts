/** Folders of a host as source. A machine's id is the absolute path of its image there. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { sshHost } from '../../io/host/ssh-host.ts';
import type { SshConnection } from '../../io/ssh/connection.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { extensionOf } from '../image-names.ts';
import {
  type ImagePlace,
  imageFileMachine,
  isInside,
  relativesFolders,
  siblingPath,
} from '../image-paths.ts';
import { packageMachine, packageMachines, splitPackageId, unreadablePackage } from '../package-machines.ts';
import type { OpenDisk, SourceRole } from '../plugin.ts';
import { isXvaName, openXvaArchive, type XvaArchive } from '../xva-archive.ts';
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
  const wanted = new Set([...where.imageExtensions, 'xva']);
  return {
    async list({ signal, found }) {
      const sftp = await connection.sftp(signal);
      for await (const { path, size } of findRemoteFiles(sftp, where.folders, wanted, signal)) {
        const bare = named(imageFileMachine(path, size, place));
        const isArchive = isXvaName(path) && bare.findings.length === 0;
        for (const machine of isArchive ? await xvaMachines(host, path, bare, signal) : [bare])
          found(machine);
      }
    },
    async inspect(id, signal) {
      const { path: given, inner } = splitPackageId(id, isXvaName);
      const path = remotePath(given, where.home);
      refusePackage(path);
      const found = await host.files.stat(path, signal);
      const there = `${connection.name}:${path}`;
      if (found === undefined) throw new AppError('not-found', 'no such file or folder', { where: there });
      if (found.kind === 'folder') {
        throw new AppError('unsupported', 'this is a folder, not an image', {
          where: there,
          hint: 'name a file in it, or add the folder to those that are searched',
        });
      }
      if (isXvaName(path))
        return withXva(host, path, signal, async (archive) => packageMachine(archive, path, inner));
      return imageFileMachine(path, found.allocatedBytes ?? found.size, place);
    },
    async open(machine, diskId, signal) {
      const path = remotePath(splitPackageId(machine.id, isXvaName).path, where.home);
      refusePackage(path);
      if (!isXvaName(path)) return openRemoteImage(host, path, place, posix.dirname(path), signal);
      const archive = await openXva(host, path, signal);
      try {
        return await archive.openDisk(diskId);
      } catch (error) {
        await archive.close();
        throw error;
      }
    },
    async nvram(machine, signal) {
      const { path: given, inner } = splitPackageId(machine.id, isXvaName);
      if (!isXvaName(given)) return undefined;
      return withXva(host, remotePath(given, where.home), signal, async ({ machines, nvram }) =>
        nvram(inner ?? machines[0]?.id ?? ''),
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

const openXva = async (host: Host, path: string, signal: AbortSignal): Promise<XvaArchive> =>
  openXvaArchive(await host.files.open(path, signal), path, signal);

async function withXva<T>(
  host: Host,
  path: string,
  signal: AbortSignal,
  use: (archive: XvaArchive) => Promise<T>,
): Promise<T> {
  const archive = await openXva(host, path, signal);
  try {
    return await use(archive);
  } finally {
    await archive.close();
  }
}

/** One that can't be understood is listed all the same, with the reason. */
async function xvaMachines(
  host: Host,
  path: string,
  bare: Machine,
  signal: AbortSignal,
): Promise<readonly Machine[]> {
  try {
    return await withXva(host, path, signal, async (archive) => packageMachines(archive, path));
  } catch (error) {
    if (!(error instanceof AppError) || ['cancelled', 'unreachable'].includes(error.kind)) throw error;
    return [unreadablePackage(bare, 'XVA', error)];
  }
}

function refusePackage(path: string): void {
  if (!['ova', 'ovf'].includes(extensionOf(path))) return;
  throw new AppError('unsupported', 'packages (OVA, OVF) are not read over SSH yet', {
    where: path,
    hint: 'copy it to this computer (scp), and open it here',
  });
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
