/** The blocks of a dynamic or differencing disk: allocation table and sector bitmaps, as a `Disk` with holes. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { type Extent, ExtentList } from '../../io/extents.ts';
import { inOrder, throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { bitmapBytes, type DynamicHeader, headerBytes, sectorBytes, unusedEntry } from './layout.ts';

const largestTableBytes = 64 * MiB;
const mixedKept = 4096;
const bitmapsAtOnce = 16;

export interface BlockMap {
  readonly blockSize: number;
  /** First sector of each block's bitmap, or `unusedEntry`. */
  readonly table: Uint32Array;
}

/** Whether the header's table has an entry for every block of a disk of `size` bytes. */
export const coversSize = (header: DynamicHeader, size: number): boolean =>
  Math.ceil(size / header.blockSize) <= header.maxTableEntries;

/** Bytes of the entries that the disk needs. @throws AppError `corrupt`, `unsupported`. */
export function tableBytesOf(source: ByteSource, header: DynamicHeader, size: number): number {
  const { blockSize, tableOffset, maxTableEntries } = header;
  const where = source.name;
  if (blockSize < 4 * KiB || blockSize > 256 * MiB || !Number.isInteger(Math.log2(blockSize))) {
    throw new AppError(
      'unsupported',
      `VHD block size ${blockSize}, a power of two from 4 KiB to 256 MiB is expected`,
      { where },
    );
  }
  if (!coversSize(header, size)) {
    throw new AppError('corrupt', `VHD table of ${maxTableEntries} entries is too small for ${size} bytes`, {
      where,
    });
  }
  const tableBytes = Math.ceil(size / blockSize) * 4;
  if (tableBytes > largestTableBytes) {
    throw new AppError(
      'unsupported',
      `a VHD table of ${tableBytes} bytes, at most ${largestTableBytes} are read`,
      { where },
    );
  }
  if (tableOffset > source.size - tableBytes) {
    throw new AppError('corrupt', `VHD table at ${tableOffset} goes past the end`, { where });
  }
  return tableBytes;
}

/**
 * The table, every entry checked: inside the file, clear of the structures and of one another.
 * @throws AppError `corrupt`, `unsupported`.
 */
export async function readBlockMap(
  source: ByteSource,
  header: DynamicHeader,
  headerOffset: number,
  size: number,
  dataEnd: number,
  signal?: AbortSignal,
): Promise<BlockMap> {
  const { blockSize, tableOffset } = header;
  const where = source.name;
  const tableBytes = tableBytesOf(source, header, size);
  const entries = tableBytes / 4;
  const bytes = await readBytes(source, tableOffset, tableBytes, signal);
  const table = new Uint32Array(entries);
  for (let i = 0; i < entries; i++) table[i] = bytes.readUInt32BE(i * 4);
  const structures = [
    { name: 'footer copy', from: 0, to: sectorBytes },
    { name: 'header', from: headerOffset, to: headerOffset + headerBytes },
    { name: 'table', from: tableOffset, to: tableOffset + tableBytes },
  ];
  checkTable({ blockSize, table }, size, dataEnd, structures, where);
  return { blockSize, table };
}

function checkTable(
  { blockSize, table }: BlockMap,
  size: number,
  dataEnd: number,
  structures: readonly { name: string; from: number; to: number }[],
  where: string,
): void {
  const bitmap = bitmapBytes(blockSize);
  const lengthOf = (i: number) => bitmap + Math.min(blockSize, size - i * blockSize);
  for (let i = 0; i < table.length; i++) {
    if (table[i] === unusedEntry) continue;
    const from = table[i]! * sectorBytes;
    // Only what the disk needs of its last block has to be there.
    const to = from + lengthOf(i);
    if (to > dataEnd) {
      throw new AppError('corrupt', `VHD block ${i} at ${from} goes past the end of the data (${dataEnd})`, {
        where,
        hint: 'the file is cut short; fetch it again',
      });
    }
    const hit = structures.find((s) => from < s.to && to > s.from);
    if (hit !== undefined)
      throw new AppError('corrupt', `VHD block ${i} at ${from} lies on the ${hit.name}`, { where });
  }
  const used = table.filter((entry) => entry !== unusedEntry).sort();
  const last = table.length - 1;
  for (let i = 1; i < used.length; i++) {
    const before = used[i - 1]!;
    const length = before === table[last] ? lengthOf(last) : bitmap + blockSize;
    if ((used[i]! - before) * sectorBytes < length) {
      throw new AppError('corrupt', `two VHD blocks lie on one another at ${used[i]! * sectorBytes}`, {
        where,
      });
    }
  }
}

/** What a block's bitmap says: every sector is there, none, or some. */
type Sectors = 'all' | 'none' | Buffer;

/** A block that is not there, or a sector whose bit is clear, is a `hole`. The source is closed by the caller. */
export function blockDisk(source: ByteSource, { blockSize, table }: BlockMap, size: number): Disk {
  const bitmapLength = bitmapBytes(blockSize);
  const sectorsPerBlock = blockSize / sectorBytes;
  const known = new Uint8Array(table.length); // 0 not read yet, 1 all, 2 none, 3 some
  const mixed = new Map<number, Buffer>();
  const ones = Buffer.alloc(Math.ceil(sectorsPerBlock / 8), 0xff);
  const zeros = Buffer.alloc(ones.length);

  const sectorsOf = async (block: number, signal: AbortSignal | undefined): Promise<Sectors> => {
    if (table[block] === unusedEntry || known[block] === 2) return 'none';
    if (known[block] === 1) return 'all';
    const kept = mixed.get(block);
    if (kept !== undefined) return kept;
    const bitmap = await readBytes(source, table[block]! * sectorBytes, bitmapLength, signal);
    const bits = bitmap.subarray(0, ones.length);
    known[block] = bits.equals(ones) ? 1 : bits.equals(zeros) ? 2 : 3;
    if (known[block] === 1) return 'all';
    if (known[block] === 2) return 'none';
    mixed.set(block, bits);
    if (mixed.size > mixedKept) mixed.delete(mixed.keys().next().value!);
    return bits;
  };

  const extents = async (from: number, to: number, signal?: AbortSignal): Promise<Extent[]> => {
    const out = new ExtentList(from);
    if (to <= from) return out.list;
    const blocks = numbers(Math.floor(from / blockSize), Math.ceil(to / blockSize));
    const maps = inOrder(
      blocks,
      bitmapsAtOnce,
      async (block) => ({ block, sectors: await sectorsOf(block, signal) }),
      signal,
    );
    for await (const { block, sectors } of maps) pushBlock(out, sectors, block * blockSize, blockSize, to);
    return out.list;
  };
  const disk: Disk = {
    size,
    sectorSize: sectorBytes,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      checkRange({ name: source.name, size }, offset, target.length);
      for (let done = 0; done < target.length; ) {
        const at = offset + done;
        const block = Math.floor(at / blockSize);
        const part = target.subarray(
          done,
          done + Math.min(target.length - done, (block + 1) * blockSize - at),
        );
        if (table[block] === unusedEntry) part.fill(0);
        else await source.read(part, table[block]! * sectorBytes + bitmapLength + (at % blockSize), signal);
        done += part.length;
      }
    },
    async extents(from, to, signal) {
      throwIfAborted(signal);
      checkRange({ name: source.name, size }, from, to - from);
      return extents(from, to, signal);
    },
    close: () => Promise.resolve(),
  };
  return disk;
}

function* numbers(from: number, to: number): Generator<number> {
  for (let i = from; i < to; i++) yield i;
}

/** Appends the block's extents from `out.end` to at most `to`; a run of equal bits is one extent. */
function pushBlock(out: ExtentList, sectors: Sectors, start: number, blockSize: number, to: number): void {
  const end = Math.min(start + blockSize, to);
  if (typeof sectors === 'string') {
    out.push(sectors === 'all' ? 'data' : 'hole', end - out.end);
    return;
  }
  while (out.end < end) {
    const sector = Math.floor((out.end - start) / sectorBytes);
    const set = isSet(sectors, sector);
    let next = sector + 1;
    const last = Math.ceil((end - start) / sectorBytes);
    while (next < last && isSet(sectors, next) === set) next++;
    out.push(set ? 'data' : 'hole', Math.min(end, start + next * sectorBytes) - out.end);
  }
}

/** The first sector is the highest bit of the first byte. */
const isSet = (bits: Buffer, sector: number): boolean =>
  ((bits[sector >> 3]! >> (7 - (sector & 7))) & 1) === 1;
