/** Both levels of tables as a whole: what QED's check and that of the first qcow have in common. */
import { isZero } from '../io/blocks.ts';
import { readBytes } from '../io/byte-source.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { KiB } from '../model/units.ts';
import type { CheckNotes, SpaceMap } from './structure.ts';
import type { TwoLevels } from './two-level-map.ts';

const pageBytes = 64 * KiB;
const zeros = Buffer.alloc(pageBytes);

export interface TwoLevelFacts {
  allocated: number;
  compressed: number;
  fragmented: number;
}

/** Every table and every plain cluster takes its space; a table that lies on something else is not followed. */
export async function checkTwoLevels(
  map: TwoLevels,
  size: number,
  notes: CheckNotes,
  space: SpaceMap,
  signal?: AbortSignal,
): Promise<TwoLevelFacts> {
  const facts: TwoLevelFacts = { allocated: 0, compressed: 0, fragmented: 0 };
  const covered = map.l2Entries * map.clusterBytes;
  const l1Entries = Math.ceil(size / covered);
  for await (const l1 of pagesOf(map, map.l1Offset, l1Entries, signal)) {
    for (let i = 0; i < l1.bytes.length; i += 8) {
      const index = l1.first + i / 8;
      const table = notes.entry(() => map.tableOf(l1.bytes, i));
      if (table === undefined || table === 0) continue;
      if (!space.take(`table ${index}`, table, map.l2Entries * 8)) continue;
      await checkTable({ map, size, notes, space, facts }, table, index * covered, signal);
    }
  }
  return facts;
}

interface Walk {
  readonly map: TwoLevels;
  readonly size: number;
  readonly notes: CheckNotes;
  readonly space: SpaceMap;
  readonly facts: TwoLevelFacts;
}

async function checkTable(walk: Walk, table: number, from: number, signal?: AbortSignal): Promise<void> {
  const { map, size, notes, space, facts } = walk;
  const { clusterBytes } = map;
  let next = 0;
  for await (const l2 of pagesOf(map, table, map.l2Entries, signal)) {
    if (isZero(l2.bytes, 0, l2.bytes.length, zeros)) continue;
    for (let i = 0; i < l2.bytes.length; i += 8) {
      const start = from + (l2.first + i / 8) * clusterBytes;
      const place = notes.entry(() => map.placeOf(l2.bytes, i, start));
      if (place === undefined || place.kind !== 'data') continue;
      const host = place.host!;
      facts.allocated++;
      if (place.load !== undefined) {
        facts.compressed++;
        facts.fragmented++;
        continue;
      }
      if (next !== 0 && host !== next) facts.fragmented++;
      next = host + clusterBytes;
      const needed = Math.max(0, Math.min(clusterBytes, size - start));
      space.take(`the cluster at ${start} of the disk`, host, clusterBytes, needed);
    }
  }
}

async function* pagesOf(map: TwoLevels, offset: number, entries: number, signal?: AbortSignal) {
  const bytes = entries * 8;
  for (let at = 0; at < bytes; at += pageBytes) {
    throwIfAborted(signal);
    const page = await readBytes(map.source, offset + at, Math.min(pageBytes, bytes - at), signal);
    yield { bytes: page, first: at / 8 };
  }
}
