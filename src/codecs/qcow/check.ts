/** Tables and plain clusters of a qcow file lie in it, each apart; compressed ones lie where nothing is aligned. */
import type { ByteSource } from '../../io/byte-source.ts';
import type { CheckReport } from '../../model/check-report.ts';
import type { OpenContext } from '../codec.ts';
import { CheckNotes, SpaceMap } from '../structure.ts';
import { checkTwoLevels } from '../two-level-check.ts';
import { mapOf, readHeader } from './open.ts';

export async function checkQcow(source: ByteSource, { signal }: OpenContext): Promise<CheckReport> {
  const notes = new CheckNotes('qcow', source.name);
  const h = await readHeader(source, signal);
  const clusterBytes = 2 ** h.clusterBits;
  const space = new SpaceMap(source, 512, notes);
  // The first table follows the name behind the header, wherever that ends: they may share a sector.
  const tableBytes = Math.ceil(h.size / (clusterBytes * 2 ** h.l2Bits)) * 8;
  space.take('the header and the first table', 0, h.l1TableOffset + tableBytes);
  const facts = await checkTwoLevels(mapOf(source, h), h.size, notes, space, signal);
  return notes.report({
    'total-clusters': Math.ceil(h.size / clusterBytes),
    'allocated-clusters': facts.allocated,
    'fragmented-clusters': facts.fragmented,
    'compressed-clusters': facts.compressed,
  });
}
