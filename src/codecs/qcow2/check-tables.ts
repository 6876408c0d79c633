/** What the L1 and L2 tables refer to. Each L2 table is read once, however many L1 tables share it. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { MiB } from '../../model/units.ts';
import type { CheckNotes } from '../structure.ts';
import type { Header } from './header.ts';
import { l1Entry, l2Entry } from './layout.ts';
import type { ReferenceCounts } from './reference-counts.ts';

/** An L2 table: how many entries of L1 tables lead to it. */
export interface TableUse {
  times: number;
  /** The active state's L1 table leads to it, and says that nothing else does. */
  active: boolean;
  copied: boolean;
}

export interface CheckState {
  readonly source: ByteSource;
  readonly header: Header;
  readonly notes: CheckNotes;
  readonly signal: AbortSignal | undefined;
  /** Of the file; the last one may be cut short. */
  readonly clusters: number;
  readonly counts: ReferenceCounts;
  readonly tables: Map<number, TableUse>;
  /** Of tables read so far: more than the file has bytes can only be tables on one another. */
  tableBytes: number;
  readonly facts: { allocated: number; compressed: number; fragmented: number };
}

/** Counts what refers to the clusters that the range touches. */
export function referTables(
  state: CheckState,
  what: string,
  offset: number,
  length: number,
  times = 1,
): boolean {
  if (length === 0) return true;
  const { clusterBytes } = state.header;
  const last = Math.floor((offset + length - 1) / clusterBytes);
  const inside = last < state.clusters;
  if (!inside) {
    state.notes.error('outside', `${what} (${length} bytes at ${offset}) goes past the end of the file`);
  }
  const end = Math.min(last, state.clusters - 1);
  for (let i = Math.floor(offset / clusterBytes); i <= end; i++) state.counts.add(i, times);
  return inside;
}

/** As `referTables`, for what has to begin at a cluster. */
export function referAligned(state: CheckState, what: string, offset: number, length: number): boolean {
  if (offset % state.header.clusterBytes === 0) return referTables(state, what, offset, length);
  state.notes.error('unaligned', `${what} at ${offset}, which is no cluster`);
  return false;
}

interface L1 {
  readonly what: string;
  readonly offset: number;
  readonly entries: number;
  readonly active: boolean;
}

/** Whether a table may be read, by what was read before. */
export function isAffordable(state: CheckState, bytes: number): boolean {
  state.tableBytes += bytes;
  if (state.tableBytes <= state.source.size) return true;
  state.notes.error('overlap', 'there are more tables than the file has room for');
  return false;
}

export async function countTables(state: CheckState, l1: L1): Promise<void> {
  const { source, notes, header, signal } = state;
  const { what, offset, entries, active } = l1;
  if (entries === 0 || !isAffordable(state, entries * 8) || !referAligned(state, what, offset, entries * 8))
    return;
  if (offset + entries * 8 > source.size) return notes.error('outside', `${what} is cut short`);
  const table = await readBytes(source, offset, entries * 8, signal);
  for (let i = 0; i < entries; i++) {
    const at = notes.entry(() => l1Entry(table, i, source.name));
    if (at === undefined || at === 0) continue;
    if (at % header.clusterBytes !== 0) {
      notes.error('unaligned', `the L2 table at ${at}, of entry ${i} of the ${what}, is not aligned`);
      continue;
    }
    if (!referTables(state, `the L2 table of entry ${i} of the ${what}`, at, header.clusterBytes)) continue;
    const use = state.tables.get(at) ?? { times: 0, active: false, copied: false };
    use.times++;
    if (active) {
      use.active = true;
      use.copied = table[i * 8]! >>> 7 === 1;
    }
    state.tables.set(at, use);
  }
}

/** Each table once, in the order of the file; neighbours are read together. */
export async function* eachTable(
  state: CheckState,
  wanted: (use: TableUse) => boolean,
): AsyncGenerator<{ table: Buffer; offset: number; use: TableUse }> {
  const { source, signal } = state;
  const { clusterBytes } = state.header;
  const offsets = Float64Array.from([...state.tables].filter(([, u]) => wanted(u)).map(([at]) => at)).sort();
  for (let i = 0; i < offsets.length; ) {
    throwIfAborted(signal);
    const first = offsets[i]!;
    let count = 1;
    while (offsets[i + count] === first + count * clusterBytes && (count + 1) * clusterBytes <= MiB) count++;
    const bytes = Buffer.alloc(count * clusterBytes);
    await source.read(bytes.subarray(0, Math.min(bytes.length, source.size - first)), first, signal);
    for (let k = 0; k < count; k++) {
      const offset = first + k * clusterBytes;
      const table = bytes.subarray(k * clusterBytes, (k + 1) * clusterBytes);
      yield { table, offset, use: state.tables.get(offset)! };
    }
    i += count;
  }
}

export async function walkTables(state: CheckState): Promise<void> {
  for await (const { table, offset, use } of eachTable(state, () => true)) {
    walkTable(state, table, offset, use);
  }
}

function walkTable(state: CheckState, table: Buffer, offset: number, use: TableUse): void {
  const { source, header, notes, facts } = state;
  const entryBytes = header.extendedL2 ? 16 : 8;
  const where = `${source.name}, L2 table at ${offset}`;
  let next = 0;
  for (let at = 0; at < table.length; at += entryBytes) {
    if (table.readUInt32BE(at) === 0 && table.readUInt32BE(at + 4) === 0 && !header.extendedL2) continue;
    const entry = notes.entry(() => l2Entry(table, at, header.clusterBits, where));
    if (entry === undefined) continue;
    const what = () => `the cluster of entry ${at / entryBytes} of the L2 table at ${offset}`;
    if (entry.kind === 'compressed') {
      if (header.externalDataFile !== undefined) {
        notes.error('compressed', `${what()} is compressed, with an external data file`);
        continue;
      }
      referTables(state, what(), entry.host, entry.bytes, use.times);
      if (use.active) facts.allocated++;
      if (use.active) facts.compressed++;
      if (use.active) facts.fragmented++; // by its nature, as qemu counts it
      continue;
    }
    if (header.extendedL2) checkParts(notes, table, at, what, entry.host !== 0);
    if (entry.zero && header.version === 2) {
      notes.error('zero-flag', `${what()} has a zero flag, which version 2 does not have`);
    }
    // In an external data file the first cluster is at 0.
    if (entry.host === 0 && !(entry.copied && header.externalDataFile !== undefined)) continue;
    if (use.active) facts.allocated++;
    if (use.active && next !== 0 && entry.host !== next) facts.fragmented++;
    next = entry.host + header.clusterBytes;
    if (entry.host % header.clusterBytes !== 0) {
      notes.error('unaligned', `${what()} lies at ${entry.host}, not aligned`);
    } else if (header.externalDataFile === undefined) {
      const cluster = entry.host / header.clusterBytes;
      if (cluster < state.clusters) state.counts.add(cluster, use.times);
      else referTables(state, what(), entry.host, header.clusterBytes);
    }
  }
}

/** The 32 parts of a cluster: none is data and zero at once, and none is data in a cluster that is nowhere. */
function checkParts(notes: CheckNotes, table: Buffer, at: number, what: () => string, placed: boolean): void {
  const zeros = table.readUInt32BE(at + 8);
  const allocated = table.readUInt32BE(at + 12);
  if ((zeros & allocated) !== 0) notes.error('parts', `${what()} has parts that are both data and zero`);
  else if (allocated !== 0 && !placed && table[at]! >>> 7 === 0) {
    notes.error('parts', `${what()} has parts that are nowhere`);
  }
}
