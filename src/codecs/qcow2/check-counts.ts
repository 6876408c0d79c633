/** The counts of the file beside what was counted, and the flags that depend on them. */
import { isZero } from '../../io/blocks.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { type CheckState, eachTable } from './check-tables.ts';
import { l2Entry } from './layout.ts';

/** More wrong counts than these are not kept; the flags are then not looked at. */
const mostKept = 100_000;

/** Resolves to the counts of the file where they are not those that were counted. */
export async function compareCounts(state: CheckState, blocks: Float64Array): Promise<Map<number, number>> {
  const { source, header, notes, counts, signal } = state;
  const { clusterBytes, refcountBits } = header;
  const perBlock = (clusterBytes * 8) / refcountBits;
  const wrong = new Map<number, number>();
  const zeros = Buffer.alloc(clusterBytes);
  const bytes = Buffer.alloc(clusterBytes);
  let leaks = 0;
  for (let i = 0; i * perBlock < state.clusters; i++) {
    throwIfAborted(signal);
    const first = i * perBlock;
    const end = Math.min(state.clusters, first + perBlock);
    const at = blocks[i] ?? 0;
    const used = !counts.isEmpty(first, end);
    if (at === 0 && !used) {
      if (i >= blocks.length && counts.isEmpty(first, state.clusters)) break;
      continue;
    }
    bytes.fill(0);
    if (at !== 0) {
      await source.read(bytes.subarray(0, Math.min(clusterBytes, source.size - at)), at, signal);
      if (!used && isZero(bytes, 0, clusterBytes, zeros)) continue;
    }
    for (let cluster = first; cluster < end; cluster++) {
      const found = countOf(bytes, cluster - first, refcountBits);
      const expected = counts.get(cluster);
      if (found === expected) continue;
      if (wrong.size < mostKept) wrong.set(cluster, found);
      if (found > expected) leaks++;
      else {
        notes.error(
          'refcount',
          `the cluster at ${cluster * clusterBytes} has a reference count of ${found}, ${expected} expected`,
        );
      }
    }
  }
  notes.leaks(leaks, leaks * clusterBytes);
  return wrong;
}

/** Counts of less than a byte begin with the lowest bits. */
function countOf(block: Buffer, index: number, bits: number): number {
  switch (bits) {
    case 16:
      return block.readUInt16BE(index * 2);
    case 8:
      return block[index]!;
    case 32:
      return block.readUInt32BE(index * 4);
    case 64:
      return Number(block.readBigUInt64BE(index * 8));
    default: {
      const perByte = 8 / bits;
      return (block[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & (2 ** bits - 1);
    }
  }
}

/** "Copied" says that the count is one and a writer need not look: it has to be so, in the active state. */
export async function checkCopied(state: CheckState, wrong: ReadonlyMap<number, number>): Promise<void> {
  const { source, header, notes, counts } = state;
  if (wrong.size >= mostKept) {
    return notes.warn('flags-not-checked', 'too many counts are wrong to look at the flags that follow them');
  }
  const { clusterBytes, clusterBits, extendedL2 } = header;
  const check = (what: string, host: number, copied: boolean) => {
    const cluster = Math.floor(host / clusterBytes);
    const count = wrong.get(cluster) ?? counts.get(cluster);
    if ((count === 1) === copied) return;
    notes.error(
      'copied',
      `${what} at ${host} is ${copied ? '' : 'not '}marked as used once; its count is ${count}`,
    );
  };
  const entryBytes = extendedL2 ? 16 : 8;
  const quiet = notes.silent();
  for await (const { table, offset, use } of eachTable(state, (u) => u.active)) {
    check('the L2 table', offset, use.copied);
    if (header.externalDataFile !== undefined) continue;
    for (let at = 0; at < table.length; at += entryBytes) {
      if (table.readUInt32BE(at) === 0 && table.readUInt32BE(at + 4) === 0) continue;
      const entry = quiet.entry(() => l2Entry(table, at, clusterBits, source.name));
      if (entry?.kind !== 'standard' || entry.host === 0 || entry.host % clusterBytes !== 0) continue;
      if (entry.host < state.clusters * clusterBytes) check('the cluster', entry.host, entry.copied);
    }
  }
}
