/** The disk's data in ascending order; zeros are left out, or written where the file is to be allocated fully. */
import { dataBlocks, sharedRelease } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk } from '../../io/encoded-file.ts';
import { KiB, MiB } from '../../model/units.ts';

// The block of common filesystems: a smaller hole would be filled by the filesystem anyway.
const grainBytes = 4 * KiB;

export async function* rawChunks(
  disk: Disk,
  full: boolean,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  let end = 0;
  for await (const block of dataBlocks(disk, { grainBytes, signal })) {
    const release = sharedRelease(block, block.runs.length);
    for (const { offset, bytes } of block.runs) {
      if (full) yield* zeroChunks(end, offset);
      yield { offset, bytes, release };
      end = offset + bytes.length;
    }
  }
  if (full) yield* zeroChunks(end, disk.size);
}

function* zeroChunks(from: number, to: number): Generator<Chunk> {
  const zeros = Buffer.alloc(Math.min(MiB, to - from));
  for (let offset = from; offset < to; offset += zeros.length) {
    yield { offset, bytes: zeros.subarray(0, Math.min(zeros.length, to - offset)) };
  }
}
