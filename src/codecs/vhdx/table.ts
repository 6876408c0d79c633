/**
 * The block allocation table, 2.5. It may have half a gigabyte (64 TiB in blocks of 1 MiB), so it is checked once in
 * pieces and then read through a small cache.
 */
import { isZero } from '../../io/blocks.ts';
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { cached } from '../../io/cached.ts';
import { type Disk, sourceDisk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB, TiB } from '../../model/units.ts';
import type { Region } from './front.ts';
import {
  bitmapBlockBytes,
  bitmapIndex,
  bitmapPresent,
  blockStates,
  chunkRatio,
  decodeEntry,
  type Entry,
  entryBytes,
  entryIndex,
} from './layout.ts';
import type { Metadata } from './metadata.ts';

/** Twice the largest disk: no block lies further back. */
const largestFile = 128 * TiB;
const pieceBytes = MiB;

/** Blocks one behind the other of one state; those that are fully present also in the file. */
export interface Run {
  readonly state: number;
  readonly block: number;
  count: number;
  /** Of the first one in the file, bytes. */
  readonly offset: number;
}

export interface BlockTable {
  /** What payload blocks [from, to) are. Each one that is partially present is a run of its own. */
  runs(from: number, to: number, signal?: AbortSignal): Promise<Run[]>;
  /** The bits of a block that is partially present: a set one is a sector that is here. */
  bitmap(block: number, signal?: AbortSignal): Promise<Buffer>;
}

export interface TableOf {
  readonly source: ByteSource;
  readonly region: Region;
  readonly metadata: Metadata;
  /** What no block may lie on: the front, the log, the regions. */
  readonly structures: readonly { readonly offset: number; readonly length: number }[];
}

/**
 * The table, every entry in use checked: a known state, inside the file, clear of the structures and of the others.
 * @throws AppError `corrupt`, `unsupported`.
 */
export async function openTable(of: TableOf, signal?: AbortSignal): Promise<BlockTable> {
  const { source, region, metadata } = of;
  const { blockSize, logicalSectorSize, virtualDiskSize: size } = metadata;
  const ratio = chunkRatio(blockSize, logicalSectorSize);
  const blocks = Math.ceil(size / blockSize);
  const withBitmaps = metadata.parent !== undefined;
  const last = Math.max(0, blocks - 1);
  const count = blocks === 0 ? 0 : (withBitmaps ? bitmapIndex(last, ratio) : entryIndex(last, ratio)) + 1;
  if (count * entryBytes > region.length) {
    throw new AppError('corrupt', `a VHDX table of ${region.length} bytes is too small for ${size} bytes`, {
      where: source.name,
    });
  }
  await checkEntries(of, count, ratio, signal);

  // Tables and bitmaps are read piece by piece; 8 MiB of them are kept.
  const pages: Disk = cached(sourceDisk(source), { blockBytes: 64 * KiB, blocks: 128 });
  const bitsBytes = blockSize / logicalSectorSize / 8;
  return {
    async runs(from, to, signal) {
      if (to <= from) return [];
      const first = entryIndex(from, ratio);
      const length = (entryIndex(to - 1, ratio) - first + 1) * entryBytes;
      const bytes = await readBytes(pages, region.offset + first * entryBytes, length, signal);
      const runs: Run[] = [];
      let run: Run | undefined;
      for (let block = from; block < to; block++) {
        const { state, offset } = decodeEntry(bytes, (entryIndex(block, ratio) - first) * entryBytes);
        const goesOn =
          run !== undefined &&
          run.state === state &&
          state !== blockStates.partiallyPresent &&
          (state !== blockStates.fullyPresent || run.offset + run.count * blockSize === offset);
        if (goesOn) run!.count++;
        else {
          run = { state, block, count: 1, offset };
          runs.push(run);
        }
      }
      return runs;
    },
    async bitmap(block, signal) {
      const at = region.offset + bitmapIndex(block, ratio) * entryBytes;
      const { state, offset } = decodeEntry(await readBytes(pages, at, entryBytes, signal), 0);
      if (state !== bitmapPresent) {
        throw new AppError(
          'corrupt',
          `VHDX block ${block} is partially present, but its bitmap is not there`,
          {
            where: source.name,
          },
        );
      }
      return readBytes(pages, offset + (block % ratio) * bitsBytes, bitsBytes, signal);
    },
  };
}

async function checkEntries(of: TableOf, count: number, ratio: number, signal?: AbortSignal): Promise<void> {
  const { source, region } = of;
  const used = new UsedSpace(source);
  for (const { offset, length } of of.structures) used.take(offset, length, 'a structure');
  const zeros = Buffer.alloc(64 * KiB);
  const end = region.offset + count * entryBytes;
  for (let at = region.offset; at < end; at += pieceBytes) {
    const bytes = await readBytes(source, at, Math.min(pieceBytes, end - at), signal);
    for (let from = 0; from < bytes.length; from += zeros.length) {
      const to = Math.min(from + zeros.length, bytes.length);
      if (isZero(bytes, from, to, zeros)) continue;
      for (let i = from; i < to; i += entryBytes) {
        checkEntry(of, (at - region.offset + i) / entryBytes, decodeEntry(bytes, i), ratio, used);
      }
    }
  }
}

function checkEntry(of: TableOf, index: number, entry: Entry, ratio: number, used: UsedSpace): void {
  const { blockSize, virtualDiskSize, parent } = of.metadata;
  const where = of.source.name;
  const chunk = Math.floor(index / (ratio + 1));
  if (index % (ratio + 1) === ratio) {
    // Without a parent there are no bitmaps; qemu up to 8.0 leaves what it likes in their places.
    if (parent === undefined || entry.state === 0) return;
    if (entry.state !== bitmapPresent)
      throw new AppError('corrupt', `VHDX bitmap ${chunk} has the state ${entry.state}`, { where });
    used.take(entry.offset, bitmapBlockBytes, `bitmap ${chunk}`);
    return;
  }
  const block = index - chunk;
  const present = entry.state === blockStates.fullyPresent || entry.state === blockStates.partiallyPresent;
  if (entry.state === 4 || entry.state === 5)
    throw new AppError('unsupported', `VHDX block ${block} has the unknown state ${entry.state}`, { where });
  if (entry.state === blockStates.partiallyPresent && parent === undefined)
    throw new AppError('corrupt', `VHDX block ${block} is partially present, but there is no parent`, {
      where,
    });
  // The table of a differencing disk goes on to the end of its last chunk.
  const needed = Math.min(blockSize, virtualDiskSize - block * blockSize);
  if (present && needed > 0) used.take(entry.offset, needed, `block ${block}`);
}

/** Which mebibytes of the file are in use, so that nothing lies on anything else. */
class UsedSpace {
  readonly #source: ByteSource;
  readonly #end: number;
  readonly #bits: Uint8Array;

  constructor(source: ByteSource) {
    this.#source = source;
    this.#end = Math.min(source.size, largestFile);
    this.#bits = new Uint8Array(Math.ceil(this.#end / MiB / 8));
  }

  /** @throws AppError `corrupt` when the range is not inside the file or taken already. */
  take(offset: number, length: number, what: string): void {
    if (offset > this.#end - length) {
      throw new AppError(
        'corrupt',
        `VHDX ${what} at ${offset} goes past the end (${this.#source.size} bytes)`,
        {
          where: this.#source.name,
          hint: 'the file is cut short; fetch it again',
        },
      );
    }
    for (let unit = offset / MiB; unit < (offset + length) / MiB; unit++) {
      const bit = 1 << (unit & 7);
      const at = Math.floor(unit / 8);
      if ((this.#bits[at]! & bit) !== 0) {
        throw new AppError('corrupt', `VHDX ${what} at ${offset} lies on something else`, {
          where: this.#source.name,
        });
      }
      this.#bits[at]! |= bit;
    }
  }
}
