/** A disk beside the digests of another one: the same bytes, or where the first difference is. */
import { dataBlocks, isZero } from '../io/blocks.ts';
import { blockBytes, type DiskDigest, diskDigest } from '../io/digest.ts';
import { digested } from '../io/digested.ts';
import { counted, type Disk, slice, walkExtents } from '../io/disk.ts';
import { MiB } from '../model/units.ts';

/** The bytes of the disk in which the first difference is. */
export interface Difference {
  readonly offset: number;
  readonly length: number;
  readonly what: 'other bytes' | 'ends before' | 'data behind the end';
}

export interface CompareOptions {
  readonly signal: AbortSignal;
  /** Called for bytes that were read. */
  readonly onBytes: (bytes: number) => void;
  /** Passed before each read. */
  readonly gate?: ((bytes: number) => Promise<void>) | undefined;
}

/**
 * Reads the disk once, ascending, as far as the first block that is different. A disk that is longer, as some formats
 * need it, must hold zeros there.
 */
export async function firstDifference(
  disk: Disk,
  expected: DiskDigest,
  { signal, onBytes, gate }: CompareOptions,
): Promise<Difference | undefined> {
  const { size } = expected;
  if (disk.size < size) {
    return { offset: disk.size, length: size - disk.size, what: 'ends before' };
  }
  let first = Number.POSITIVE_INFINITY;
  const found = await diskDigest(size, {
    algorithm: expected.algorithm,
    onBlock({ block, digest }) {
      if (!digest.equals(expected.of(block))) first = Math.min(first, block);
    },
  });
  const reading = digested(slice(counted(disk, onBytes, gate), 0, size), found);
  for await (const block of dataBlocks(reading, { grainBytes: MiB, signal })) {
    const { offset } = block.runs[0]!;
    block.release();
    // Blocks that come later may be ready sooner: those before must have had their turn.
    if (offset > (first + 8) * blockBytes) break;
  }
  await reading.settle(signal);
  // What was expected to hold data may lie where nothing is to be read.
  for (const { block } of expected.blocks(0, Math.min(first, expected.blockCount))) {
    if (!found.of(block).equals(expected.of(block))) first = Math.min(first, block);
  }
  if (first !== Number.POSITIVE_INFINITY) {
    return { offset: first * blockBytes, length: expected.lengthOf(first), what: 'other bytes' };
  }
  return dataBehind(disk, size, signal);
}

async function dataBehind(disk: Disk, from: number, signal: AbortSignal): Promise<Difference | undefined> {
  const buffer = Buffer.alloc(MiB);
  const zeros = Buffer.alloc(64 * 1024);
  for await (const { kind, offset, length } of walkExtents(disk, from, disk.size, signal)) {
    for (let at = offset; kind === 'data' && at < offset + length; at += buffer.length) {
      const part = buffer.subarray(0, Math.min(buffer.length, offset + length - at));
      await disk.read(part, at, signal);
      if (!isZero(part, 0, part.length, zeros)) {
        return { offset: at, length: part.length, what: 'data behind the end' };
      }
    }
  }
  return undefined;
}
