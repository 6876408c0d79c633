/** The disk of a container in the ploop layout: a folder with `DiskDescriptor.xml` and the files that it names. */
import { posix } from 'node:path';
import { readBytes } from '../../io/byte-source.ts';
import type { Host } from '../../io/host/host.ts';
import { child, childrenOf, parseXml, textOf } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';

export const descriptorName = 'DiskDescriptor.xml';
/** As the Parallels codec allows. */
const longestDescriptor = 4 * 2 ** 20;
const mostImages = 256;

export interface PloopDisk {
  /** The folder, absolute. */
  readonly folder: string;
  readonly sizeBytes?: number;
  /** What snapshot each file holds, as the descriptor says. */
  readonly images: readonly { readonly guid: string; readonly path: string }[];
}

/** Undefined where the folder has no descriptor. @throws AppError `corrupt`, `auth`. */
export async function readPloop(
  host: Host,
  folder: string,
  signal?: AbortSignal,
): Promise<PloopDisk | undefined> {
  const path = posix.join(folder, descriptorName);
  const found = await host.files.stat(path, signal);
  if (found?.kind !== 'file') return undefined;
  const options = signal === undefined ? {} : { signal };
  const text = await host.files.text(path, { ...options, maximumBytes: longestDescriptor });
  const root = parseXml(Buffer.from(text), `${host.name}:${path}`);
  const parameters = child(root, 'Disk_Parameters');
  const sectors = Number((parameters && textOf(parameters, 'Disk_size')) ?? Number.NaN);
  const data = child(root, 'StorageData');
  const images = childrenOf(data ?? root, 'Storage').flatMap((storage) =>
    childrenOf(storage, 'Image').map((image) => ({
      guid: (textOf(image, 'GUID') ?? '').toLowerCase(),
      path: posix.resolve(folder, textOf(image, 'File') ?? ''),
    })),
  );
  return {
    folder,
    ...(Number.isSafeInteger(sectors * 512) && sectors > 0 ? { sizeBytes: sectors * 512 } : {}),
    images: images.slice(0, mostImages),
  };
}

/** The magic of both versions of the format, then the table of clusters 64 bytes in; sectors per cluster at 28. */
const magics = ['WithoutFreeSpace', 'WithouFreSpacExt'];

/** Whether the disk begins with a partition table; undefined where that can't be told. Only files beside the descriptor are looked at. */
export async function hasPartitionTable(
  host: Host,
  disk: PloopDisk,
  signal?: AbortSignal,
): Promise<boolean | undefined> {
  let known: boolean | undefined;
  for (const { path } of disk.images.slice(0, 16)) {
    if (posix.dirname(path) !== disk.folder) continue;
    try {
      const start = await firstSectors(host, path, signal);
      if (start === undefined) continue;
      known = start.toString('latin1', 512, 520) === 'EFI PART' || isTable(start);
      if (known) return true;
    } catch (error) {
      if (!(error instanceof AppError) || ['cancelled', 'unreachable'].includes(error.kind)) throw error;
    }
  }
  return known;
}

/** A mark alone could be a boot sector of a filesystem: one entry must be in use, with a flag of 0 or 0x80. */
const isTable = (start: Buffer): boolean =>
  start.readUInt16LE(510) === 0xaa55 &&
  [446, 462, 478, 494].every((at) => (start[at]! & 0x7f) === 0) &&
  [450, 466, 482, 498].some((at) => start[at] !== 0);

/** The first two sectors of what this file holds; undefined where it holds none of them. */
async function firstSectors(host: Host, path: string, signal?: AbortSignal): Promise<Buffer | undefined> {
  const source = await host.files.open(path, signal);
  try {
    if (source.size < 1024) return undefined;
    const head = await readBytes(source, 0, 1024, signal);
    const magic = head.toString('latin1', 0, 16);
    if (!magics.includes(magic)) return head; // a plain image
    const cluster = head.readUInt32LE(64);
    if (cluster === 0) return undefined;
    const offset = cluster * 512 * (magic === magics[0] ? 1 : head.readUInt32LE(28));
    return offset + 1024 <= source.size ? await readBytes(source, offset, 1024, signal) : undefined;
  } finally {
    await source.close();
  }
}
