/** Folders of this computer as source. A machine's id is the absolute path of its image or package. */
import { readdir } from 'node:fs/promises';
import paths, { resolve } from 'node:path';
import { fileSource } from '../../io/file-source.ts';
import { toAppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import {
  isPackage,
  machinesOfPackage,
  openPackageDisk,
  type PackagePlace,
  packageExtensions,
  withPackage,
} from '../package-file.ts';
import { packageMachine, splitPackageId } from '../package-machines.ts';
import { wholeName } from '../package-parts.ts';
import type { SourceRole } from '../plugin.ts';
import { isXvaName } from '../xva-archive.ts';
import { fileOrBundleMachine, imagePath } from './bundle.ts';
import { expandHome } from './expand-home.ts';
import { imageMachine, leadsOut, openImageFile } from './image-file.ts';
import { findFiles } from './scan.ts';

const here: PackagePlace = {
  paths,
  open: (file) => fileSource(file),
  names: (folder) =>
    readdir(folder).catch((error) => {
      throw toAppError(error);
    }),
  leadsOut,
};

export function sourceRole(folders: readonly string[], imageExtensions: readonly string[]): SourceRole {
  const wanted = new Set([...imageExtensions, ...packageExtensions]);
  return {
    async list({ signal, found }) {
      for await (const path of findFiles(folders, wanted, signal)) {
        for (const machine of await machinesOf(path, signal)) found(machine);
      }
    },
    async inspect(id, signal) {
      const { path, inner } = splitId(id);
      if (!isPackage(path)) return fileOrBundleMachine(path);
      return withPackage(path, here, signal, async (pack) => packageMachine(pack, path, inner));
    },
    async open(machine, diskId, signal) {
      const { path } = splitId(machine.id);
      if (!isPackage(path)) return openImageFile(await imagePath(path));
      return openPackageDisk(path, diskId, here, signal);
    },
    async verify(machine, signal) {
      const { path } = splitId(machine.id);
      if (isPackage(path)) await withPackage(path, here, signal, async (pack) => pack.verify?.(signal));
    },
    async nvram(machine, signal) {
      const { path, inner } = splitId(machine.id);
      if (!isXvaName(wholeName(path))) return undefined;
      return withPackage(path, here, signal, async (pack) =>
        pack.nvram?.(inner ?? pack.machines[0]?.id ?? ''),
      );
    },
  };
}

function splitId(id: string): { path: string; inner?: string } {
  const { path, ...rest } = splitPackageId(id, isPackage);
  return { path: resolve(expandHome(path)), ...rest };
}

/** What one file holds. */
async function machinesOf(path: string, signal: AbortSignal): Promise<readonly Machine[]> {
  if (isPackage(path))
    return machinesOfPackage(path, here, signal, () => imageMachine(path).catch(() => undefined));
  return fileOrBundleMachine(path)
    .then((machine) => [machine])
    .catch(() => []);
}
