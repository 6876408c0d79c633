/** The disk that a descriptor describes: the chain of images of each storage, one storage behind the other. */
import { type ByteSource, windowOf } from '../../io/byte-source.ts';
import { concatenated, type Disk, overlay, slice, sourceDisk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { chainOf, type Descriptor, descriptorName, type ImageFile, type Storage } from './descriptor.ts';
import { readImage } from './image.ts';

/** The last part of a path, whoever wrote it. */
export const plainName = (path: string): string => path.split(/[/\\]/).at(-1)!;

/** @param guid the snapshot to show; the descriptor's top by default. */
export async function openBundle(
  source: ByteSource,
  descriptor: Descriptor,
  context: OpenContext,
  guid = descriptor.top,
): Promise<OpenImage> {
  const parts: { disk: Disk; info: ImageInfo }[] = [];
  for (const storage of descriptor.storages) {
    parts.push(await openStorage(source, descriptor, storage, guid, context));
  }
  const whole = parts.length === 1 ? parts[0]!.disk : concatenated(parts.map((p) => p.disk));
  const infos = parts.map((p) => p.info);
  const parent = infos[0]?.parent;
  return {
    ...whole,
    async close() {
      await Promise.all([source.close(), whole.close()]);
    },
    info: {
      format: 'parallels',
      variant: 'bundle',
      details: {
        ...infos[0]?.details,
        snapshot: guid,
        snapshots: descriptor.parents.size,
        storages: parts.length,
      },
      virtualSizeBytes: descriptor.size,
      files: [source.name, ...infos.flatMap((info) => info.files)],
      ...(parent === undefined ? {} : { parent }),
      findings: infos.flatMap((info) => info.findings),
    },
  };
}

async function openStorage(
  source: ByteSource,
  descriptor: Descriptor,
  storage: Storage,
  guid: string,
  context: OpenContext,
): Promise<{ disk: Disk; info: ImageInfo }> {
  const where = source.name;
  const length = storage.end - storage.start;
  const chain = chainOf(descriptor, storage, guid, where);
  let below: { disk: Disk; info: ImageInfo } | undefined;
  for (const image of chain.reverse()) {
    const bytes = await openFile(image.file, context);
    const { disk, info } = await openLayer(bytes, image, below !== undefined, length, context.signal);
    below =
      below === undefined
        ? { disk, info }
        : { disk: overlay(disk, below.disk), info: { ...info, parent: below.info } };
  }
  if (below === undefined || below.disk.size < length) {
    throw new AppError('corrupt', `an image of ${below?.disk.size ?? 0} bytes for a storage of ${length}`, {
      where,
    });
  }
  const { disk, info } = below;
  if (disk.size === length) return { disk, info };
  return { disk: { ...slice(disk, 0, length), close: () => disk.close() }, info };
}

async function openLayer(
  source: ByteSource,
  image: ImageFile,
  hasParent: boolean,
  length: number,
  signal: AbortSignal | undefined,
): Promise<{ disk: Disk; info: ImageInfo }> {
  if (!image.plain) {
    const found = await readImage(source, signal);
    return { disk: found.layer(hasParent ? 'hole' : 'zero'), info: found.info };
  }
  if (hasParent) {
    throw new AppError('corrupt', 'a plain image on top of another one', { where: source.name });
  }
  const size = Math.min(source.size, length);
  const disk = sourceDisk(windowOf(source, 0, size));
  return {
    disk: { ...disk, close: () => source.close() },
    info: {
      format: 'raw',
      details: {},
      virtualSizeBytes: size,
      files: [source.name],
      findings: [],
    },
  };
}

/** An absolute name is looked for beside the descriptor first: bundles are moved, and their names stay. */
export async function openFile(name: string, context: OpenContext): Promise<ByteSource> {
  const names = /^(?:[/\\]|[A-Za-z]:)/.test(name) ? [plainName(name), name] : [name];
  let failure: unknown;
  for (const candidate of names) {
    try {
      return await context.sibling(candidate);
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
      failure = error;
    }
  }
  throw failure;
}

/** The descriptor beside an image, where there is one that names it, and the snapshot that the image is. */
export async function bundleOf(
  source: ByteSource,
  context: OpenContext,
  read: (source: ByteSource) => Promise<Descriptor>,
): Promise<{ source: ByteSource; descriptor: Descriptor; guid: string } | undefined> {
  let beside: ByteSource;
  try {
    beside = await context.sibling(descriptorName);
  } catch (error) {
    if (error instanceof AppError && (error.kind === 'not-found' || error.kind === 'unsupported'))
      return undefined;
    throw error;
  }
  const own = plainName(source.name);
  const descriptor = await read(beside);
  const images = descriptor.storages.flatMap((storage) => storage.images);
  const image = images.find((i) => plainName(i.file) === own);
  if (image !== undefined && descriptor.storages.length > 1) {
    throw new AppError('unsupported', 'one part of a split disk', {
      where: source.name,
      hint: `open the ${descriptorName} beside it`,
    });
  }
  if (image !== undefined) return { source: beside, descriptor, guid: image.guid };
  await beside.close();
  return undefined;
}
