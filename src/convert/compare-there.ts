/** A file that holds a disk byte by byte, beside the digests of that disk: hashed where it lies. */
import type { ByteSource } from '../io/byte-source.ts';
import { blockBytes, type DiskDigest, diskDigest } from '../io/digest.ts';
import { blocksOfData } from '../io/digested.ts';
import { sourceDisk } from '../io/disk.ts';
import { inOrder } from '../io/in-order.ts';
import type { CompareOptions, Difference } from './compare-disk.ts';

/** Blocks that are hashed there at once. */
const width = 8;

/** Undefined where nobody hashes there: it has to be read. */
export async function differenceThere(
  source: ByteSource,
  expected: DiskDigest,
  { signal, onBytes, gate }: CompareOptions,
): Promise<{ readonly difference?: Difference } | undefined> {
  const sums = source.sums?.bind(source);
  if (sums === undefined || expected.algorithm !== 'sha256' || source.size !== expected.size)
    return undefined;
  const found = await diskDigest(expected.size, { algorithm: 'sha256' });
  const hashed = async (block: number) => {
    const length = expected.lengthOf(block);
    await gate?.(length);
    const leaves = await sums(block * blockBytes, length, signal);
    if (leaves !== undefined) found.put(block, leaves);
    onBytes(length);
    return { block, can: leaves !== undefined };
  };
  for await (const { block, can } of inOrder(blocksOf(source, expected, signal), width, hashed, signal)) {
    if (!can) return undefined;
    if (found.of(block).equals(expected.of(block))) continue;
    const difference: Difference = {
      offset: block * blockBytes,
      length: expected.lengthOf(block),
      what: 'other bytes',
    };
    return { difference };
  }
  return {};
}

/** Ascending: those where the file holds data, and those where it is to hold some. */
async function* blocksOf(
  source: ByteSource,
  expected: DiskDigest,
  signal: AbortSignal,
): AsyncGenerator<number> {
  const wanted = expected.blocks();
  let next = wanted.next();
  for await (const block of blocksOfData(sourceDisk(source), signal)) {
    for (; !next.done && next.value.block <= block; next = wanted.next()) {
      if (next.value.block < block) yield next.value.block;
    }
    yield block;
  }
  for (; !next.done; next = wanted.next()) yield next.value.block;
}
