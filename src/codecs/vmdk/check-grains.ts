/** The tables of one sparse extent: all that they name lies in the file, and nothing on anything else. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { cached } from '../../io/cached.ts';
import { type Disk, sourceDisk } from '../../io/disk.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { KiB } from '../../model/units.ts';
import type { CheckNotes, SpaceMap } from '../structure.ts';
import type { TableLayout } from './grain-tables.ts';
import { grainMarkerBytes, markerStruct, sectorBytes } from './layout.ts';

export interface ExtentCheck {
  readonly source: ByteSource;
  readonly layout: TableLayout;
  readonly compressed: boolean;
  readonly notes: CheckNotes;
  readonly space: SpaceMap;
  readonly facts: { total: number; allocated: number; compressed: number; fragmented: number };
}

/** Tables mostly lie side by side, and so do grains. */
const pagesOf = (source: ByteSource): Disk =>
  cached(sourceDisk(source), { blockBytes: 256 * KiB, blocks: 16 });

export async function checkGrains(check: ExtentCheck, signal?: AbortSignal): Promise<void> {
  const { source, layout, space, facts } = check;
  const { entriesPerTable, entryBytes, capacitySectors, grainSectors } = layout;
  facts.total += Math.ceil(capacitySectors / grainSectors);
  const pages = pagesOf(source);
  const directory = await directoryOf(check, layout, 'grain directory', signal);
  if (directory === undefined) return;
  const tableBytes = entriesPerTable * entryBytes;
  let next = 0;
  for (let i = 0; i < directory.length / entryBytes; i++) {
    throwIfAborted(signal);
    const at = layout.table(directory, i) * sectorBytes;
    if (at === 0 || !space.take(`grain table ${i}`, at, tableBytes)) continue;
    const table = await readBytes(pages, at, tableBytes, signal);
    for (let k = 0; k < entriesPerTable; k++) {
      const grain = i * entriesPerTable + k;
      if (grain * grainSectors >= capacitySectors) break;
      const sector = layout.grain(table, k * entryBytes);
      if (typeof sector === 'string') continue;
      facts.allocated++;
      if (check.compressed) {
        facts.compressed++;
        facts.fragmented++;
        await checkMarker(check, pages, grain, sector, signal);
      } else {
        if (next !== 0 && sector !== next) facts.fragmented++;
        next = sector + grainSectors;
        const needed = Math.min(grainSectors, capacitySectors - grain * grainSectors) * sectorBytes;
        space.take(`grain ${grain}`, sector * sectorBytes, layout.grainBytes, needed);
      }
    }
  }
}

/** [VDF] "Markers": a compressed grain says itself where it belongs to and how long it is. */
async function checkMarker(
  { source, layout, notes, space }: ExtentCheck,
  pages: Disk,
  grain: number,
  sector: number,
  signal?: AbortSignal,
): Promise<void> {
  const at = sector * sectorBytes;
  if (!(at + grainMarkerBytes <= source.size)) {
    return notes.error('outside', `grain ${grain} at ${at} goes past the end (${source.size})`, source.name);
  }
  const bytes = Buffer.alloc(markerStruct.bytes);
  await pages.read(bytes.subarray(0, grainMarkerBytes), at, signal);
  const marker = notes.entry(() => markerStruct.decode(bytes));
  if (marker === undefined) return;
  const expected = grain * layout.grainSectors;
  if (marker.value !== expected || marker.size === 0) {
    return notes.error(
      'marker',
      `grain ${grain} at ${at} is marked as sector ${marker.value} (${marker.size} bytes), not ${expected}`,
      source.name,
    );
  }
  space.take(`grain ${grain}`, at, grainMarkerBytes + marker.size);
}

/** The second directory and its tables take their space, and say the same as the first ones. */
export async function compareDirectories(
  check: ExtentCheck,
  second: TableLayout,
  signal?: AbortSignal,
): Promise<void> {
  const { source, layout, notes, space } = check;
  const { entryBytes, entriesPerTable } = layout;
  if ((second.directorySector ?? 0) * sectorBytes >= source.size) {
    return notes.warn('redundant', 'the redundant grain directory is past the end of the file', source.name);
  }
  const quiet = { ...check, notes: notes.silent() };
  const [one, two] = [
    await directoryOf({ ...quiet, space: undefined }, layout, 'grain directory', signal),
    await directoryOf(check, second, 'redundant grain directory', signal),
  ];
  if (one === undefined || two === undefined) return;
  const pages = pagesOf(source);
  const bytes = entriesPerTable * entryBytes;
  const tableAt = async (sector: number): Promise<Buffer | undefined> => {
    const at = sector * sectorBytes;
    if (sector === 0) return Buffer.alloc(bytes);
    return at + bytes <= source.size ? readBytes(pages, at, bytes, signal) : undefined;
  };
  for (let i = 0; i < two.length / entryBytes; i++) {
    throwIfAborted(signal);
    const places = [layout.table(one, i), second.table(two, i)] as const;
    if (places[0] === places[1] && places[0] !== 0) {
      notes.error('redundant', `grain table ${i} and its copy are one`, source.name);
      continue;
    }
    if (places[1] !== 0 && !space.take(`the copy of grain table ${i}`, places[1] * sectorBytes, bytes))
      continue;
    const [a, b] = [await tableAt(places[0]), await tableAt(places[1])];
    if (a === undefined || b === undefined || a.equals(b)) continue;
    notes.error('redundant', `grain table ${i} and its copy say different things`, source.name);
  }
}

async function directoryOf(
  { source, notes, space }: Omit<ExtentCheck, 'space'> & { readonly space: SpaceMap | undefined },
  layout: TableLayout,
  what: string,
  signal?: AbortSignal,
): Promise<Buffer | undefined> {
  const { capacitySectors, grainSectors, entriesPerTable, entryBytes } = layout;
  const bytes = Math.ceil(capacitySectors / grainSectors / entriesPerTable) * entryBytes;
  const at = (layout.directorySector ?? 0) * sectorBytes;
  if (at === 0 || !(at + bytes <= source.size)) {
    notes.error('directory', `the ${what} (${bytes} bytes at ${at}) is not inside the file`, source.name);
    return undefined;
  }
  if (space?.take(`the ${what}`, at, bytes) === false) return undefined;
  return readBytes(source, at, bytes, signal);
}
