/** A disk's bytes, by the way that this user has to them: the file itself, or what libvirt hands out of a pool. */
import { posix } from 'node:path';
import { type ByteSource, windowOf } from '../../io/byte-source.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { type ImagePlace, relativesFolders, siblingPath } from '../image-paths.ts';
import type { OpenDisk } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import { ddSource } from './dd-source.ts';
import type { DiskPlace, DomainDisk } from './domain-xml-disks.ts';
import { volumePath, volumeSource } from './volume.ts';

export interface Reading {
  readonly signal?: AbortSignal | undefined;
  /** Told which way was taken where it was not the plain one. */
  report(step: string): void;
}

/**
 * The disk as the machine itself reads it: in the format that its XML says, never probed, as a guest can write any
 * mark into a raw disk. @throws AppError `unsupported` for what is not on the host, `auth`, `not-found` …
 */
export async function openDomainDisk(
  libvirt: Libvirt,
  { disk, place, slice }: Pick<DomainDisk, 'disk' | 'place' | 'slice'>,
  reading: Reading,
): Promise<OpenDisk> {
  const path = await pathOf(libvirt, place, disk.id, reading.signal);
  const opened = await openPath(libvirt, path, reading);
  const { source } = opened;
  const format = disk.format === undefined ? {} : { format: disk.format };
  if (slice === undefined) return { ...opened, ...format };
  try {
    const part = windowOf(source, slice.offset, slice.size);
    return { ...opened, ...format, source: { ...part, close: () => source.close() } };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** @throws AppError `unsupported`. */
export async function pathOf(
  libvirt: Libvirt,
  place: DiskPlace,
  disk: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  if (place.kind === 'volume') return volumePath(libvirt, place, signal);
  if (place.kind !== 'elsewhere') return place.path;
  throw new AppError('unsupported', `the bytes of this disk can not be read from here: ${place.what}`, {
    where: `disk ${disk} on ${libvirt.host.name}`,
    hint: 'copy it on the host to a file or a volume (qemu-img convert) and let the machine use that, or leave it out',
  });
}

/**
 * Names inside the image are followed wherever they lead: the machine itself runs on what they name, and only who
 * may define machines decides that; a guest has no way to its images' headers.
 */
async function openPath(libvirt: Libvirt, path: string, reading: Reading): Promise<OpenDisk> {
  const { host } = libvirt;
  const where: ImagePlace = { paths: posix, label: host.name };
  return {
    source: await host.files.open(path, reading.signal).catch((error) => {
      if (!mayBeElsewise(error)) throw error;
      return elsewise(libvirt, path, reading, toAppError(error));
    }),
    sibling: async (name) => openPath(libvirt, siblingPath(name, path, where), reading),
    neighbours: () => filesBeside(libvirt, path, where),
  };
}

async function elsewise(
  libvirt: Libvirt,
  path: string,
  reading: Reading,
  refused: AppError,
): Promise<ByteSource> {
  const source = await ddSource(libvirt.host, path, reading.signal);
  if (source === undefined) return volumeSource(libvirt, path, reading, refused);
  reading.report(`${posix.basename(path)} is read by dd there, without its holes`);
  return source;
}

/** Not this user's to read, or a device that the connection does not carry: libvirt may still hand it out. */
const mayBeElsewise = (error: unknown): boolean => ['auth', 'unsupported'].includes(toAppError(error).kind);

async function filesBeside({ host }: Libvirt, path: string, where: ImagePlace): Promise<string[]> {
  const names: string[] = [];
  for (const folder of relativesFolders(path, where)) {
    const files = await host.files.list(folder.path).catch((error) => {
      if (toAppError(error).kind === 'cancelled') throw error;
      return [];
    });
    names.push(...files.filter((f) => f.kind === 'file').map((f) => folder.prefix + posix.basename(f.path)));
  }
  return names;
}

/** Whether this user can open the file himself. */
export async function isReadable({ host }: Libvirt, path: string, signal: AbortSignal): Promise<boolean> {
  const source = await host.files.open(path, signal).catch((error) => {
    if (!mayBeElsewise(error)) throw error;
    return undefined;
  });
  await source?.close();
  return source !== undefined;
}
