/**
 * Writes a pair, as a COW file is nothing without its backing file: `name`, and beside it the backing file with the
 * time that the COW file expects. The disk's content goes into the one or the other.
 */
import { type DataBlock, dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import type { OptionSpec, Options } from '../../model/options.ts';
import { formatBytes, KiB, MiB, TiB } from '../../model/units.ts';
import type { Encoder } from '../codec.ts';
import { headers, magic, nameBytes, placesOf, roundUp, sectorBytes } from './layout.ts';

const version = 3;
const alignment = 4096;
const grainBytes = 4 * KiB;
const pageBytes = 4 * KiB;
/** The driver keeps the place of the data in 31 bits, which the bitmap lies before. */
const largestBytes = 8 * TiB - 64 * MiB;

const options: readonly OptionSpec[] = [
  {
    kind: 'choice',
    key: 'content',
    label: 'Content in',
    help: 'backing: a plain root filesystem with a COW file that is still empty; cow: all of it as changes of an empty disk',
    choices: ['backing', 'cow'],
    default: 'backing',
  },
];

const wholeSectors = (size: number): number => roundUp(size, sectorBytes);

export const cowEncoder: Encoder = {
  options,
  maximumBytes: () => largestBytes,
  representableBytes: wholeSectors,
  async encode(disk: Disk, name: string, given: Options) {
    const size = wholeSectors(disk.size);
    if (size > largestBytes) {
      throw new AppError(
        'unsupported',
        `a COW file holds at most ${formatBytes(largestBytes)}, the disk has ${disk.size} bytes`,
        { hint: 'choose raw, which User Mode Linux takes too' },
      );
    }
    const modifiedAt = Math.floor(Date.now() / 1000);
    const backingName = backingNameOf(name);
    const header = headerOf(size, backingName, modifiedAt);
    const inCow = given.content === 'cow';
    const backing: EncodedFile = {
      name: backingName,
      size,
      late: false,
      modifiedAt,
      chunks: (signal) => (inCow ? nothing() : plainChunks(disk, 0, signal)),
    };
    return [cowFile(name, header, size, inCow ? disk : undefined), backing];
  },
};

function backingNameOf(name: string): string {
  const base = name.replace(/\.[^.]*$/, '');
  const backing = `${base === '' ? name : base}.root_fs`;
  if (Buffer.byteLength(backing) >= nameBytes)
    throw new AppError('usage', 'the name is too long for a COW file');
  return backing === name ? `${name}.backing` : backing;
}

function headerOf(size: number, backing: string, mtime: number): Buffer {
  const backingFile = Buffer.alloc(nameBytes);
  backingFile.write(backing);
  return headers.be.v3.encode({ magic, version, mtime, size, sectorBytes, alignment, backingFile });
}

async function* nothing(): AsyncGenerator<Chunk> {
  // the file is a hole
}

async function* plainChunks(
  disk: Disk,
  shift: number,
  signal: AbortSignal | undefined,
  seen?: (block: DataBlock) => void,
): AsyncGenerator<Chunk> {
  for await (const block of dataBlocks(disk, { grainBytes, signal })) {
    seen?.(block);
    const release = sharedRelease(block, block.runs.length);
    for (const { offset, bytes } of block.runs)
      yield { offset: shift + offset, bytes, release, disk: offset };
  }
}

function cowFile(name: string, header: Buffer, size: number, disk: Disk | undefined): EncodedFile {
  const places = placesOf(version, size, sectorBytes, header.length, alignment);
  async function* chunks(signal?: AbortSignal): AsyncGenerator<Chunk> {
    yield { offset: 0, bytes: header };
    if (disk === undefined) return;
    const bitmap = new SparseBitmap();
    yield* plainChunks(disk, places.dataOffset, signal, (block) => {
      for (const { offset, bytes } of block.runs) {
        const first = offset / sectorBytes;
        bitmap.set(first, first + Math.ceil(bytes.length / sectorBytes));
      }
    });
    for (const [index, page] of bitmap.pages) {
      const at = index * pageBytes;
      const bytes = page.subarray(0, Math.min(pageBytes, places.bitmapBytes - at));
      yield { offset: places.bitmapOffset + at, bytes, late: true };
    }
  }
  return { name, size: places.dataOffset + size, late: disk !== undefined, chunks };
}

/** Bits set in ascending order, in pages; those that are full share one buffer. */
class SparseBitmap {
  readonly pages = new Map<number, Buffer>();
  readonly #full = Buffer.alloc(pageBytes, 0xff);
  #last = -1;

  set(from: number, to: number): void {
    for (let bit = from; bit < to; ) {
      const page = this.#page(Math.floor(bit / 8 / pageBytes));
      const at = Math.floor(bit / 8) % pageBytes;
      if (bit % 8 === 0 && to - bit >= 8) {
        page[at] = 0xff;
        bit += 8;
      } else {
        page[at]! |= 1 << (bit % 8);
        bit++;
      }
    }
  }

  #page(index: number): Buffer {
    const found = this.pages.get(index);
    if (found !== undefined) return found;
    if (this.pages.get(this.#last)?.equals(this.#full)) this.pages.set(this.#last, this.#full);
    const fresh = Buffer.alloc(pageBytes);
    this.pages.set(index, fresh);
    this.#last = index;
    return fresh;
  }
}
