/**
 * `DiskDescriptor.xml`: which files a bundle (a folder `*.hdd`) consists of, and which snapshot lies on which;
 * "Parallels Disk Format" in QEMU's `docs/interop/`, and what ploop and Parallels Desktop write.
 */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { child, childrenOf, parseXml, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { sectorBytes } from './layout.ts';

export const descriptorName = 'DiskDescriptor.xml';
export const rootElement = 'Parallels_disk_image';
export const nullGuid = '{00000000-0000-0000-0000-000000000000}';
/** The top, unless said otherwise. */
export const usualTopGuid = '{5fbaabe3-6958-40ff-92a7-860e329aab41}';
const largestBytes = 4 * MiB;
const longestChain = 256;

export interface ImageFile {
  readonly guid: string;
  readonly file: string;
  readonly plain: boolean;
}

/** A range of the disk; most bundles have one. */
export interface Storage {
  readonly start: number;
  readonly end: number;
  readonly images: readonly ImageFile[];
}

export interface Descriptor {
  /** Bytes. */
  readonly size: number;
  readonly storages: readonly Storage[];
  readonly top: string;
  /** GUID of each snapshot → that of its parent. */
  readonly parents: ReadonlyMap<string, string>;
}

export async function isDescriptor(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size === 0 || source.size > largestBytes || source.access === 'forward') return false;
  const start = await readBytes(source, 0, Math.min(4096, source.size), signal);
  return start.toString('latin1').includes(`<${rootElement}`);
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readDescriptor(source: ByteSource, signal?: AbortSignal): Promise<Descriptor> {
  const where = source.name;
  if (source.size > largestBytes) {
    throw new AppError('unsupported', `a description of ${source.size} bytes`, { where });
  }
  return parseDescriptor(await readBytes(source, 0, source.size, signal), where);
}

export function parseDescriptor(bytes: Uint8Array, where: string): Descriptor {
  const refuse = (kind: 'corrupt' | 'unsupported', message: string) => new AppError(kind, message, { where });
  const root = parseXml(bytes, where);
  const version = root.attributes.find((a) => a.local === 'Version')?.value;
  if (root.local !== rootElement)
    throw refuse('corrupt', `<${root.local}> where <${rootElement}> was expected`);
  // ploop writes none.
  if (version !== undefined && version !== '1.0')
    throw refuse('unsupported', `disk descriptor version ${version}, 1.0 is known`);
  const need = (parent: XmlElement, local: string): XmlElement => {
    const found = child(parent, local);
    if (found === undefined) throw refuse('corrupt', `<${parent.local}> without <${local}>`);
    return found;
  };
  const text = (parent: XmlElement, local: string): string => {
    const found = textOf(parent, local);
    if (found === undefined) throw refuse('corrupt', `<${parent.local}> without <${local}>`);
    return found;
  };
  const bytesOf = (parent: XmlElement, local: string): number => {
    const found = text(parent, local);
    const value = /^\d+$/.test(found) ? Number(found) * sectorBytes : Number.NaN;
    if (!Number.isSafeInteger(value)) throw refuse('corrupt', `<${local}>${found}</${local}> is no number`);
    return value;
  };
  const guidOf = (parent: XmlElement, local: string): string => text(parent, local).toLowerCase();

  const parameters = need(root, 'Disk_Parameters');
  const padding = textOf(parameters, 'Padding');
  if (padding !== undefined && padding !== '0') throw refuse('unsupported', `a disk with padding ${padding}`);
  const encryption = child(parameters, 'Encryption');
  const engine = encryption === undefined ? undefined : textOf(encryption, 'Engine');
  if (engine !== undefined && engine !== nullGuid) throw refuse('unsupported', 'an encrypted Parallels disk');

  const imageOf = (element: XmlElement): ImageFile => {
    const type = text(element, 'Type');
    if (type !== 'Plain' && type !== 'Compressed') throw refuse('unsupported', `an image of type "${type}"`);
    return { guid: guidOf(element, 'GUID'), file: text(element, 'File'), plain: type === 'Plain' };
  };
  const size = bytesOf(parameters, 'Disk_size');
  const storages = childrenOf(need(root, 'StorageData'), 'Storage')
    .map((element) => ({
      start: bytesOf(element, 'Start'),
      end: bytesOf(element, 'End'),
      images: childrenOf(element, 'Image').map(imageOf),
    }))
    .sort((a, b) => a.start - b.start);
  checkStorages(storages, size, where);

  const snapshots = need(root, 'Snapshots');
  const parents = new Map(
    childrenOf(snapshots, 'Shot').map((shot) => [guidOf(shot, 'GUID'), guidOf(shot, 'ParentGUID')] as const),
  );
  const top = textOf(snapshots, 'TopGUID')?.toLowerCase() ?? usualTopGuid;
  return { size, storages, top, parents };
}

/** The storages cover the disk, each byte once. */
function checkStorages(storages: readonly Storage[], size: number, where: string): void {
  let at = 0;
  for (const { start, end } of storages) {
    if (start !== at || end <= start) {
      throw new AppError('corrupt', `a storage from ${start} to ${end} where one from ${at} was expected`, {
        where,
      });
    }
    at = end;
  }
  if (at !== size) {
    throw new AppError('corrupt', `the storages hold ${at} bytes, the disk has ${size}`, { where });
  }
}

/**
 * The images of one storage from snapshot `guid` down to the root.
 * @throws AppError `corrupt` for a circle or a snapshot without an image.
 */
export function chainOf(descriptor: Descriptor, storage: Storage, guid: string, where: string): ImageFile[] {
  const chain: ImageFile[] = [];
  const seen = new Set<string>();
  for (let at = guid; at !== nullGuid; ) {
    if (seen.has(at) || seen.size >= longestChain) {
      throw new AppError('corrupt', `the chain of snapshots leads back to ${at}`, { where });
    }
    seen.add(at);
    const image = storage.images.find((i) => i.guid === at);
    const parent = descriptor.parents.get(at);
    if (image === undefined || parent === undefined) {
      throw new AppError('corrupt', `snapshot ${at} has no ${image === undefined ? 'image' : 'entry'}`, {
        where,
      });
    }
    chain.push(image);
    at = parent;
  }
  return chain;
}
