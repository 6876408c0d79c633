/** Folders of this computer as source. A machine's id is the absolute path of its image or package. */
import { resolve } from 'node:path';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { packageMachine, packageMachines, splitPackageId, unreadablePackage } from '../package-machines.ts';
import type { SourceRole } from '../plugin.ts';
import { isXvaName } from '../xva-archive.ts';
import { fileOrBundleMachine, imagePath } from './bundle.ts';
import { expandHome } from './expand-home.ts';
import { imageMachine, openImageFile } from './image-file.ts';
import { type OpenPackage, openPackage } from './package-file.ts';
import { extensionOf, findFiles } from './scan.ts';

const packageExtensions = ['ova', 'ovf', 'xva'];

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
      return withPackage(path, signal, async (pack) => packageMachine(pack, path, inner));
    },
    async open(machine, diskId, signal) {
      const { path } = splitId(machine.id);
      if (!isPackage(path)) return openImageFile(await imagePath(path));
      const pack = await openPackage(path, signal);
      try {
        return await pack.openDisk(diskId);
      } catch (error) {
        await pack.close();
        throw error;
      }
    },
    async verify(machine, signal) {
      const { path } = splitId(machine.id);
      if (isPackage(path)) await withPackage(path, signal, async (pack) => pack.verify?.(signal));
    },
    async nvram(machine, signal) {
      const { path, inner } = splitId(machine.id);
      if (!isXvaName(path)) return undefined;
      return withPackage(path, signal, async (pack) => pack.nvram?.(inner ?? pack.machines[0]?.id ?? ''));
    },
  };
}

const isPackage = (path: string): boolean => packageExtensions.includes(extensionOf(path)) || isXvaName(path);

function splitId(id: string): { path: string; inner?: string } {
  const { path, ...rest } = splitPackageId(id, isPackage);
  return { path: resolve(expandHome(path)), ...rest };
}

/** What one file holds; a file that can't be understood is listed all the same, with the reason. */
async function machinesOf(path: string, signal: AbortSignal): Promise<Machine[]> {
  if (!isPackage(path))
    return fileOrBundleMachine(path)
      .then((machine) => [machine])
      .catch(() => []);
  try {
    return await withPackage(path, signal, async (pack) => packageMachines(pack, path));
  } catch (error) {
    if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
    const bare = await imageMachine(path).catch(() => undefined);
    if (bare === undefined) return [];
    return [unreadablePackage(bare, isXvaName(path) ? 'XVA' : extensionOf(path).toUpperCase(), error)];
  }
}

async function withPackage<T>(
  path: string,
  signal: AbortSignal,
  use: (pack: OpenPackage) => Promise<T>,
): Promise<T> {
  const pack = await openPackage(path, signal);
  try {
    return await use(pack);
  } finally {
    await pack.close();
  }
}
