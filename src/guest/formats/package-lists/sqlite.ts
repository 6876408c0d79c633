/**
 * One table of an SQLite file, read without SQLite ("Database File Format", sqlite.org/fileformat2.html): pages of a
 * B-tree, payloads with overflow pages, and a write-ahead log over them. No index, no query.
 */
import { AppError } from '../../../model/errors.ts';
import { type Reader, readerOf } from '../reader.ts';
import { type Blob, maxBlobBytes } from './blob.ts';
import { walPages } from './sqlite-wal.ts';

const where = 'SQLite database';
const damaged = (message: string) =>
  new AppError('corrupt', message, { where, hint: 'the database is damaged; the guest can rebuild it' });

const leaf = 0x0d;
const interior = 0x05;
/** A tree of 2^31 pages is not deeper. */
const maxDepth = 20;

interface Database {
  readonly pageSize: number;
  /** Bytes of a page that are used. */
  readonly usable: number;
  readonly pageCount: number;
  page(number: number): Promise<Buffer>;
}

export interface Row {
  readonly rowid: number;
  readonly payload: Blob;
}

async function openDatabase(bytes: Buffer | Reader, wal?: Buffer): Promise<Database> {
  const reader = readerOf(bytes, where);
  if (reader.size < 100) throw damaged(`${reader.size} bytes are no SQLite database`);
  const first = await reader.read(0, 100);
  if (first.toString('latin1', 0, 16) !== 'SQLite format 3\0') throw damaged('no SQLite header');
  const code = first.readUInt16BE(16);
  const pageSize = code === 1 ? 65536 : code;
  if (pageSize < 512 || (pageSize & (pageSize - 1)) !== 0) throw damaged(`pages of ${code} bytes`);
  const over = wal === undefined ? undefined : walPages(wal, pageSize);
  const usable = pageSize - (over?.pages.get(1)?.[20] ?? first[20]!);
  if (usable < 480) throw damaged(`${usable} usable bytes of a page`);
  const pageCount = over?.pageCount ?? Math.floor(reader.size / pageSize);
  return {
    pageSize,
    usable,
    pageCount,
    async page(number) {
      if (number < 1 || number > pageCount) throw damaged(`page ${number} of ${pageCount}`);
      return over?.pages.get(number) ?? reader.read((number - 1) * pageSize, pageSize);
    },
  };
}

export interface Tables {
  /** In order. Their first column may be the rowid. @throws AppError `corrupt`, `not-found`. */
  rows(table: string): AsyncGenerator<Row>;
  /** The one of this number, found by the tree. @throws AppError `corrupt`, `not-found` (no such table). */
  row(table: string, rowid: number): Promise<Row | undefined>;
}

/** @throws AppError `corrupt`. */
export async function openTables(bytes: Buffer | Reader, wal?: Buffer): Promise<Tables> {
  const database = await openDatabase(bytes, wal);
  const rootOf = async (table: string): Promise<number> => {
    for await (const { payload } of rowsOf(database, 1)) {
      // sqlite_schema: type, name, tbl_name, rootpage, sql
      const [type, name, , root] = columns(await payload.head(4096), 4);
      if (type?.toString() === 'table' && name?.toString() === table && root !== undefined && root.length > 0)
        return root.readUIntBE(0, Math.min(6, root.length));
    }
    throw new AppError('not-found', `no table ${table}`, { where });
  };
  return {
    async *rows(table) {
      yield* rowsOf(database, await rootOf(table));
    },
    async row(table, rowid) {
      for await (const row of rowsOf(database, await rootOf(table), rowid))
        if (row.rowid >= rowid) return row.rowid === rowid ? row : undefined;
      return undefined;
    },
  };
}

/** From the page on that would hold the row `from`. */
async function* rowsOf(database: Database, root: number, from = 0): AsyncGenerator<Row> {
  const seen = new Set<number>();
  async function* below(number: number, depth: number): AsyncGenerator<Row> {
    if (depth > maxDepth || seen.has(number)) throw damaged(`page ${number} is met twice, or too deep`);
    seen.add(number);
    const page = await database.page(number);
    const at = number === 1 ? 100 : 0;
    const kind = page[at]!;
    if (kind !== leaf && kind !== interior) throw damaged(`page ${number} is of kind ${kind}`);
    const count = page.readUInt16BE(at + 3);
    const pointers = at + (kind === leaf ? 8 : 12);
    if (pointers + count * 2 > page.length) throw damaged(`${count} cells on page ${number}`);
    for (let i = 0; i < count; i++) {
      const cell = page.readUInt16BE(pointers + i * 2);
      if (cell + 4 > page.length) throw damaged(`a cell outside of page ${number}`);
      // The key of a pointer is the last one below it.
      if (kind === interior && varint(page, cell + 4).value < from) continue;
      if (kind === interior) yield* below(page.readUInt32BE(cell), depth + 1);
      else yield readCell(database, page, cell);
    }
    if (kind === interior) yield* below(page.readUInt32BE(at + 8), depth + 1);
  }
  yield* below(root, 0);
}

/** 1.5, "B-tree Cell Format" and the split of a payload between the cell and overflow pages. */
function readCell(database: Database, page: Buffer, cell: number): Row {
  const size = varint(page, cell);
  const rowid = varint(page, size.next);
  if (size.value > maxBlobBytes || size.value > database.pageCount * database.pageSize) {
    throw damaged(`a row of ${size.value} bytes`);
  }
  const { usable } = database;
  const most = usable - 35;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const split = least + ((size.value - least) % (usable - 4));
  const local = size.value <= most ? size.value : split <= most ? split : least;
  const start = rowid.next;
  const overflows = local < size.value;
  if (start + local + (overflows ? 4 : 0) > page.length) throw damaged('a row outside of its page');
  const payload: Blob = {
    size: size.value,
    async head(length) {
      const wanted = Math.min(length, size.value);
      const parts = [page.subarray(start, start + Math.min(local, wanted))];
      let next = overflows ? page.readUInt32BE(start + local) : 0;
      // Each page adds at least 476 bytes, so a chain in circles ends, too.
      for (let have = parts[0]!.length; have < wanted; ) {
        const more = await database.page(next);
        next = more.readUInt32BE(0);
        const part = more.subarray(4, 4 + Math.min(usable - 4, wanted - have));
        parts.push(part);
        have += part.length;
      }
      return Buffer.concat(parts);
    },
  };
  return { rowid: rowid.value, payload };
}

/** 1 to 9 bytes, 7 bits each. Past 2^53 it is no length, nor a row that is looked for. */
function varint(bytes: Buffer, at: number): { value: number; next: number } {
  let value = 0;
  for (let i = 0; i < 8; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) throw damaged('a number that does not end');
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  return { value: value * 256 + (bytes[at + 8] ?? 0), next: at + 9 };
}

/** 2.1, "Record Format": the first columns of a record as they lie there; undefined for NULL and the constants. */
export function columns(record: Buffer, count: number): (Buffer | undefined)[] {
  const head = varint(record, 0);
  const found: (Buffer | undefined)[] = [];
  let at = head.value;
  for (let next = head.next; found.length < count && next < head.value; ) {
    const type = varint(record, next);
    next = type.next;
    const length =
      type.value >= 12 ? Math.floor((type.value - 12) / 2) : ([0, 1, 2, 3, 4, 6, 8, 8][type.value] ?? 0);
    // A column that goes past what was read is given as far as it goes.
    found.push(length === 0 ? undefined : record.subarray(at, at + length));
    at += length;
  }
  return found;
}
