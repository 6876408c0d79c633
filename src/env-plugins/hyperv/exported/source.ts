/**
 * Exported machines as source. A machine's id is the path of its settings, or of its folder where there are none; with
 * `#NAME` behind it, it is the machine as it was at that checkpoint, its hardware as well.
 */
import { posix, win32 } from 'node:path';
import type { Host } from '../../../io/host/host.ts';
import { throwIfAborted } from '../../../io/in-order.ts';
import { AppError } from '../../../model/errors.ts';
import { mayBePassedOver } from '../../host-folders.ts';
import { openHostImage } from '../../host-image.ts';
import type { OpenDisk, SourceRole } from '../../plugin.ts';
import {
  diskNamed,
  type ExportFolder,
  exportFolders,
  homeOf,
  isDiskFile,
  isSettingsFile,
  readFolder,
  settingsFolder,
} from './places.ts';
import { type ReadFrom, readExport } from './read-machine.ts';

/** `folders`: where to look. */
export function exportedRole(host: Host, home: string, folders: readonly string[]): SourceRole {
  return {
    async list({ signal, found }) {
      throwIfAborted(signal);
      if (folders.length === 0) {
        throw new AppError('usage', 'neither a host nor folders of exported machines are named', {
          hint: 'give host=NAME, or folders=/path where exports lie',
        });
      }
      for await (const folder of exportFolders(host, folders, signal)) {
        const all: ReadFrom[] = folder.machines.map((file) => ({ folder, file }));
        if (all.length === 0 && folder.disks.length > 0) all.push({ folder });
        for (const from of all) {
          try {
            found(await readExport(host, from, signal));
          } catch (error) {
            if (!mayBePassedOver(error)) throw error; // it is gone since it was listed
          }
        }
      }
    },
    inspect: async (id, signal) => readExport(host, await placeOf(host, id, home, signal), signal),
    async open(machine, diskId, signal) {
      // What the settings name now, not what a plan says that they named.
      const from = await placeOf(host, machine.id, home, signal);
      const now = await readExport(host, from, signal);
      const [path] = now.disks.find((disk) => disk.id === diskId)?.files ?? [];
      // A name in settings leads to a disk, or nowhere.
      if (path === undefined || !isDiskFile(path)) {
        throw new AppError('unsupported', `"${diskId}" is no file that was exported`, {
          where: machine.id,
          hint: 'leave it out; a disk of the host that is passed through does not go along with an export',
        });
      }
      return openDisk(host, path, from.folder, signal);
    },
  };
}

/** Its parents are those of the folder, whatever path another computer gave them. */
async function openDisk(
  host: Host,
  path: string,
  folder: ExportFolder,
  signal: AbortSignal,
): Promise<OpenDisk> {
  const withParents = (disk: OpenDisk, own: string): OpenDisk => ({
    ...disk,
    async sibling(name) {
      const known = diskNamed(folder, win32.join(win32.dirname(own), name));
      if (known === undefined || known.path === own) return disk.sibling(name);
      return withParents(await openHostImage(host, known.path, signal, folder.path), known.path);
    },
  });
  return withParents(await openHostImage(host, path, signal, folder.path), path);
}

/** Its settings, or a folder with one machine; either with `#CHECKPOINT`. */
async function placeOf(host: Host, id: string, home: string, signal: AbortSignal): Promise<ReadFrom> {
  // A machine's name is looked for in the list.
  if (id.includes('\0') || !(id.includes('/') || isSettingsFile(id.replace(/#.*$/s, ''))))
    throw noSuch(host, id);
  const whole = posix.resolve(home, id.replace(/^~\//, ''));
  const direct = await machineAt(host, whole, signal);
  if (direct !== undefined) return direct;
  for (let sign = whole.indexOf('#'); sign > 0; sign = whole.indexOf('#', sign + 1)) {
    const found = await machineAt(host, whole.slice(0, sign), signal);
    if (found !== undefined && sign + 1 < whole.length)
      return { ...found, checkpoint: whole.slice(sign + 1) };
  }
  throw noSuch(host, whole);
}

async function machineAt(host: Host, path: string, signal: AbortSignal): Promise<ReadFrom | undefined> {
  const found = await host.files.stat(path, signal);
  if (found === undefined) return undefined;
  const where = `${host.name}:${path}`;
  if (found.kind !== 'folder') {
    if (isSettingsFile(path))
      return { folder: await readFolder(host, homeOf(path), signal), file: { ...found, path } };
    throw new AppError('unsupported', 'these are no settings of a machine', {
      where,
      hint: 'name the folder that Export-VM made, or GUID.vmcx in it; a disk alone is read by the environment of disk files',
    });
  }
  const home = settingsFolder.test(posix.basename(path)) ? posix.dirname(path) : path;
  const folder = await readFolder(host, home, signal);
  const [only, ...others] = folder.machines;
  if (only === undefined && folder.disks.length > 0) return { folder };
  if (only !== undefined && others.length === 0) return { folder, file: only };
  throw new AppError('unsupported', `this folder holds the settings of ${folder.machines.length} machines`, {
    where,
    hint:
      only === undefined
        ? 'name the folder that Export-VM made'
        : 'name the GUID.vmcx of the one that is meant',
  });
}

const noSuch = (host: Host, id: string): AppError =>
  new AppError('not-found', 'there is no such machine', {
    where: `${host.name}:${id.replaceAll('\0', '\ufffd')}`,
  });
