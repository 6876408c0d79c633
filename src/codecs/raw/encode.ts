/** The disk's data in ascending order; zeros are left out, or written where the file is to be allocated fully. */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import { type Disk, slice } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { mostParts, partName } from '../../io/part-names.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';

// The block of common filesystems: a smaller hole would be filled by the filesystem anyway.
const grainBytes = 4 * KiB;

/** `start`: where the disk begins on the one that is converted. */
export const rawFile = (disk: Disk, name: string, full: boolean, start = 0): EncodedFile => ({
  name,
  size: disk.size,
  late: false,
  chunks: (signal) => rawChunks(disk, full, start, signal),
});

/** Parts of `splitSize` bytes, the last one shorter; there is at least one. */
export function rawParts(disk: Disk, name: string, splitSize: number, full: boolean): EncodedFile[] {
  const count = Math.max(1, Math.ceil(disk.size / splitSize));
  if (count > mostParts)
    throw new AppError('usage', `more than ${mostParts} parts`, { hint: 'make them larger' });
  return Array.from({ length: count }, (_, i) => {
    const offset = i * splitSize;
    const part = slice(disk, offset, Math.min(splitSize, disk.size - offset));
    return rawFile(part, partName(name, i + 1), full, offset);
  });
}

async function* rawChunks(
  disk: Disk,
  full: boolean,
  start: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  let end = 0;
  for await (const block of dataBlocks(disk, { grainBytes, signal })) {
    const release = sharedRelease(block, block.runs.length);
    for (const { offset, bytes } of block.runs) {
      if (full) yield* zeroChunks(end, offset, start);
      yield { offset, bytes, release, disk: start + offset };
      end = offset + bytes.length;
    }
  }
  if (full) yield* zeroChunks(end, disk.size, start);
}

function* zeroChunks(from: number, to: number, start: number): Generator<Chunk> {
  const zeros = Buffer.alloc(Math.min(MiB, to - from));
  for (let offset = from; offset < to; offset += zeros.length) {
    yield {
      offset,
      bytes: zeros.subarray(0, Math.min(zeros.length, to - offset)),
      disk: start + offset,
    };
  }
}
