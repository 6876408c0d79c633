/**
 * Berkeley DB, access method hash, as rpm had it up to 4.15 (Packages), in either byte order; after db_page.h and
 * hash.h of Berkeley DB 5.3. Buckets are walked, so pages with data only are read where they are asked for.
 *
 *   a page: lsn(8) pgno prev next entries(u16) hf_offset(u16) level(u8) type(u8) | offsets of items (u16) … items
 */
import { AppError } from '../../../model/errors.ts';
import { type Reader, readerOf } from '../reader.ts';
import { type Blob, maxBlobBytes } from './blob.ts';
import { maxPackages } from './package-entry.ts';

const where = 'Packages';
const damaged = (message: string) =>
  new AppError('corrupt', message, { where, hint: 'the database is damaged; rpm --rebuilddb makes it anew' });

const hashMagic = 0x00061561;
const pageHeadBytes = 26;
const pageTypes = { unsortedHash: 2, overflow: 7, hash: 13 };
const itemKinds = { here: 1, offPage: 3 };

interface Database {
  readonly pageSize: number;
  readonly pageCount: number;
  page(number: number): Promise<Buffer>;
  u16(bytes: Buffer, at: number): number;
  u32(bytes: Buffer, at: number): number;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function* bdbHashBlobs(bytes: Buffer | Reader): AsyncGenerator<Blob> {
  const reader = readerOf(bytes, where);
  if (reader.size < 512) throw damaged(`${reader.size} bytes are no Berkeley DB`);
  const meta = await reader.read(0, 512);
  const database = openDatabase(reader, meta);
  const maxBucket = database.u32(meta, 72);
  if (maxBucket >= database.pageCount) throw damaged(`${maxBucket} buckets in ${database.pageCount} pages`);
  const seen = new Set<number>();
  let count = 0;
  for (let bucket = 0; bucket <= maxBucket; bucket++) {
    // BUCKET_TO_PAGE: the buckets of one doubling lie together.
    const spare = database.u32(meta, 96 + 4 * Math.ceil(Math.log2(bucket + 1)));
    for (let number = bucket + spare; number !== 0; ) {
      if (seen.has(number)) throw damaged(`page ${number} is met twice`);
      seen.add(number);
      const page = await database.page(number);
      for (const blob of blobsOn(database, page, number)) {
        if (++count > maxPackages) return;
        yield blob;
      }
      number = database.u32(page, 16);
    }
  }
}

function openDatabase(reader: Reader, meta: Buffer): Database {
  const little = meta.readUInt32LE(12) === hashMagic;
  if (!little && meta.readUInt32BE(12) !== hashMagic) throw damaged('no Berkeley DB of the kind hash');
  const u16 = (bytes: Buffer, at: number) => (little ? bytes.readUInt16LE(at) : bytes.readUInt16BE(at));
  const u32 = (bytes: Buffer, at: number) => (little ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const version = u32(meta, 16);
  if (version < 7 || version > 10)
    throw new AppError('unsupported', `Berkeley DB hash, version ${version}`, { where });
  if (meta[24] !== 0) throw new AppError('unsupported', 'a Berkeley DB that is encrypted', { where });
  const pageSize = u32(meta, 20);
  if (pageSize < 512 || pageSize > 65536 || (pageSize & (pageSize - 1)) !== 0)
    throw damaged(`pages of ${pageSize} bytes`);
  const pageCount = Math.floor(reader.size / pageSize);
  return {
    pageSize,
    pageCount,
    u16,
    u32,
    async page(number) {
      if (number >= pageCount) throw damaged(`page ${number} of ${pageCount}`);
      return reader.read(number * pageSize, pageSize);
    },
  };
}

/** Items come in pairs, key and data. */
function* blobsOn(database: Database, page: Buffer, number: number): Generator<Blob> {
  const type = page[25]!;
  if (type !== pageTypes.hash && type !== pageTypes.unsortedHash)
    throw damaged(`page ${number} is of type ${type}`);
  const entries = database.u16(page, 20);
  if (pageHeadBytes + entries * 2 > page.length) throw damaged(`${entries} items on page ${number}`);
  for (let i = 1; i < entries; i += 2) {
    const at = database.u16(page, pageHeadBytes + i * 2);
    const end = database.u16(page, pageHeadBytes + (i - 1) * 2);
    if (at < pageHeadBytes || end <= at || end > page.length) throw damaged(`item ${i} of page ${number}`);
    const item = page.subarray(at, end);
    if (item[0] === itemKinds.here) {
      const content = item.subarray(1);
      yield { size: content.length, head: async (length) => content.subarray(0, length) };
    } else if (item[0] === itemKinds.offPage && item.length >= 12) {
      yield overflowBlob(database, database.u32(item, 4), database.u32(item, 8));
    } else throw damaged(`item ${i} of page ${number} is of kind ${item[0]}`);
  }
}

function overflowBlob(database: Database, first: number, size: number): Blob {
  if (size > maxBlobBytes || size > database.pageCount * database.pageSize)
    throw damaged(`an item of ${size} bytes`);
  return {
    size,
    async head(length) {
      const wanted = Math.min(length, size);
      const parts: Buffer[] = [];
      let have = 0;
      for (let number = first; have < wanted; ) {
        const page = await database.page(number);
        const used = database.u16(page, 22);
        if (page[25] !== pageTypes.overflow || used === 0 || pageHeadBytes + used > page.length) {
          throw damaged(`page ${number} does not go on with an item`);
        }
        const part = page.subarray(pageHeadBytes, pageHeadBytes + Math.min(used, wanted - have));
        parts.push(part);
        have += part.length;
        number = database.u32(page, 16);
      }
      return Buffer.concat(parts);
    },
  };
}
