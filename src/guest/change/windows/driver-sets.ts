/** Whole drivers, by their .inf, in what the user gave: virtio-win's folders `viostor/w10/amd64`, or any others. */

import type { WindowsRelease } from './context.ts';
import type { DriverFile, DriverFolder } from './driver-folder.ts';
import { driverFolders } from './release.ts';

export interface DriverSet {
  /** Of the .inf, lower case, without its end. */
  readonly name: string;
  readonly inf: DriverFile;
  /** What lies beside it, itself included. */
  readonly files: readonly DriverFile[];
}

export const maxInfBytes = 2 ** 20;

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/'));
export const nameOf = (path: string) => path.slice(path.lastIndexOf('/') + 1);
const isArchitecture = /^(?:amd64|x86|arm64|x64|i386)$/i;
const isRelease = /^(?:xp|w(?:7|8|8\.1|10|11)|2k(?:3|8|8R2|12|12R2|16|19|22|25))$/i;
const known: Readonly<Record<string, WindowsRelease['architecture']>> = {
  ...{ amd64: 'amd64', x64: 'amd64', x86: 'x86', i386: 'x86', arm64: 'arm64' },
};

/** All drivers for this Windows, one of each name. Folders that name neither release nor architecture fit any. */
export function setsOf({ files }: DriverFolder, release: WindowsRelease): DriverSet[] {
  const wanted = driverFolders(release).map((folder) => folder.toLowerCase());
  const best = new Map<string, { rank: number; inf: DriverFile }>();
  for (const inf of files) {
    if (!inf.path.toLowerCase().endsWith('.inf')) continue;
    const parts = folderOf(inf.path).split('/');
    const architecture = parts.findLast((part) => isArchitecture.test(part))?.toLowerCase();
    if (architecture !== undefined && known[architecture] !== release.architecture) continue;
    const named = parts.findLast((part) => isRelease.test(part))?.toLowerCase();
    const rank = named === undefined ? wanted.length : wanted.indexOf(named);
    const name = nameOf(inf.path).slice(0, -4).toLowerCase();
    if (rank >= 0 && rank < (best.get(name)?.rank ?? Number.POSITIVE_INFINITY)) best.set(name, { rank, inf });
  }
  return [...best]
    .map(([name, { inf }]) => ({
      name,
      inf,
      files: files.filter(({ path }) => folderOf(path) === folderOf(inf.path) && !/\.pdb$/i.test(path)),
    }))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

export const setOf = (folder: DriverFolder, name: string, release: WindowsRelease): DriverSet | undefined =>
  setsOf(folder, release).find((set) => set.name === name);
