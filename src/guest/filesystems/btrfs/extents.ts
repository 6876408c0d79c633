/** A file's bytes: in the tree itself, in extents, or in compressed extents of up to 128 KiB. */
import { readBytes } from '../../../io/byte-source.ts';
import { AppError } from '../../../model/errors.ts';
import { checkInside, readRuns } from '../runs.ts';
import type { BtrfsNode } from './inode.ts';
import { type BtrfsVolume, type Item, keyTypes } from './tree.ts';
import { unpack } from './unpack.ts';

const kinds = { inline: 0, regular: 1, preallocated: 2 } as const;
/** 128 KiB in fact; more is a broken item. */
const maxPackedBytes = 2 ** 20;

/** What of an extent is wanted: `part` of the target gets its bytes from `inside` on. */
interface Wanted {
  readonly item: Item;
  readonly inside: number;
  readonly part: Buffer;
}

/** Fills `target` from `offset` on; what no extent covers is zeros. */
export async function readInto(
  volume: BtrfsVolume,
  file: BtrfsNode,
  target: Buffer,
  offset: number,
): Promise<void> {
  const { inode, subvolume } = file;
  if (inode === undefined) return;
  target.fill(0);
  const from = { object: inode, type: keyTypes.extentData, offset: BigInt(offset) };
  for await (const item of volume.itemsFrom(subvolume.root, from)) {
    const start = Number(item.offset);
    const past = item.object === inode && item.type === from.type && start >= offset + target.length;
    if (past || item.object > inode || (item.object === inode && item.type > from.type)) return;
    if (item.object !== inode || item.type !== from.type) continue;
    if (item.data.length < 21)
      throw new AppError('corrupt', `btrfs inode ${inode}: an extent of ${item.data.length} bytes`);
    const begin = Math.max(offset, start);
    const end = Math.min(offset + target.length, start + lengthOf(item));
    if (begin < end)
      await readExtent(volume, {
        item,
        inside: begin - start,
        part: target.subarray(begin - offset, end - offset),
      });
  }
}

const u64 = (item: Item, at: number): number => {
  const value = Number(item.data.readBigUInt64LE(at));
  if (!Number.isSafeInteger(value))
    throw new AppError('corrupt', `btrfs inode ${item.object}: an extent at ${value}`);
  return value;
};

function lengthOf(item: Item): number {
  if (item.data[20] === kinds.inline) return u64(item, 8);
  if (item.data.length < 53) throw new AppError('corrupt', `btrfs inode ${item.object}: an extent is cut`);
  return u64(item, 45);
}

async function readExtent(volume: BtrfsVolume, { item, inside, part }: Wanted): Promise<void> {
  const { data } = item;
  const method = data[16]!;
  if (data[17] !== 0 || data.readUInt16LE(18) !== 0)
    throw new AppError('unsupported', `btrfs inode ${item.object}: an encrypted extent`);
  const unpackedBytes = u64(item, 8);
  if (data[20] === kinds.inline) {
    const bytes =
      method === 0 ? data.subarray(21) : await unpacked(volume, item, data.subarray(21), unpackedBytes);
    if (inside + part.length > bytes.length)
      throw new AppError('corrupt', `btrfs inode ${item.object}: inline data is cut`);
    bytes.copy(part, 0, inside, inside + part.length);
    return;
  }
  if (data[20] !== kinds.regular && data[20] !== kinds.preallocated)
    throw new AppError('unsupported', `btrfs inode ${item.object}: an extent of kind ${data[20]}`);
  const logical = u64(item, 21);
  if (logical === 0 || data[20] === kinds.preallocated) return;
  const packedBytes = u64(item, 29);
  const at = u64(item, 37) + inside;
  if (method === 0) {
    if (at + part.length > packedBytes)
      throw new AppError('corrupt', `btrfs inode ${item.object}: an extent is cut`);
    const [place] = volume.chunks.places(logical + at, part.length);
    await readRuns(volume.looking, part, [{ at: place, length: part.length }]);
    return;
  }
  if (packedBytes > maxPackedBytes)
    throw new AppError('corrupt', `btrfs inode ${item.object}: ${packedBytes} packed bytes`);
  const [place] = volume.chunks.places(logical, packedBytes);
  checkInside(volume.looking, place!, packedBytes);
  const packed = await readBytes(volume.looking.disk, place!, packedBytes, volume.looking.signal);
  const bytes = await unpacked(volume, item, packed, unpackedBytes);
  if (at + part.length > bytes.length)
    throw new AppError('corrupt', `btrfs inode ${item.object}: an extent is cut`);
  bytes.copy(part, 0, at, at + part.length);
}

async function unpacked(volume: BtrfsVolume, item: Item, packed: Buffer, length: number): Promise<Buffer> {
  if (length > maxPackedBytes)
    throw new AppError('corrupt', `btrfs inode ${item.object}: ${length} bytes in an extent`);
  return unpack(item.data[16]!, packed, length, volume.head.sb.sectorsize);
}
