/** Kept copies as machines. A machine's id is that of its copy: `<run>-<stage>`. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { splitWrapperName } from '../../io/wrappers/wrapper.ts';
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { mayBePassedOver, wholeFile } from '../host-folders.ts';
import { openHostImage } from '../host-image.ts';
import { packagePlace } from '../host-packages.ts';
import { copyFileName, type KeptCopy, largestCopyFile, splitCopyId } from '../kept-copy.ts';
import { openPackageDisk, withPackage } from '../package-file.ts';
import { packageMachine } from '../package-machines.ts';
import { parseCopy } from '../parse-copy.ts';
import type { SourceRole } from '../plugin.ts';
import { brokenMachine, keptMachine } from './machine.ts';

/** The firmware's variables are of some hundred KiB, mostly. */
const largestNvram = 64 * 1024 * 1024;

export function sourceRole(host: Host, folder: string): SourceRole {
  const packages = packagePlace(host);
  const place = (id: string) => posix.join(folder, id);

  async function copyOf(id: string, signal: AbortSignal): Promise<KeptCopy> {
    const where = posix.join(place(id), copyFileName);
    const found = splitCopyId(id) === undefined ? undefined : await host.files.stat(where, signal);
    if (found?.kind !== 'file')
      throw new AppError('not-found', `there is no kept copy "${id}", or it is not whole`, {
        where: `${host.name}:${folder}`,
        hint: 'see "vmferry kept"',
      });
    await insideOf(id, copyFileName, signal);
    const text = (await wholeFile(host, where, signal, largestCopyFile)).toString();
    return parseCopy(text, id, `${host.name}:${where}`);
  }

  /** No link leads out of the copy's folder, nor stands for it. */
  async function insideOf(id: string, file: string, signal: AbortSignal): Promise<string> {
    const path = posix.join(place(id), file);
    const [store, real] = await Promise.all([folder, path].map((p) => host.files.realpath(p, signal)));
    if (posix.dirname(real!) === posix.join(store!, id)) return path;
    throw new AppError('unsupported', 'a file of a kept copy leads out of its folder', {
      where: `${host.name}:${path}`,
      hint: 'name the image itself, if you trust it',
    });
  }

  async function machineOf(copy: KeptCopy, id: string, signal: AbortSignal): Promise<Machine> {
    if (copy.package === undefined) return keptMachine(copy, place(id));
    const path = await insideOf(id, copy.package, signal);
    return withPackage(path, packages, signal, async (pack) =>
      keptMachine({ ...copy, machine: packageMachine(pack, path, undefined) }, place(id)),
    );
  }

  return {
    async list({ signal, found }) {
      throwIfAborted(signal);
      const there = await host.files.stat(folder, signal);
      // Nothing was ever kept.
      if (there === undefined) return;
      for (const { path, kind } of (await host.files.list(folder, signal)).reverse()) {
        throwIfAborted(signal);
        const id = posix.basename(path);
        if (kind !== 'folder' || splitCopyId(id) === undefined) continue;
        // Half made copies are for "vmferry kept": nothing can be read of them.
        if ((await host.files.stat(posix.join(path, copyFileName), signal)) === undefined) continue;
        const machine = await copyOf(id, signal)
          .then((copy) => machineOf(copy, id, signal))
          .catch((error) => {
            if (!mayBePassedOver(error)) throw error;
            return brokenMachine(id, error as AppError);
          });
        found(machine);
      }
    },
    async inspect(id, signal) {
      return machineOf(await copyOf(id, signal), id, signal);
    },
    async open({ id }, diskId, signal) {
      const copy = await copyOf(id, signal);
      if (copy.package !== undefined)
        return openPackageDisk(await insideOf(id, copy.package, signal), diskId, packages, signal);
      const disk = copy.disks.find((d) => d.id === diskId);
      if (disk === undefined)
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: place(id) });
      const path = await insideOf(id, disk.file, signal);
      const open = await openHostImage(host, path, signal);
      const plainRaw = disk.format === 'raw' && splitWrapperName(disk.file).wrapper === undefined;
      return plainRaw ? { ...open, format: 'raw' } : open;
    },
    async verify({ id }, signal) {
      const copy = await copyOf(id, signal);
      if (copy.package === undefined) return;
      const path = await insideOf(id, copy.package, signal);
      await withPackage(path, packages, signal, async (pack) => pack.verify?.(signal));
    },
    async nvram({ id }, signal) {
      const copy = await copyOf(id, signal);
      if (copy.nvram === undefined) return undefined;
      return wholeFile(host, await insideOf(id, copy.nvram, signal), signal, largestNvram);
    },
  };
}
