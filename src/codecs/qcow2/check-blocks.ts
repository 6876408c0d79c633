/** The refcount table: where the blocks are that hold the counts. */
import { readBytes } from '../../io/byte-source.ts';
import { type CheckState, referAligned, referTables } from './check-tables.ts';
import { maximumRefcountTableBytes } from './layout.ts';

/** Offset of each refcount block, 0 for none or one that can't be used. */
export async function readBlocks(state: CheckState, offset: number, clusters: number): Promise<Float64Array> {
  const { source, header, notes, signal } = state;
  const { clusterBytes } = header;
  const bytes = clusters * clusterBytes;
  if (bytes > maximumRefcountTableBytes) {
    notes.error('refcount-table', `a refcount table of ${bytes} bytes`);
    return new Float64Array(0);
  }
  if (!referAligned(state, 'the refcount table', offset, bytes)) return new Float64Array(0);
  const table = Buffer.alloc(bytes);
  const there = Math.min(bytes, source.size - offset);
  (await readBytes(source, offset, there, signal)).copy(table);
  const blocks = new Float64Array(bytes / 8);
  const seen = new Set<number>();
  for (let i = 0; i < blocks.length; i++) {
    const entry = table.readBigUInt64BE(i * 8);
    if (entry === 0n) continue;
    const at = Number(entry);
    if ((entry & 0x1ffn) !== 0n || at % clusterBytes !== 0) {
      notes.error('unaligned', `the refcount block ${i} at ${at} is not aligned`);
    } else if (at + clusterBytes > state.clusters * clusterBytes) {
      notes.error('outside', `the refcount block ${i} at ${at} goes past the end of the file`);
    } else if (seen.has(at)) {
      notes.error('overlap', `the refcount block ${i} at ${at} is also that of other clusters`);
    } else {
      seen.add(at);
      referTables(state, `the refcount block ${i}`, at, clusterBytes);
      blocks[i] = at;
    }
  }
  return blocks;
}
