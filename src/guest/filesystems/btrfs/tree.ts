/** The B-trees that everything is kept in: items ordered by keys of object, type and offset. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import type { Looking } from '../../looking.ts';
import { Budget } from '../files.ts';
import { checkInside } from '../runs.ts';
import { Chunks } from './chunks.ts';
import { type BtrfsHead, fits, readSuperblock, sysChunkArrayAt } from './superblock.ts';

export interface Key {
  readonly object: bigint;
  readonly type: number;
  readonly offset: bigint;
}

export interface Item extends Key {
  readonly data: Buffer;
}

/** Where a tree begins. */
export interface Root {
  readonly logical: number;
  readonly level: number;
}

export const keyTypes = {
  inode: 1,
  folderItem: 84,
  folderIndex: 96,
  extentData: 108,
  rootItem: 132,
  rootRef: 156,
  chunk: 228,
} as const;

const headerBytes = 101;
const keyBytes = 17;
const itemBytes = 25;
const pointerBytes = 33;
const maxLevel = 7;
const stepBudget = 50_000;
const keptNodes = 256;
const maxChunks = 2 ** 20;

export interface BtrfsVolume {
  readonly looking: Looking;
  readonly head: BtrfsHead;
  readonly chunks: Chunks;
  readonly budget: Budget;
  /** Items in ascending order, from the last one on that is not behind `from`. */
  itemsFrom(root: Root, from: Key): AsyncGenerator<Item>;
  /** Exactly this one. */
  item(root: Root, key: Key): Promise<Item | undefined>;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function openVolume(looking: Looking): Promise<BtrfsVolume> {
  const head = await readSuperblock(looking);
  const { sb, bytes } = head;
  const chunks = new Chunks(sb.devid);
  for (let at = sysChunkArrayAt; at < sysChunkArrayAt + sb.sysChunkArraySize; ) {
    const logical = Number(bytes.readBigUInt64LE(at + 9));
    at += keyBytes;
    at += chunks.add(logical, bytes.subarray(at, sysChunkArrayAt + sb.sysChunkArraySize));
  }
  const volume = volumeOf(looking, head, chunks);
  const root = { logical: sb.chunkRoot, level: sb.chunkRootLevel };
  let count = 0;
  for await (const item of volume.itemsFrom(root, { object: 0n, type: 0, offset: 0n })) {
    if (item.type !== keyTypes.chunk) continue;
    if (++count > maxChunks) throw new AppError('corrupt', `btrfs: more than ${maxChunks} chunks`);
    chunks.add(Number(item.offset), item.data);
  }
  return volume;
}

function volumeOf(looking: Looking, head: BtrfsHead, chunks: Chunks): BtrfsVolume {
  const budget = new Budget(stepBudget, 'steps through a btrfs volume');
  const kept = new Map<number, Buffer>();
  const { nodesize } = head.sb;

  /** The first of its copies that is whole. */
  const load = async (logical: number): Promise<Buffer> => {
    let failure: unknown;
    for (const place of chunks.places(logical, nodesize)) {
      try {
        checkInside(looking, place, nodesize);
        const bytes = await readBytes(looking.disk, place, nodesize, looking.signal);
        if (!fits(head.checksum, bytes) || Number(bytes.readBigUInt64LE(48)) !== logical)
          throw new AppError('corrupt', `btrfs node ${logical}: its checksum or address is wrong`);
        return bytes;
      } catch (error) {
        if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
        failure = error;
      }
    }
    throw failure;
  };
  const node = async ({ logical, level }: Root): Promise<Buffer> => {
    budget.spend();
    let bytes = kept.get(logical);
    if (bytes === undefined) {
      bytes = await load(logical);
      if (kept.size >= keptNodes) kept.delete(kept.keys().next().value!);
      kept.set(logical, bytes);
    }
    const room = nodesize - headerBytes;
    const count = bytes.readUInt32LE(96);
    if (bytes[100] !== level || level > maxLevel || count * (level === 0 ? itemBytes : pointerBytes) > room)
      throw new AppError(
        'corrupt',
        `btrfs node ${logical}: level ${bytes[100]} with ${count} items, level ${level} expected`,
      );
    return bytes;
  };

  async function* itemsFrom(root: Root, from: Key): AsyncGenerator<Item> {
    const bytes = await node(root);
    const count = bytes.readUInt32LE(96);
    const size = root.level === 0 ? itemBytes : pointerBytes;
    for (let i = Math.max(0, lastNotBehind(bytes, count, size, from)); i < count; i++) {
      const at = headerBytes + i * size;
      if (root.level === 0) yield itemAt(bytes, at, root.logical);
      // Levels fall, so it ends.
      else
        yield* itemsFrom(
          { logical: Number(bytes.readBigUInt64LE(at + keyBytes)), level: root.level - 1 },
          from,
        );
    }
  }
  return {
    looking,
    head,
    chunks,
    budget,
    itemsFrom,
    async item(root, key) {
      for await (const found of itemsFrom(root, key)) {
        const order = compare(found, key);
        if (order === 0) return found;
        if (order > 0) return undefined;
      }
      return undefined;
    },
  };
}

function itemAt(bytes: Buffer, at: number, logical: number): Item {
  const dataAt = headerBytes + bytes.readUInt32LE(at + keyBytes);
  const dataEnd = dataAt + bytes.readUInt32LE(at + keyBytes + 4);
  if (dataEnd > bytes.length)
    throw new AppError('corrupt', `btrfs node ${logical}: an item goes past its end`);
  return { ...keyAt(bytes, at), data: bytes.subarray(dataAt, dataEnd) };
}

export const keyAt = (bytes: Buffer, at: number): Key => ({
  object: bytes.readBigUInt64LE(at),
  type: bytes[at + 8]!,
  offset: bytes.readBigUInt64LE(at + 9),
});

export function compare(a: Key, b: Key): number {
  if (a.object !== b.object) return a.object < b.object ? -1 : 1;
  if (a.type !== b.type) return a.type - b.type;
  return a.offset === b.offset ? 0 : a.offset < b.offset ? -1 : 1;
}

/** -1: all are behind. */
function lastNotBehind(bytes: Buffer, count: number, size: number, key: Key): number {
  let low = -1;
  let high = count;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (compare(keyAt(bytes, headerBytes + middle * size), key) <= 0) low = middle;
    else high = middle;
  }
  return low;
}
