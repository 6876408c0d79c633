/**
 * An export of XenServer (XVA), wherever it lies: plain, read at random; or compressed as a whole, read from its start.
 * Each block is checked as it is read.
 */
import { type ByteSource, readBytes } from '../io/byte-source.ts';
import { wrapperOf } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import { openXvaDisk, readDescription } from '../packages/xva/read-xva.ts';
import { streamDescription, streamXvaDisk } from '../packages/xva/stream-xva.ts';
import { machinesIn } from '../packages/xva/xva-machines.ts';
import type { OpenDisk } from './plugin.ts';

/** Also one that was compressed by another program; what it is, its bytes tell. */
export const isXvaName = (path: string): boolean => /\.xva(\.(gz|zst|zstd|xz|bz2|lz4))?$/i.test(path);

export interface XvaArchive {
  readonly machines: readonly Machine[];
  /** The disk's bytes; closing its source closes the archive. */
  openDisk(diskId: string): Promise<OpenDisk>;
  /** Of the machine of this id in the archive. */
  nvram(machine: string): Uint8Array | undefined;
  close(): Promise<void>;
}

/** `archive` belongs to what is returned. @throws AppError `corrupt`, `unsupported`. */
export async function openXvaArchive(
  archive: ByteSource,
  path: string,
  signal: AbortSignal,
): Promise<XvaArchive> {
  const close = () => archive.close();
  try {
    const head = await readBytes(archive, 0, Math.min(32, archive.size), signal);
    const wrapper = wrapperOf(head);
    const description = await (wrapper === undefined
      ? readDescription(archive, signal)
      : streamDescription(archive, wrapper, signal));
    const { machines, disks, variables } = machinesIn(description, path);
    return {
      machines,
      nvram: (machine) => variables.get(machine),
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
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}
