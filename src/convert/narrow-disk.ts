/** What is wanted of a disk in place of the whole: a window of its bytes, a partition; a table around it. */
import type { OpenImage } from '../codecs/codec.ts';
import { findPartition } from '../guest/partitions/find-partition.ts';
import { looksLikeTable, mbrBytes } from '../guest/partitions/mbr.ts';
import { withPartitionTable } from '../guest/partitions/write-table.ts';
import { readBytes } from '../io/byte-source.ts';
import { slice } from '../io/disk.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening, TableKind } from '../model/plan.ts';
import type { ByteWindow } from '../model/window.ts';

/** @throws AppError `usage` where it is not clear which disk is meant, or what of it. */
export function refuseSeveral({ window, partition }: Opening, machine: Machine): void {
  if (window === undefined && partition === undefined) return;
  if (window !== undefined && partition !== undefined)
    throw new AppError('usage', 'a window and a partition can not both be taken');
  if (machine.disks.length > 1) {
    throw new AppError(
      'usage',
      `a part can be taken of one disk, and this machine has ${machine.disks.length}`,
      {
        hint: "name the disk's own file",
      },
    );
  }
}

/** What is wanted of the image; on an error the image is closed. @throws AppError */
export async function narrowed(image: OpenImage, wanted: Opening, signal: AbortSignal): Promise<OpenImage> {
  const { window, partition, table } = wanted;
  try {
    const whole = window === undefined && partition === undefined;
    const part = whole ? image : sliced(image, await windowFor(image, wanted, signal), partition);
    return table === undefined ? part : await surrounded(part, table, signal);
  } catch (error) {
    await image.close();
    throw error;
  }
}

async function windowFor(image: OpenImage, wanted: Opening, signal: AbortSignal): Promise<ByteWindow> {
  const { window } = wanted;
  if (window === undefined) {
    const { startBytes, lengthBytes } = await findPartition(image, wanted.partition!, signal);
    return { offset: startBytes, length: lengthBytes };
  }
  if (window.length > image.size - window.offset) {
    throw new AppError(
      'usage',
      `the window ${window.offset}+${window.length} is not inside the disk of ${image.size} bytes`,
      { where: image.info.files[0] ?? '' },
    );
  }
  return window;
}

/** With a partition table around it, unless it has one. */
async function surrounded(image: OpenImage, table: TableKind, signal: AbortSignal): Promise<OpenImage> {
  const bytes = Math.min(mbrBytes, image.size);
  const start = Buffer.alloc(mbrBytes);
  start.set(await readBytes(image, 0, bytes, signal));
  if (looksLikeTable(start)) return image;
  const disk = withPartitionTable(image, table);
  const details = { ...image.info.details, 'partition table': `${table.toUpperCase()}, made around it` };
  return { ...disk, info: { ...image.info, virtualSizeBytes: disk.size, details } };
}

function sliced(image: OpenImage, { offset, length }: ByteWindow, partition: number | undefined): OpenImage {
  const details = {
    ...image.info.details,
    ...(partition === undefined ? {} : { partition: String(partition) }),
    window: `${offset}+${length}`,
  };
  return {
    ...slice(image, offset, length),
    info: { ...image.info, virtualSizeBytes: length, details },
    close: () => image.close(),
  };
}
