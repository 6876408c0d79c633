/** Subvolumes: trees of files, listed in the tree of trees. */
import { AppError } from '../../../model/errors.ts';
import { type BtrfsVolume, type Key, keyAt, keyTypes, type Root } from './tree.ts';

export interface Subvolume {
  readonly id: bigint;
  readonly root: Root;
  readonly rootInode: bigint;
}

/** The subvolume that holds all others. */
export const topLevel = 5n;
const lastKey = 0xffffffffffffffffn;

const treeOfTrees = ({ head: { sb } }: BtrfsVolume): Root => ({ logical: sb.root, level: sb.rootLevel });

/** @throws AppError `not-found`, `corrupt`. */
export async function subvolumeOf(volume: BtrfsVolume, id: bigint): Promise<Subvolume> {
  // A snapshot's offset is the transaction that made it: the last item is the one that counts.
  const from: Key = { object: id, type: keyTypes.rootItem, offset: lastKey };
  for await (const item of volume.itemsFrom(treeOfTrees(volume), from)) {
    if (item.object !== id || item.type !== keyTypes.rootItem) break;
    if (item.data.length < 239) throw new AppError('corrupt', `btrfs subvolume ${id}: its item is cut`);
    return {
      id,
      root: { logical: Number(item.data.readBigUInt64LE(176)), level: item.data[238]! },
      rootInode: item.data.readBigUInt64LE(168),
    };
  }
  throw new AppError('not-found', `btrfs: there is no subvolume ${id}`);
}

/** The one that is mounted when none is named. */
export async function defaultSubvolume(volume: BtrfsVolume): Promise<Subvolume> {
  const folder = BigInt(volume.head.sb.rootDirObjectid);
  const from: Key = { object: folder, type: keyTypes.folderItem, offset: 0n };
  for await (const item of volume.itemsFrom(treeOfTrees(volume), from)) {
    if (item.object > folder || (item.object === folder && item.type > from.type)) break;
    if (item.object !== folder || item.type !== from.type || item.data.length < 37) continue;
    if (item.data.toString('latin1', 30, 37) === 'default')
      return subvolumeOf(volume, keyAt(item.data, 0).object);
  }
  return subvolumeOf(volume, topLevel);
}

/** Undefined when `id` was below the subvolume that this one is a snapshot of: snapshots don't go down. */
export async function subvolumeBelow(
  volume: BtrfsVolume,
  parent: Subvolume,
  id: bigint,
): Promise<Subvolume | undefined> {
  const reference = { object: parent.id, type: keyTypes.rootRef, offset: id };
  return (await volume.item(treeOfTrees(volume), reference)) && subvolumeOf(volume, id);
}

const firstSubvolume = 256n;
const lastSubvolume = -256n & lastKey;
const flagReadOnly = 1n;

/** Numbers of those that are there, oldest first, at most `most`; snapshots that are read-only come last. */
export async function subvolumeNumbers(volume: BtrfsVolume, most: number): Promise<number[]> {
  const writable: number[] = [];
  const readOnly: number[] = [];
  const from: Key = { object: firstSubvolume, type: 0, offset: 0n };
  for await (const { object, type, data } of volume.itemsFrom(treeOfTrees(volume), from)) {
    if (object > lastSubvolume || writable.length >= most) break;
    if (object < firstSubvolume || type !== keyTypes.rootItem || data.length < 220) continue;
    // One that nothing refers to any more is being deleted.
    if (data.readUInt32LE(216) === 0) continue;
    const list = (data.readBigUInt64LE(208) & flagReadOnly) === 0n ? writable : readOnly;
    if (list.length < most) list.push(Number(object));
  }
  return [...writable, ...readOnly].slice(0, most);
}
