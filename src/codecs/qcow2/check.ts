/**
 * The structure of one qcow2 file: every cluster's reference count against what refers to it, as "Reference count
 * structure" of the spec says. A count too low lets a writer overwrite what is in use; one too high is a leak.
 */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes } from '../structure.ts';
import { readBlocks } from './check-blocks.ts';
import { checkCopied, compareCounts } from './check-counts.ts';
import { referExtensions } from './check-extensions.ts';
import { type CheckState, countTables, referTables, walkTables } from './check-tables.ts';
import { readHeader } from './header.ts';
import { headerV2, maximumL1Bytes } from './layout.ts';
import { ReferenceCounts } from './reference-counts.ts';
import { readSnapshotTables } from './snapshot-tables.ts';

export async function checkQcow2(source: ByteSource, context: OpenContext): Promise<CheckReport> {
  const { signal } = context;
  const notes = new CheckNotes('qcow2', source.name);
  const header = await readHeader(source, signal);
  const fields = headerV2.decode(await readBytes(source, 0, headerV2.bytes, signal));
  const state: CheckState = {
    ...{ source, header, notes, signal },
    clusters: Math.ceil(source.size / header.clusterBytes),
    counts: new ReferenceCounts(),
    tables: new Map(),
    tableBytes: 0,
    facts: { allocated: 0, compressed: 0, fragmented: 0 },
  };
  referTables(state, 'header', 0, header.clusterBytes);
  await countTables(state, {
    what: 'L1 table',
    offset: fields.l1TableOffset,
    entries: Math.min(fields.l1Size, maximumL1Bytes / 8),
    active: true,
  });
  await notes.attempt('snapshots', async () => {
    const snapshots = await readSnapshotTables(source, header, signal);
    referTables(state, 'snapshot table', header.snapshots.offset, snapshots.bytes);
    for (const { offset, entries, name } of snapshots.tables) {
      await countTables(state, { what: `L1 table of snapshot ${name}`, offset, entries, active: false });
    }
  });
  await notes.attempt('extensions', () => referExtensions(state));
  await walkTables(state);
  const blocks = await readBlocks(state, fields.refcountTableOffset, fields.refcountTableClusters);
  const wrong = await compareCounts(state, blocks);
  await checkCopied(state, wrong);
  const { allocated, compressed, fragmented } = state.facts;
  return notes.report({
    'total-clusters': Math.ceil(header.size / header.clusterBytes),
    'allocated-clusters': allocated,
    'fragmented-clusters': fragmented,
    'compressed-clusters': compressed,
    snapshots: header.snapshots.count,
  });
}
