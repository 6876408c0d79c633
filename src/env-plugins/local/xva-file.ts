/** An export of XenServer (XVA) as a package: plain, read at random; or compressed as a whole, read from its start. */
import { readBytes } from '../../io/byte-source.ts';
import { fileSource } from '../../io/file-source.ts';
import { wrapperOf } from '../../io/wrappers/wrapper.ts';
import { AppError } from '../../model/errors.ts';
import { openXvaDisk, readDescription, verifyXva } from '../../packages/xva/read-xva.ts';
import { streamDescription, streamXvaDisk } from '../../packages/xva/stream-xva.ts';
import { machinesIn } from '../../packages/xva/xva-machines.ts';
import type { OpenPackage } from './package-file.ts';

/** @throws AppError `corrupt`, `unsupported`, `not-found`. */
export async function openXva(path: string, signal: AbortSignal): Promise<OpenPackage> {
  const archive = await fileSource(path);
  const close = () => archive.close();
  try {
    const head = await readBytes(archive, 0, Math.min(32, archive.size), signal);
    const wrapper = wrapperOf(head);
    const description = await (wrapper === undefined
      ? readDescription(archive, signal)
      : streamDescription(archive, wrapper, signal));
    const { machines, disks } = machinesIn(description, path);
    return {
      machines,
      async openDisk(diskId) {
        const found = disks.filter(({ id }) => id === diskId);
        const [disk] = found;
        if (disk === undefined)
          throw new AppError('not-found', `there is no disk "${diskId}"`, { where: path });
        if (found.length > 1) throw new AppError('unsupported', 'it holds several machines', { where: path });
        const inner = await (wrapper === undefined
          ? openXvaDisk(archive, disk, signal)
          : streamXvaDisk(archive, wrapper, disk, signal));
        const source = {
          ...inner,
          async close() {
            await inner.close();
            await archive.close();
          },
        };
        return {
          source,
          format: 'raw',
          async sibling(name) {
            throw new AppError('not-found', `a disk of an XVA has no files beside it: "${name}"`, {
              where: path,
            });
          },
        };
      },
      // What is compressed is checked as it is read.
      async verify(abort) {
        if (wrapper === undefined) await verifyXva(archive, abort);
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
