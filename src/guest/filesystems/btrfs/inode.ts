/** Inodes of a subvolume, and names in its folders. */
import { crc32c } from '../../../io/crc32c.ts';
import { AppError } from '../../../model/errors.ts';
import type { FileKind, FileStat } from '../files.ts';
import { nameBytes, nameOf } from '../names.ts';
import type { Entry } from '../reader.ts';
import { type Subvolume, subvolumeBelow } from './subvolumes.ts';
import { type BtrfsVolume, type Key, keyAt, keyTypes } from './tree.ts';

export interface BtrfsNode {
  readonly subvolume: Subvolume;
  /** Undefined for the stub of a subvolume that is not part of this snapshot: an empty folder. */
  readonly inode: bigint | undefined;
  readonly stat: FileStat;
}

const kinds: Readonly<Record<number, FileKind>> = { 16384: 'folder', 32768: 'file', 40960: 'link' };
const entryKinds: Readonly<Record<number, FileKind>> = { 1: 'file', 2: 'folder', 7: 'link' };

/** @throws AppError `corrupt` when there is none. */
export async function nodeOf(volume: BtrfsVolume, subvolume: Subvolume, inode: bigint): Promise<BtrfsNode> {
  const item = await volume.item(subvolume.root, { object: inode, type: keyTypes.inode, offset: 0n });
  if (item === undefined || item.data.length < 160)
    throw new AppError('corrupt', `btrfs inode ${inode} of subvolume ${subvolume.id} is not there`);
  const { data } = item;
  const size = Number(data.readBigUInt64LE(16));
  if (!Number.isSafeInteger(size)) throw new AppError('corrupt', `btrfs inode ${inode}: a size of ${size}`);
  const mode = data.readUInt32LE(52);
  const stat: FileStat = {
    kind: kinds[mode & 0xf000] ?? 'other',
    size,
    mode: mode & 0o7777,
    uid: data.readUInt32LE(44),
    gid: data.readUInt32LE(48),
    modifiedAt: Number(data.readBigInt64LE(136)),
  };
  return { subvolume, inode, stat };
}

export const rootOf = (volume: BtrfsVolume, subvolume: Subvolume): Promise<BtrfsNode> =>
  nodeOf(volume, subvolume, subvolume.rootInode);

/** In the order in which they were made. */
export async function* entriesOf(volume: BtrfsVolume, folder: BtrfsNode): AsyncGenerator<Entry<BtrfsNode>> {
  const { inode, subvolume } = folder;
  if (inode === undefined) return;
  const from = { object: inode, type: keyTypes.folderIndex, offset: 0n };
  for await (const item of volume.itemsFrom(subvolume.root, from)) {
    if (item.object > inode || (item.object === inode && item.type > from.type)) return;
    if (item.object === inode && item.type === from.type) {
      for (const entry of namesIn(item.data, inode)) yield opened(volume, folder, entry);
    }
  }
}

/** By the hash of the name. */
export async function childOf(
  volume: BtrfsVolume,
  folder: BtrfsNode,
  name: string,
): Promise<BtrfsNode | undefined> {
  const { inode, subvolume } = folder;
  if (inode === undefined) return undefined;
  // The seed is ~1, and the last inversion is left out.
  const hash = BigInt(~crc32c(nameBytes(name), 1) >>> 0);
  const item = await volume.item(subvolume.root, { object: inode, type: keyTypes.folderItem, offset: hash });
  const found = item && [...namesIn(item.data, inode)].find((entry) => nameOf(entry.name) === name);
  return found && opened(volume, folder, found).node();
}

interface Name {
  readonly name: Buffer;
  readonly kind: number;
  readonly location: Key;
}

/** Location, transaction, lengths of data and name, kind, name; several where hashes are equal. */
function* namesIn(data: Buffer, folder: bigint): Generator<Name> {
  for (let at = 0; at < data.length; ) {
    const end = at + 30 > data.length ? Number.POSITIVE_INFINITY : at + 30 + data.readUInt16LE(at + 27);
    if (end > data.length) throw new AppError('corrupt', `btrfs folder ${folder}: a name goes past its item`);
    yield { name: data.subarray(at + 30, end), kind: data[at + 29]!, location: keyAt(data, at) };
    at = end + data.readUInt16LE(at + 25);
  }
}

function opened(volume: BtrfsVolume, folder: BtrfsNode, { name, kind, location }: Name): Entry<BtrfsNode> {
  return {
    name: nameOf(name),
    kind: entryKinds[kind] ?? 'other',
    async node() {
      if (location.type === keyTypes.inode) return nodeOf(volume, folder.subvolume, location.object);
      if (location.type !== keyTypes.rootItem)
        throw new AppError(
          'corrupt',
          `btrfs inode ${folder.inode}: a name that leads to type ${location.type}`,
        );
      const below = await subvolumeBelow(volume, folder.subvolume, location.object);
      if (below !== undefined) return rootOf(volume, below);
      return { subvolume: folder.subvolume, inode: undefined, stat: { kind: 'folder', size: 0 } };
    },
  };
}
