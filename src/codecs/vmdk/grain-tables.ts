/** The grain directory and tables of one sparse extent: which grain lies where. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { entriesPerTable, type SparseHeader, sectorBytes, tableBytes, tableSectors } from './layout.ts';

/** 512 TiB of disk at the usual grain; a directory of 64 MiB. */
const maximumDirectoryEntries = 2 ** 24;
/** Tables that follow each other in the file are fetched together, up to 128 KiB. */
const tablesPerRead = 64;
const keptTables = 4096;

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
  readonly #header: SparseHeader;
  readonly #directory: Buffer;
  readonly #loaded = new Map<number, LoadedTables>();
  #kept = 0;
  readonly #firstDataSector: number;

  private constructor(source: ByteSource, header: SparseHeader, directory: Buffer) {
    this.#source = source;
    this.#header = header;
    this.#directory = directory;
    this.#firstDataSector = Math.max(1, header.descriptorOffset + header.descriptorSectors);
  }

  /** Reads the directory. @throws AppError `corrupt` when it does not lie in the file. */
  static async open(source: ByteSource, header: SparseHeader, signal?: AbortSignal): Promise<GrainTables> {
    const grains = Math.ceil(header.capacitySectors / header.grainSectors);
    const entries = Math.ceil(grains / entriesPerTable);
    const where = source.name;
    if (entries > maximumDirectoryEntries) {
      throw new AppError(
        'unsupported',
        `VMDK grain directory of ${entries} entries, at most ${maximumDirectoryEntries}`,
        { where },
      );
    }
    const at = (header.gdOffset ?? 0) * sectorBytes;
    if (at === 0 || at + entries * 4 > source.size) {
      throw new AppError(
        'corrupt',
        `VMDK grain directory (${entries * 4} bytes at ${at}) is not inside the file (${source.size} bytes)`,
        {
          where,
          hint: 'the file is cut short or damaged; fetch it again',
        },
      );
    }
    return new GrainTables(source, header, await readBytes(source, at, entries * 4, signal));
  }

  /** The grains of [from, to) as runs that are contiguous on the disk and, where they are data, in the file. */
  async runs(from: number, to: number, signal?: AbortSignal): Promise<GrainRun[]> {
    const { grainBytes, grainSectors, compressed } = this.#header;
    const out = new RunList(from, compressed ? undefined : grainSectors);
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
      const base = -loaded.first * tableBytes;
      for (; grain < stop; grain++) {
        const entry = bytes.readUInt32LE(base + grain * 4);
        const end = Math.min(to, (grain + 1) * grainBytes);
        if (entry === 0) out.push('hole', end, 0);
        else if (entry === 1 && this.#header.zeroedGrain) out.push('zero', end, 0);
        else out.push('data', end, this.#checked(entry, grain));
      }
    }
    return out.list;
  }

  /** The first allocated sector behind `grain` in the same table, or 0: a hint where the grain's data may end. */
  async nextSector(grain: number): Promise<number> {
    const table = Math.floor(grain / entriesPerTable);
    const loaded = this.#load(table);
    const bytes = await loaded.bytes;
    const start = (table - loaded.first) * tableBytes;
    for (let i = (grain % entriesPerTable) + 1; i < entriesPerTable; i++) {
      const entry = bytes.readUInt32LE(start + i * 4);
      if (entry > 1) return entry;
    }
    return 0;
  }

  #checked(entry: number, grain: number): number {
    if (entry < this.#firstDataSector || entry * sectorBytes >= this.#source.size) {
      const place =
        entry < this.#firstDataSector ? 'over the header' : `past the end (${this.#source.size} bytes)`;
      throw new AppError('corrupt', `VMDK grain ${grain} lies at sector ${entry}, ${place}`, {
        where: this.#source.name,
      });
    }
    return entry;
  }

  #tableSector(table: number): number {
    return this.#directory.readUInt32LE(table * 4);
  }

  /** Shared by all readers, so no reader's abort may end it. */
  #load(table: number): LoadedTables {
    // A read starts at a multiple of `tablesPerRead`, or where the tables are not contiguous, at the table itself.
    const group = table - (table % tablesPerRead);
    const near = this.#loaded.get(group);
    const known = near !== undefined && table < group + near.count ? near : this.#loaded.get(table);
    if (known !== undefined) {
      this.#loaded.delete(known.first); // to the end: the order is that of use
      this.#loaded.set(known.first, known);
      return known;
    }
    const groupEnd = Math.min(group + tablesPerRead, this.#directory.length / 4);
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
      if (this.#kept <= keptTables) break;
      forget(oldest);
    }
  }

  #contiguous(from: number, to: number): boolean {
    const start = this.#tableSector(from);
    if (start === 0) return false;
    for (let i = from + 1; i < to; i++) {
      if (this.#tableSector(i) !== start + (i - from) * tableSectors) return false;
    }
    return true;
  }

  async #fetch(first: number, count: number): Promise<Buffer> {
    const at = this.#tableSector(first) * sectorBytes;
    const length = count * tableBytes;
    if (this.#tableSector(first) < this.#firstDataSector || at + length > this.#source.size) {
      throw new AppError(
        'corrupt',
        `VMDK grain table ${first} at offset ${at} is not inside the file (${this.#source.size} bytes)`,
        {
          where: this.#source.name,
          hint: 'the file is cut short or damaged; fetch it again',
        },
      );
    }
    return readBytes(this.#source, at, length);
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
