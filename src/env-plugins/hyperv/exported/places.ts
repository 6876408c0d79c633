/**
 * The folder that Export-VM makes, and where what is in it lies: `Virtual Machines` (settings), `Virtual Hard Disks`,
 * `Snapshots`. Those of a machine that was just copied look alike, but for disks that may be anywhere.
 */
import { posix, win32 } from 'node:path';
import type { Host, HostFile } from '../../../io/host/host.ts';
import { throwIfAborted } from '../../../io/in-order.ts';
import { foldersBelow, mayBePassedOver } from '../../host-folders.ts';

const maximumDepth = 5;
const maximumEntries = 50_000;
const mostSubfolders = 100;
const skipped = /^\.|^(proc|sys|dev|caches|node_modules|snapshots|virtual hard disks|windows)$/i;
const guid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
/** Before 2016 XML; of 2008 an export has .exp, which is another XML. */
const settingsFile = new RegExp(`^${guid}\\.(vmcx|xml|exp)$`, 'i');
const diskFile = /\.(a?vhdx?|vhds)$/i;

export const isSettingsFile = (path: string): boolean => settingsFile.test(posix.basename(path));
export const isDiskFile = (path: string): boolean => diskFile.test(path);

/** One machine's, or several's where they share a folder. */
export interface ExportFolder {
  readonly path: string;
  /** Settings of machines. */
  readonly machines: readonly HostFile[];
  /** Settings of checkpoints. */
  readonly checkpoints: readonly HostFile[];
  readonly disks: readonly HostFile[];
  /** By name: of a machine's saved memory, `GUID.vmrs`, `GUID.vsv`. */
  readonly states: readonly HostFile[];
}

export const settingsFolder = /^(planned )?virtual machines$/i;

/** The folder that a settings file belongs to. */
export function homeOf(path: string): string {
  const folder = posix.dirname(path);
  return settingsFolder.test(posix.basename(folder)) ? posix.dirname(folder) : folder;
}

/** @throws AppError `not-found`, `auth`. */
export async function readFolder(host: Host, path: string, signal: AbortSignal): Promise<ExportFolder> {
  const found = { machines: [] as HostFile[], checkpoints: [] as HostFile[] };
  const disks: HostFile[] = [];
  const states: HostFile[] = [];
  const take = (file: HostFile, settings: HostFile[] | undefined) => {
    if (file.kind !== 'file') return;
    if (isSettingsFile(file.path)) settings?.push(file);
    else if (isDiskFile(file.path)) disks.push(file);
    else if (/\.(vmrs|vsv)$/i.test(file.path)) states.push(file);
  };
  const entries = await host.files.list(path, signal);
  for (const entry of entries.slice(0, maximumEntries)) {
    take(entry, found.machines);
    const name = posix.basename(entry.path).toLowerCase();
    if (entry.kind !== 'folder') continue;
    if (settingsFolder.test(name)) {
      for (const file of await listed(host, entry.path, signal)) {
        take(file, found.machines);
        // Saved memory before 2016 lies in a folder of the machine's id.
        if (file.kind === 'folder')
          for (const inner of await listed(host, file.path, signal)) take(inner, undefined);
      }
    } else if (name === 'virtual hard disks' || name === 'snapshots') {
      let folders = mostSubfolders;
      for (const file of await listed(host, entry.path, signal)) {
        take(file, found.checkpoints);
        // Differencing disks of 2008 R2 lie in a folder of their checkpoint's id.
        if (file.kind === 'folder' && folders-- > 0)
          for (const inner of await listed(host, file.path, signal)) take(inner, found.checkpoints);
      }
    }
  }
  return { path, ...found, disks, states };
}

async function listed(host: Host, path: string, signal: AbortSignal): Promise<HostFile[]> {
  throwIfAborted(signal);
  const entries = await host.files.list(path, signal).catch((error) => {
    if (!mayBePassedOver(error)) throw error;
    return [];
  });
  return entries.slice(0, maximumEntries);
}

/** A disk by the path that another computer gave it: the one of that name, in the folder of that name where there are two. */
export function diskNamed(folder: ExportFolder, path: string): HostFile | undefined {
  const plain = path.replaceAll('/', '\\');
  const base = win32.basename(plain).toLowerCase();
  const within = win32.basename(win32.dirname(plain)).toLowerCase();
  const named = folder.disks.filter((disk) => posix.basename(disk.path).toLowerCase() === base);
  const near = named.filter((disk) => posix.basename(posix.dirname(disk.path)).toLowerCase() === within);
  return near[0] ?? named[0];
}

/**
 * Folders below these that hold a machine: settings, or disks as an export has them without any.
 * @throws AppError when none of them can be read.
 */
export async function* exportFolders(
  host: Host,
  folders: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<ExportFolder> {
  const skips = (name: string) => skipped.test(name) || settingsFolder.test(name);
  const walk = { maximumDepth, maximumEntries, skips, signal };
  for await (const { path, entries } of foldersBelow(host, folders, walk))
    if (holdsMachine(entries)) yield await readFolder(host, path, signal);
}

const holdsMachine = (entries: readonly HostFile[]): boolean =>
  entries.some(({ path, kind }) => {
    if (kind === 'file') return isSettingsFile(path);
    return kind === 'folder' && /^(virtual machines|virtual hard disks)$/i.test(posix.basename(path));
  });
