/** Every cluster of a QED file is taken once, by the header, a table or the data; what is left over is a leak. */
import type { ByteSource } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { checkTwoLevels } from '../two-level-check.ts';
import { mapOf, readHeader } from './open.ts';

export async function checkQed(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('qed', source.name);
  const h = await readHeader(source, signal);
  const { clusterBytes } = h;
  const space = new SpaceMap(source, clusterBytes, notes);
  space.take('the header', 0, h.headerClusters * clusterBytes);
  space.take('the first table', h.l1TableOffset, h.tableClusters * clusterBytes);
  const facts = await checkTwoLevels(mapOf(source, h), h.imageSize, notes, space, signal);
  const leaks = space.free(0, source.size);
  notes.leaks(leaks, leaks * clusterBytes);
  return notes.report({
    'total-clusters': Math.ceil(h.imageSize / clusterBytes),
    'allocated-clusters': facts.allocated,
    'fragmented-clusters': facts.fragmented,
  });
}
