/** The grain directory and tables of one sparse extent: which grain lies where. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import { sectorBytes } from './layout.ts';

/** 64 MiB: 512 TiB of disk in a hosted extent at the usual grain. */
const maximumDirectoryBytes = 2 ** 26;
/** Tables that follow each other in the file are fetched together, up to 128 KiB. */
const bytesPerRead = 128 * KiB;
const keptBytes = 8 * MiB;

/** What the kinds of sparse extent differ in: where the tables lie and what their entries mean. */
export interface TableLayout {
  readonly capacitySectors: number;
  readonly grainSectors: number;
  readonly grainBytes: number;
  /** Grains that follow each other in the file may be read as one; compressed ones may not. */
  readonly joins: boolean;
  readonly entriesPerTable: number;
  readonly entryBytes: 4 | 8;
  /** First sector of the directory. */
  readonly directorySector: number | undefined;
  /** First sector that may hold a table or a grain: what is before is the header. */
  readonly firstSector: number;
  /** The first sector of a table by its entry in the directory, 0 where there is none; NaN for an impossible one. */
  table(directory: Buffer, index: number): number;
  /** The first sector of a grain, or what it is instead; NaN for an impossible one. */
  grain(table: Buffer, at: number): number | 'zero' | 'hole';
}

/** What is known of a run of grains. `data`: the first one lies at `sector` of the file. */
export interface GrainRun {
  readonly kind: 'data' | 'zero' | 'hole';
  readonly offset: number;
  readonly length: number;
  readonly sector: number;
}

/** Tables `first` to `first + count`, one behind the other. */
interface LoadedTables {
  readonly first: number;
  readonly count: number;
  readonly bytes: Promise<Buffer>;
}

export class GrainTables {
  readonly #source: ByteSource;
  readonly #layout: TableLayout;
  readonly #directory: Buffer;
  readonly #tableBytes: number;
  readonly #tablesPerRead: number;
  readonly #loaded = new Map<number, LoadedTables>();
  #kept = 0;

  private constructor(source: ByteSource, layout: TableLayout, directory: Buffer) {
    this.#source = source;
    this.#layout = layout;
    this.#directory = directory;
    this.#tableBytes = layout.entriesPerTable * layout.entryBytes;
    this.#tablesPerRead = Math.max(1, Math.floor(bytesPerRead / this.#tableBytes));
  }

  /** Reads the directory. @throws AppError `corrupt` when it, or a table that it names, is not in the file. */
  static async open(source: ByteSource, layout: TableLayout, signal?: AbortSignal): Promise<GrainTables> {
    const grains = Math.ceil(layout.capacitySectors / layout.grainSectors);
    const bytes = Math.ceil(grains / layout.entriesPerTable) * layout.entryBytes;
    const where = source.name;
    if (bytes > maximumDirectoryBytes) {
      throw new AppError(
        'unsupported',
        `VMDK grain directory of ${bytes} bytes, at most ${maximumDirectoryBytes}`,
        { where },
      );
    }
    const at = (layout.directorySector ?? 0) * sectorBytes;
    if (at === 0 || at + bytes > source.size) {
      throw new AppError(
        'corrupt',
        `VMDK grain directory (${bytes} bytes at ${at}) is not inside the file (${source.size} bytes)`,
        {
          where,
          hint: 'the file is cut short or damaged; fetch it again',
        },
      );
    }
    const tables = new GrainTables(source, layout, await readBytes(source, at, bytes, signal));
    for (let i = 0; i < bytes / layout.entryBytes; i++) tables.#tableSector(i);
    return tables;
  }

  /** The grains of [from, to) as runs that are contiguous on the disk and, where they are data, in the file. */
  async runs(from: number, to: number, signal?: AbortSignal): Promise<GrainRun[]> {
    const { grainBytes, grainSectors, joins, entriesPerTable, entryBytes } = this.#layout;
    const out = new RunList(from, joins ? grainSectors : undefined);
    const last = Math.ceil(to / grainBytes);
    for (let grain = Math.floor(from / grainBytes); grain < last; ) {
      const table = Math.floor(grain / entriesPerTable);
      const stop = Math.min(last, (table + 1) * entriesPerTable);
      if (this.#tableSector(table) === 0) {
        out.push('hole', Math.min(to, stop * grainBytes), 0);
        grain = stop;
        continue;
      }
      const loaded = this.#load(table);
      const bytes = await loaded.bytes;
      throwIfAborted(signal);
      const base = -loaded.first * this.#tableBytes;
      for (; grain < stop; grain++) {
        const place = this.#layout.grain(bytes, base + grain * entryBytes);
        const end = Math.min(to, (grain + 1) * grainBytes);
        if (typeof place === 'string') out.push(place, end, 0);
        else out.push('data', end, this.#checked(place, grain));
      }
    }
    return out.list;
  }

  /** The first allocated sector behind `grain` in the same table, or 0: a hint where the grain's data may end. */
  async nextSector(grain: number): Promise<number> {
    const { entriesPerTable, entryBytes } = this.#layout;
    const table = Math.floor(grain / entriesPerTable);
    const loaded = this.#load(table);
    const bytes = await loaded.bytes;
    const start = (table - loaded.first) * this.#tableBytes;
    for (let i = (grain % entriesPerTable) + 1; i < entriesPerTable; i++) {
      const place = this.#layout.grain(bytes, start + i * entryBytes);
      if (typeof place === 'number') return place;
    }
    return 0;
  }

  #checked(sector: number, grain: number): number {
    if (sector >= this.#layout.firstSector && sector * sectorBytes < this.#source.size) return sector;
    throw this.#misplaced(`grain ${grain} lies`, sector);
  }

  #misplaced(what: string, sector: number): AppError {
    const place =
      sector < this.#layout.firstSector ? 'over the header' : `past the end (${this.#source.size} bytes)`;
    return new AppError('corrupt', `VMDK ${what} at sector ${sector}, ${place}`, {
      where: this.#source.name,
      hint: 'the file is cut short or damaged; fetch it again',
    });
  }

  /** @throws AppError `corrupt` */
  #tableSector(index: number): number {
    const sector = this.#layout.table(this.#directory, index);
    if (sector === 0) return 0;
    if (sector >= this.#layout.firstSector && sector * sectorBytes + this.#tableBytes <= this.#source.size)
      return sector;
    throw this.#misplaced(`grain table ${index} lies`, sector);
  }

  /** Shared by all readers, so no reader's abort may end it. */
  #load(table: number): LoadedTables {
    // A read starts at a multiple of `tablesPerRead`, or where the tables are not contiguous, at the table itself.
    const group = table - (table % this.#tablesPerRead);
    const near = this.#loaded.get(group);
    const known = near !== undefined && table < group + near.count ? near : this.#loaded.get(table);
    if (known !== undefined) {
      this.#loaded.delete(known.first); // to the end: the order is that of use
      this.#loaded.set(known.first, known);
      return known;
    }
    const groupEnd = Math.min(group + this.#tablesPerRead, this.#directory.length / this.#layout.entryBytes);
    const together = this.#contiguous(group, groupEnd);
    const first = together ? group : table;
    const count = together ? groupEnd - group : 1;
    const loading: LoadedTables = { first, count, bytes: this.#fetch(first, count) };
    this.#keep(loading);
    return loading;
  }

  #keep(loading: LoadedTables): void {
    const forget = (tables: LoadedTables) => {
      if (this.#loaded.get(tables.first) !== tables) return;
      this.#loaded.delete(tables.first);
      this.#kept -= tables.count;
    };
    loading.bytes.catch(() => forget(loading));
    const replaced = this.#loaded.get(loading.first);
    if (replaced !== undefined) forget(replaced);
    this.#loaded.set(loading.first, loading);
    this.#kept += loading.count;
    for (const oldest of this.#loaded.values()) {
      if (this.#kept * this.#tableBytes <= keptBytes) break;
      forget(oldest);
    }
  }

  #contiguous(from: number, to: number): boolean {
    const start = this.#tableSector(from);
    if (start === 0) return false;
    const sectors = this.#tableBytes / sectorBytes;
    for (let i = from + 1; i < to; i++) {
      if (this.#tableSector(i) !== start + (i - from) * sectors) return false;
    }
    return true;
  }

  #fetch(first: number, count: number): Promise<Buffer> {
    return readBytes(this.#source, this.#tableSector(first) * sectorBytes, count * this.#tableBytes);
  }
}

/** Merges neighbours: of one kind, and for data, only when contiguous in the file too. */
class RunList {
  readonly list: { -readonly [K in keyof GrainRun]: GrainRun[K] }[] = [];
  readonly #grainSectors: number | undefined;
  #end: number;
  /** Sector at which a grain has to lie to join the last run. */
  #next = 0;

  constructor(from: number, grainSectors: number | undefined) {
    this.#end = from;
    this.#grainSectors = grainSectors;
  }

  push(kind: GrainRun['kind'], end: number, sector: number): void {
    const last = this.list.at(-1);
    const joins =
      last?.kind === kind && (kind !== 'data' || (this.#grainSectors !== undefined && sector === this.#next));
    if (joins) {
      last!.length = end - last!.offset;
    } else {
      this.list.push({ kind, offset: this.#end, length: end - this.#end, sector });
    }
    this.#end = end;
    if (kind === 'data') this.#next = sector + (this.#grainSectors ?? 0);
  }
}
