/** The checksums that a DMG's block tables have of their data; what they lead to is told by opening it. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import type { CheckReport } from '../../model/check-report.ts';
import { MiB } from '../../model/units.ts';
import type { CheckContext, OpenImage } from '../codec.ts';
import { CheckNotes } from '../structure.ts';
import { openDmg, readTrailer } from './open.ts';
import { readChunks, type TableSum } from './tables.ts';

export async function checkDmg(source: ByteSource, context: CheckContext): Promise<CheckReport> {
  const notes = new CheckNotes('dmg', source.name);
  const { signal, deep = false } = context;
  const sums: TableSum[] = [];
  const chunks = await readChunks(source, await readTrailer(source, signal), signal, (sum) => sums.push(sum));
  const facts = { 'block-tables': sums.length, chunks: chunks.length };
  if (!deep) return notes.report(facts);
  const disk = await openDmg(source, context); // not closed: the source is the caller's
  for (const { from, crc32, covers } of sums) {
    if (crc32 === undefined) continue;
    const found = await notes.attempt('data', () => sumOf(disk, covers, signal));
    if (found === undefined || found === crc32) continue;
    notes.error(
      'checksum',
      `the data of the block table at ${from} have the checksum ${hex(found)}, expected ${hex(crc32)}`,
    );
  }
  return notes.report(facts);
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

async function sumOf(
  disk: OpenImage,
  covers: TableSum['covers'],
  signal: AbortSignal | undefined,
): Promise<number> {
  const { crc32 } = await import('@node-rs/crc32');
  let sum = 0;
  for (const { offset, length, zero } of covers) {
    throwIfAborted(signal);
    if (zero) {
      sum = crc32OfZeros(sum, length);
      continue;
    }
    for (let at = 0; at < length; at += MiB)
      sum = crc32(await readBytes(disk, offset + at, Math.min(MiB, length - at), signal), sum);
  }
  return sum;
}

/**
 * The CRC-32 with `length` zeros behind what it is of, in a time that follows the logarithm of their number: what a
 * zero does to the register is linear over its bits, so doing it twice is a matrix multiplied by itself.
 */
export function crc32OfZeros(crc: number, length: number): number {
  let register = ~crc >>> 0;
  // One zero bit: a shift to the right, with the polynomial where a one falls out.
  let step = Array.from({ length: 32 }, (_, bit) => (bit === 0 ? 0xedb88320 : 2 ** (bit - 1)));
  for (let doubling = 0; doubling < 3; doubling++) step = squared(step); // eight bits
  for (let left = length; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) register = applied(step, register);
    step = squared(step);
  }
  return ~register >>> 0;
}

const applied = (matrix: readonly number[], vector: number): number =>
  matrix.reduce((sum, column, bit) => (((vector >>> bit) & 1) === 1 ? sum ^ column : sum), 0) >>> 0;

const squared = (matrix: readonly number[]): number[] => matrix.map((column) => applied(matrix, column));
