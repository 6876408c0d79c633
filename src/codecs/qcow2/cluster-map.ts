/** From guest offsets to places in the file: L1 and L2 tables, the latter in a bounded cache. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { ByteCache } from './byte-cache.ts';
import type { Header } from './header.ts';
import { type L2Entry, l1Entry, l2Entry } from './layout.ts';

/** A range of the guest's bytes that lies in one place. */
export interface Piece {
  /** `hole`: this image says nothing. `compressed`: `offset` and `length` are of a whole guest cluster. */
  readonly kind: 'data' | 'zero' | 'hole' | 'compressed';
  readonly offset: number;
  length: number;
  /** Offset in the file of `data` and `compressed`. */
  readonly host: number;
  /** Bytes of compressed data in the file. */
  readonly bytes: number;
}

const cacheBytes = 32 * MiB;
/** L2 tables read at once: where clusters are small they are many. */
const tablesAtOnce = 16;

export class ClusterMap {
  readonly #source: ByteSource;
  readonly #data: ByteSource;
  readonly #header: Header;
  readonly #l1: Buffer;
  readonly #tables: ByteCache<number>;
  readonly #entryBytes: number;
  /** Guest bytes of one L2 table. */
  readonly #covered: number;

  /** `l1` holds `header.l1Entries` entries. `data` is where data clusters lie: the image or its data file. */
  constructor(source: ByteSource, data: ByteSource, header: Header, l1: Buffer) {
    this.#source = source;
    this.#data = data;
    this.#header = header;
    this.#l1 = l1;
    this.#entryBytes = header.extendedL2 ? 16 : 8;
    this.#covered = (header.clusterBytes / this.#entryBytes) * header.clusterBytes;
    this.#tables = new ByteCache(cacheBytes, header.clusterBytes);
  }

  /**
   * What [from, to) consists of: ascending, contiguous, neighbours in guest and file merged, in batches.
   * Only a compressed piece may reach outside of the range.
   */
  async *pieces(from: number, to: number, signal: AbortSignal | undefined): AsyncGenerator<Piece[]> {
    for (let at = from; at < to; ) {
      throwIfAborted(signal);
      const spans = this.#spans(at, to);
      at = spans.at(-1)!.to;
      const out: Piece[] = [];
      const loads = spans.map((s) => (s.table === 0 ? undefined : this.#table(s.table, signal)));
      const tables = await Promise.all(loads);
      spans.forEach((span, i) => {
        const table = tables[i];
        if (table === undefined) push(out, 'hole', span.from, span.to - span.from);
        else this.#walkTable(out, table, span);
      });
      yield out;
    }
  }

  /** Up to `tablesAtOnce` L2 tables from `from` on, each with its part of the range; runs of none are one. */
  #spans(from: number, to: number): Span[] {
    const spans: Span[] = [];
    for (let at = from; at < to && spans.length < tablesAtOnce; ) {
      const index = Math.floor(at / this.#covered);
      const table = l1Entry(this.#l1, index, this.#source.name);
      const end = Math.min(to, (index + 1) * this.#covered);
      const last = spans.at(-1);
      if (table === 0 && last?.table === 0) last.to = end;
      else spans.push({ table, from: at, to: end });
      at = end;
    }
    return spans;
  }

  async #table(offset: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const { clusterBytes } = this.#header;
    if (offset % clusterBytes !== 0 || offset + clusterBytes > this.#source.size) {
      throw this.#corrupt(`L2 table at ${offset} is misplaced (file: ${this.#source.size} bytes)`);
    }
    // Without the signal: another reader may be waiting for the same table.
    const table = await this.#tables.get(offset, () => readBytes(this.#source, offset, clusterBytes));
    throwIfAborted(signal);
    return table;
  }

  #walkTable(out: Piece[], table: Buffer, span: Span): void {
    const { clusterBytes, clusterBits } = this.#header;
    const name = `${this.#source.name}, L2 table at ${span.table}`;
    for (let at = span.from; at < span.to; ) {
      const start = at - (at % clusterBytes);
      const end = Math.min(span.to, start + clusterBytes);
      const entryAt = ((start % this.#covered) / clusterBytes) * this.#entryBytes;
      const entry = l2Entry(table, entryAt, clusterBits, name);
      if (entry.kind === 'compressed') this.#pushCompressed(out, entry, start);
      else if (this.#header.extendedL2) this.#pushSubclusters(out, entry, table, entryAt, start, at, end);
      else this.#pushCluster(out, entry, start, at, end);
      at = end;
    }
  }

  #pushCompressed(out: Piece[], entry: L2Entry & { kind: 'compressed' }, offset: number): void {
    const { source, size } = { source: this.#source, size: this.#source.size };
    if (this.#data !== source)
      throw this.#corrupt(`compressed cluster at ${offset}, with an external data file`);
    if (entry.host >= size)
      throw this.#corrupt(`compressed cluster at ${offset} lies at ${entry.host}, past the end`);
    // The last sector need not be there in full: what counts ends where the stream ends.
    const bytes = Math.min(entry.bytes, size - entry.host);
    out.push({ kind: 'compressed', offset, length: this.#header.clusterBytes, host: entry.host, bytes });
  }

  #pushCluster(
    out: Piece[],
    entry: L2Entry & { kind: 'standard' },
    start: number,
    at: number,
    end: number,
  ): void {
    if (entry.zero) {
      // A zero flag in version 2 is refused by qemu as well: nothing else could have been meant by it.
      if (this.#header.version === 2)
        throw this.#corrupt(`zero flag at ${start}, which version 2 does not have`);
      push(out, 'zero', at, end - at);
    } else if (this.#isAllocated(entry)) {
      this.#checkCluster(entry.host, start, at, end);
      push(out, 'data', at, end - at, entry.host + at - start);
    } else {
      push(out, 'hole', at, end - at);
    }
  }

  /** 32 parts of a cluster, each with an allocation bit (the low word) and a zero bit (the high word). */
  #pushSubclusters(
    out: Piece[],
    entry: L2Entry & { kind: 'standard' },
    table: Buffer,
    entryAt: number,
    start: number,
    from: number,
    to: number,
  ): void {
    if (entry.zero) throw this.#corrupt(`zero flag at ${start}, with extended L2 entries`);
    const zeros = table.readUInt32BE(entryAt + 8);
    const allocated = table.readUInt32BE(entryAt + 12);
    if ((zeros & allocated) !== 0)
      throw this.#corrupt(`a part of the cluster at ${start} is both data and zero`);
    const partBytes = this.#header.clusterBytes / 32;
    for (let at = from; at < to; ) {
      const part = Math.floor((at - start) / partBytes);
      const end = Math.min(to, start + (part + 1) * partBytes);
      const bit = (1 << part) >>> 0;
      if ((zeros & bit) !== 0) push(out, 'zero', at, end - at);
      else if ((allocated & bit) === 0) push(out, 'hole', at, end - at);
      else {
        if (!this.#isAllocated(entry)) throw this.#corrupt(`parts of the cluster at ${start} are nowhere`);
        this.#checkCluster(entry.host, start, at, end);
        push(out, 'data', at, end - at, entry.host + at - start);
      }
      at = end;
    }
  }

  #isAllocated(entry: L2Entry & { kind: 'standard' }): boolean {
    return entry.host !== 0 || (entry.copied && this.#data !== this.#source);
  }

  #checkCluster(host: number, start: number, from: number, to: number): void {
    if (host % this.#header.clusterBytes !== 0)
      throw this.#corrupt(`cluster at ${start} lies at ${host}, not aligned`);
    if (this.#data !== this.#source && host !== start) {
      throw this.#corrupt(
        `cluster at ${start} lies at ${host} of the external data file, not at the same place`,
      );
    }
    if (host + to - start > this.#data.size) {
      throw this.#corrupt(
        `bytes ${from} to ${to} lie at ${host + from - start}, past the file's end at ${this.#data.size}`,
      );
    }
  }

  #corrupt(message: string): AppError {
    const hint = 'the image is damaged or cut short; fetch it again, or run "qemu-img check" on a copy of it';
    return new AppError('corrupt', message, { where: this.#source.name, hint });
  }
}

interface Span {
  /** Offset of the L2 table, 0 for none. */
  readonly table: number;
  readonly from: number;
  to: number;
}

/** Appends a piece, or lengthens the last one where it goes on in the same way. */
export function push(
  out: Piece[],
  kind: 'data' | 'zero' | 'hole',
  offset: number,
  length: number,
  host = 0,
): void {
  const last = out.at(-1);
  if (last !== undefined && last.kind === kind && (kind !== 'data' || last.host + last.length === host)) {
    last.length += length;
  } else {
    out.push({ kind, offset, length, host, bytes: 0 });
  }
}
