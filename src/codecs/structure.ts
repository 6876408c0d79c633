/** What the checks of all formats share: notes of what was found, and which parts of a file are taken. */
import type { ByteSource } from '../io/byte-source.ts';
import type { CheckReport } from '../model/check-report.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import { MiB } from '../model/units.ts';

/** More than these are counted, not told. */
const mostTold = 20;

export class CheckNotes {
  readonly #format: string;
  readonly #files: string[] = [];
  readonly #errors: Finding[] = [];
  readonly #warnings: Finding[] = [];
  #errorCount = 0;
  #leaks: { count: number; bytes: number } | undefined;

  constructor(format: string, file: string) {
    this.#format = format;
    this.#files.push(file);
  }

  get errorCount(): number {
    return this.#errorCount;
  }

  /** Notes that nobody reads: for what was told in an earlier pass. */
  silent(): CheckNotes {
    return new CheckNotes(this.#format, this.#files[0]!);
  }

  file(name: string): void {
    if (!this.#files.includes(name)) this.#files.push(name);
  }

  error(rule: string, message: string, evidence = this.#files[0]!): void {
    this.#errorCount++;
    if (this.#errors.length < mostTold) {
      this.#errors.push({ rule: `${this.#format}.${rule}`, severity: 'blocker', message, evidence });
    }
  }

  warn(rule: string, message: string, evidence = this.#files[0]!): void {
    if (this.#warnings.length >= mostTold) return;
    this.#warnings.push({ rule: `${this.#format}.${rule}`, severity: 'warning', message, evidence });
  }

  /** Findings that opening made as well. */
  warnings(findings: readonly Finding[]): void {
    for (const f of findings) if (this.#warnings.length < mostTold) this.#warnings.push(f);
  }

  /** Runs a part of the check; what it throws for broken content is an error found, and the rest goes on. */
  async attempt<T>(rule: string, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'corrupt') throw error;
      this.error(rule, error.message, error.where);
      return undefined;
    }
  }

  /** As `attempt`, for a decoder that throws at an entry. */
  entry<T>(decode: () => T): T | undefined {
    try {
      return decode();
    } catch (error) {
      if (!(error instanceof AppError) || error.kind !== 'corrupt') throw error;
      this.error('entry', error.message, error.where);
      return undefined;
    }
  }

  /** Also with a count of zero: the format can have leaks. */
  leaks(count: number, bytes: number): void {
    this.#leaks = { count: (this.#leaks?.count ?? 0) + count, bytes: (this.#leaks?.bytes ?? 0) + bytes };
  }

  report(facts: Readonly<Record<string, number>> = {}): CheckReport {
    return {
      format: this.#format,
      files: this.#files,
      errors: this.#errors,
      errorCount: this.#errorCount,
      ...(this.#leaks === undefined ? {} : { leaks: this.#leaks }),
      warnings: this.#warnings,
      facts,
    };
  }
}

/** Units of one page of the map. */
const pageUnits = 32 * 1024;
/** Pages that are neither empty nor full, all together. */
const mostPartial = (128 * MiB) / (pageUnits / 8);
const full = 'full';

/**
 * Which units of a file are taken, so that what lies outside or on something else is found. A page whose units are
 * all taken costs nothing, so memory follows the holes between, not the file.
 */
export class SpaceMap {
  readonly #source: Pick<ByteSource, 'name' | 'size'>;
  readonly #notes: CheckNotes;
  readonly #unit: number;
  readonly #pages = new Map<number, Page | typeof full>();
  #partial = 0;

  constructor(source: Pick<ByteSource, 'name' | 'size'>, unitBytes: number, notes: CheckNotes) {
    this.#source = source;
    this.#unit = unitBytes;
    this.#notes = notes;
  }

  /**
   * Notes an error when the range is not in the file up to `needed` bytes of it, or is taken already.
   * Whole units are taken, as many as the range touches.
   */
  take(what: string, offset: number, length: number, needed = length): boolean {
    const { name, size } = this.#source;
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > size - needed) {
      this.#notes.error(
        'outside',
        `${what} (${needed} bytes at ${offset}) goes past the end (${size})`,
        name,
      );
      return false;
    }
    const first = Math.floor(offset / this.#unit);
    const end = Math.ceil(Math.min(offset + length, size) / this.#unit);
    if (this.#mark(first, end)) return true;
    this.#notes.error('overlap', `${what} at ${offset} lies on something else`, name);
    return false;
  }

  /** Units of [from, to) in bytes that nothing has taken. */
  free(from: number, to: number): number {
    let free = 0;
    const end = Math.ceil(to / this.#unit);
    for (let at = Math.floor(from / this.#unit); at < end; ) {
      const index = Math.floor(at / pageUnits);
      const stop = Math.min(end, (index + 1) * pageUnits);
      const page = this.#pages.get(index);
      if (page === undefined) free += stop - at;
      else if (page !== full) {
        for (let unit = at; unit < stop; unit++) if (!page.has(unit % pageUnits)) free++;
      }
      at = stop;
    }
    return free;
  }

  /**
   * Whether none of the units was taken before. Ends at the first one that was: else a table of many entries on one
   * place would cost the file's size for each.
   */
  #mark(first: number, end: number): boolean {
    for (let at = first; at < end; ) {
      const index = Math.floor(at / pageUnits);
      const stop = Math.min(end, (index + 1) * pageUnits);
      const page = this.#pages.get(index) ?? this.#page(index);
      if (page === full) return false;
      const set = page.set(at - index * pageUnits, stop - index * pageUnits);
      if (page.count === pageUnits) {
        this.#pages.set(index, full);
        this.#partial--;
      }
      if (set < stop - at) return false;
      at = stop;
    }
    return true;
  }

  #page(index: number): Page {
    if (++this.#partial > mostPartial) {
      throw new AppError('unsupported', 'what is in use is too scattered to be checked for overlaps', {
        where: this.#source.name,
      });
    }
    const page = new Page();
    this.#pages.set(index, page);
    return page;
  }
}

class Page {
  readonly #bits = new Uint8Array(pageUnits / 8);
  count = 0;

  has(unit: number): boolean {
    return ((this.#bits[unit >> 3]! >> (unit & 7)) & 1) === 1;
  }

  /** Sets [from, to) up to the first that is set already; resolves to how many. */
  set(from: number, to: number): number {
    const before = this.count;
    for (let unit = from; unit < to; ) {
      const byte = unit >> 3;
      if ((unit & 7) === 0 && to - unit >= 8 && this.#bits[byte] === 0) {
        this.#bits[byte] = 0xff;
        this.count += 8;
        unit += 8;
        continue;
      }
      if (this.has(unit)) break;
      this.#bits[byte]! |= 1 << (unit & 7);
      this.count++;
      unit++;
    }
    return this.count - before;
  }
}
