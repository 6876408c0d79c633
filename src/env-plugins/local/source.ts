/** Folders of this computer as source. A machine's id is the absolute path of its image or package. */
import { resolve } from 'node:path';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { SourceRole } from '../plugin.ts';
import { fileOrBundleMachine, imagePath } from './bundle.ts';
import { expandHome } from './expand-home.ts';
import { imageMachine, openImageFile } from './image-file.ts';
import { type OpenPackage, openPackage } from './package-file.ts';
import { extensionOf, findFiles } from './scan.ts';

const packageExtensions = ['ova', 'ovf', 'xva'];
/** Between the path and the machine's own id, where a package holds several machines. */
const idSeparator = '::';

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
      return withPackage(path, signal, async (pack) => machineOf(pack, path, inner));
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
      if (isPackage(path)) await withPackage(path, signal, (pack) => pack.verify(signal));
    },
  };
}

const isPackage = (path: string): boolean => packageExtensions.includes(extensionOf(path));

function splitId(id: string): { path: string; inner?: string } {
  const at = id.lastIndexOf(idSeparator);
  if (at < 0 || !isPackage(id.slice(0, at))) return { path: resolve(expandHome(id)) };
  return { path: resolve(expandHome(id.slice(0, at))), inner: id.slice(at + idSeparator.length) };
}

/** What one file holds; a file that can't be understood is listed all the same, with the reason. */
async function machinesOf(path: string, signal: AbortSignal): Promise<Machine[]> {
  if (!isPackage(path))
    return fileOrBundleMachine(path)
      .then((machine) => [machine])
      .catch(() => []);
  try {
    return await withPackage(path, signal, async (pack) => pack.machines.map((m) => named(m, path, pack)));
  } catch (error) {
    if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
    const bare = await imageMachine(path).catch(() => undefined);
    if (bare === undefined) return [];
    return [
      {
        ...bare,
        packaging: extensionOf(path).toUpperCase(),
        disks: [],
        findings: [
          {
            rule: 'package.unreadable',
            severity: 'blocker',
            message: error.message,
            ...(error.where === undefined ? {} : { evidence: error.where }),
            ...(error.hint === undefined ? {} : { remedy: error.hint }),
          },
        ],
      },
    ];
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

const named = (machine: Machine, path: string, pack: OpenPackage): Machine => ({
  ...machine,
  id: pack.machines.length === 1 ? path : `${path}${idSeparator}${machine.id}`,
});

function machineOf(pack: OpenPackage, path: string, inner: string | undefined): Machine {
  if (inner === undefined && pack.machines.length > 1) {
    throw new AppError('usage', `it holds ${pack.machines.length} machines`, {
      where: path,
      hint: `name one: ${pack.machines.map((m) => `${path}${idSeparator}${m.id}`).join(', ')}`,
    });
  }
  const machine = inner === undefined ? pack.machines[0] : pack.machines.find((m) => m.id === inner);
  if (machine === undefined) {
    throw new AppError('not-found', `there is no machine "${inner ?? ''}" in it`, { where: path });
  }
  return named(machine, path, pack);
}
