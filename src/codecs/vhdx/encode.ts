/**
 * Writes fixed and dynamic disks as Hyper-V takes them: everything at whole mebibytes, two headers, two region tables,
 * an empty log, no bitmaps.
 *
 *   0 front 1M | log 1M | metadata 1M | block allocation table | payload blocks
 *
 * A fixed disk is written front to back. Of a dynamic one only the table comes late; a block takes its place when its
 * first byte is met, and what is zero in it stays a hole where the destination has holes.
 */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes, KiB, MiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import { frontChunks, type Shape } from './encode-front.ts';
import {
  blockStates,
  chunkRatio,
  encodeEntry,
  entryBytes,
  entryIndex,
  largestBlock,
  largestBytes,
  smallestBlock,
} from './layout.ts';

const blockSizes = Array.from({ length: 9 }, (_, i) => smallestBlock * 2 ** i);

const options: readonly OptionSpec[] = [
  {
    kind: 'choice',
    key: 'subformat',
    label: 'Layout',
    help: 'dynamic grows with its data; fixed is as large as the disk',
    choices: ['dynamic', 'fixed'],
    default: 'dynamic',
  },
  {
    kind: 'bytes',
    key: 'blockSize',
    label: 'Block size',
    // Hyper-V's own default is 32 MiB, but it takes no sparse file: each block is there as a whole on its disks. A
    // Linux filesystem puts a little everywhere, which is why Microsoft recommends 1 MiB for it.
    help: 'unit of allocation; 1M keeps the file small, Hyper-V itself makes 32M',
    choices: blockSizes,
    min: smallestBlock,
    max: largestBlock,
    default: smallestBlock,
  },
  {
    kind: 'bytes',
    key: 'logicalSectorSize',
    label: 'Logical sector',
    help: 'what the guest sees; a system that was installed on 512 does not start on 4096',
    choices: [512, 4096],
    min: 512,
    max: 4096,
    default: 512,
  },
];

const grainBytes = 4 * KiB;
/** The table is made in pages of this size, those in use only. */
const pageBytes = 64 * KiB;

export const vhdxEncoder: Encoder = {
  options,
  maximumBytes: () => largestBytes,
  representableBytes: roundedSize,
  steady: () => true,
  async encode(disk, name, given) {
    const size = roundedSize(disk.size, given);
    if (size > largestBytes) {
      throw new AppError(
        'unsupported',
        `a VHDX holds at most ${formatBytes(largestBytes)}, the disk has ${disk.size} bytes`,
      );
    }
    const shape = shapeOf(size, given);
    return [shape.fixed ? fixedFile(disk, name, shape) : dynamicFile(disk, name, shape)];
  },
};

function roundedSize(size: number, given: Options): number {
  const sector = Number(given.logicalSectorSize);
  return Math.ceil(size / sector) * sector;
}

function shapeOf(size: number, given: Options): Shape {
  const blockSize = Number(given.blockSize);
  const sectorSize = Number(given.logicalSectorSize);
  const blocks = Math.ceil(size / blockSize);
  const ratio = chunkRatio(blockSize, sectorSize);
  const entries = blocks === 0 ? 0 : entryIndex(blocks - 1, ratio) + 1;
  const tableBytes = Math.max(1, Math.ceil((entries * entryBytes) / MiB)) * MiB;
  const tableOffset = 3 * MiB;
  return {
    size,
    blockSize,
    sectorSize,
    fixed: given.subformat === 'fixed',
    blocks,
    ratio,
    tableOffset,
    tableBytes,
    dataOffset: tableOffset + tableBytes,
  };
}

function fixedFile(disk: Disk, name: string, shape: Shape): EncodedFile {
  const { blocks, blockSize, dataOffset } = shape;
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    yield* frontChunks(shape);
    for (const page of fullPages(shape)) yield page;
    for await (const block of dataBlocks(disk, { grainBytes, signal })) {
      const release = sharedRelease(block, block.runs.length);
      for (const { offset, bytes } of block.runs)
        yield { offset: dataOffset + offset, bytes, release, disk: offset };
    }
  }
  return { name, size: dataOffset + blocks * blockSize, late: false, chunks };
}

/** The table of a disk whose blocks are all there, one behind the other. */
function* fullPages({ blocks, blockSize, ratio, tableOffset, dataOffset }: Shape): Generator<Chunk> {
  const pages = new TablePages(tableOffset);
  for (let block = 0; block < blocks; block++) {
    pages.set(entryIndex(block, ratio), dataOffset + block * blockSize);
    if (pages.count > 1) yield* pages.drain(1);
  }
  yield* pages.drain(0);
}

function dynamicFile(disk: Disk, name: string, shape: Shape): EncodedFile {
  const { blockSize, ratio, tableOffset, dataOffset } = shape;
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    yield* frontChunks(shape);
    const pages = new TablePages(tableOffset);
    let current = -1;
    let fileEnd = dataOffset;
    let written = 0;
    const blockBytes = Math.min(blockSize, MiB);
    for await (const read of dataBlocks(disk, { grainBytes, blockBytes, signal })) {
      const block = Math.floor(read.runs[0]!.offset / blockSize);
      if (block !== current) {
        pages.set(entryIndex(block, ratio), fileEnd);
        current = block;
        fileEnd += blockSize;
      }
      const start = fileEnd - blockSize - block * blockSize;
      const release = sharedRelease(read, read.runs.length);
      for (const { offset, bytes } of read.runs) {
        written = start + offset + bytes.length;
        yield { offset: start + offset, bytes, release, disk: offset };
      }
    }
    // The last block is there to its end, as is the table of a disk without any.
    if (written < fileEnd) {
      const bytes = Buffer.alloc(Math.min(grainBytes, fileEnd - written));
      yield { offset: fileEnd - bytes.length, bytes };
    }
    for (const page of pages.drain(0)) yield { ...page, late: true };
  }
  return { name, late: true, chunks };
}

/** The table's pages that have any entry. */
class TablePages {
  readonly #tableOffset: number;
  readonly #pages = new Map<number, Buffer>();

  constructor(tableOffset: number) {
    this.#tableOffset = tableOffset;
  }

  get count(): number {
    return this.#pages.size;
  }

  set(index: number, offset: number): void {
    if (offset % MiB !== 0) throw new AppError('bug', `VHDX block at ${offset}, no whole mebibyte`);
    const page = Math.floor((index * entryBytes) / pageBytes);
    let bytes = this.#pages.get(page);
    if (bytes === undefined) {
      bytes = Buffer.alloc(pageBytes);
      this.#pages.set(page, bytes);
    }
    encodeEntry(bytes, (index * entryBytes) % pageBytes, { state: blockStates.fullyPresent, offset });
  }

  /** Hands out the pages, ascending, but for the last `keep`. */
  *drain(keep: number): Generator<Chunk> {
    for (const [page, bytes] of this.#pages) {
      if (this.#pages.size <= keep) return;
      this.#pages.delete(page);
      yield { offset: this.#tableOffset + page * pageBytes, bytes };
    }
  }
}
