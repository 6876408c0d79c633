/**
 * A VHDX: opening it verifies headers, log, regions, metadata and that no block lies on anything else; here also
 * that each block that is partially present has its bitmap, and what there is of each kind is counted.
 */
import type { ByteSource } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes } from '../structure.ts';
import { blockStates } from './layout.ts';
import { openStructure } from './open.ts';

const stepBlocks = 8192;

export async function checkVhdx(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('vhdx', source.name);
  const { table, metadata } = await openStructure(source, signal);
  const blocks = Math.ceil(metadata.virtualDiskSize / metadata.blockSize);
  const counts = { full: 0, partial: 0, fragmented: 0 };
  let next = 0;
  for (let from = 0; from < blocks; from += stepBlocks) {
    throwIfAborted(signal);
    for (const run of await table.runs(from, Math.min(blocks, from + stepBlocks), signal)) {
      const { state, block, count, offset } = run;
      if (state === blockStates.partiallyPresent) {
        counts.partial += count;
        await notes.attempt('bitmap', () => table.bitmap(block, signal));
      } else if (state === blockStates.fullyPresent) counts.full += count;
      else continue;
      if (next !== 0 && offset !== next) counts.fragmented++;
      next = offset + count * metadata.blockSize;
    }
  }
  return notes.report({
    'total-clusters': blocks,
    'allocated-clusters': counts.full + counts.partial,
    'fragmented-clusters': counts.fragmented,
    'partial-clusters': counts.partial,
  });
}
