/**
 * rpm's own database "ndb" (SUSE), Packages.db, after rpm's lib/backend/ndb/rpmpkg.c:
 *
 *   header (32) | slots (16 each): "Slot", package number, first block, number of blocks | … | blobs
 *   a blob: "BlbS", package number, generation, length | the header | adler32, length, "BlbE"
 */
import { AppError } from '../../../model/errors.ts';
import { type Reader, readerOf } from '../reader.ts';
import { type Blob, maxBlobBytes } from './blob.ts';
import { maxPackages } from './package-entry.ts';

const where = 'Packages.db';
const damaged = (message: string) =>
  new AppError('corrupt', message, { where, hint: 'the database is damaged; rpm --rebuilddb makes it anew' });

const magic = (text: string) => Buffer.from(text, 'latin1').readUInt32LE(0);
const headerBytes = 32;
const slotBytes = 16;
const pageBytes = 4096;
const blockBytes = 16;
const blobHeadBytes = 16;

/** @throws AppError `corrupt`, `unsupported`. */
export async function* ndbBlobs(bytes: Buffer | Reader): AsyncGenerator<Blob> {
  const reader = readerOf(bytes, where);
  const head = await reader.read(0, headerBytes);
  if (head.readUInt32LE(0) !== magic('RpmP')) throw damaged('no ndb header');
  const version = head.readUInt32LE(4);
  if (version !== 0) throw new AppError('unsupported', `an ndb database of version ${version}`, { where });
  const slotPages = head.readUInt32LE(12);
  if (slotPages * pageBytes > reader.size) throw damaged(`${slotPages} pages of slots`);
  let count = 0;
  for (let page = 0; page < slotPages; page++) {
    const slots = await reader.read(page * pageBytes, pageBytes);
    for (let at = page === 0 ? headerBytes : 0; at < pageBytes; at += slotBytes) {
      if (slots.readUInt32LE(at) !== magic('Slot')) throw damaged(`no slot at ${page * pageBytes + at}`);
      const blocks = slots.readUInt32LE(at + 8);
      if (blocks === 0) continue;
      if (++count > maxPackages) return;
      yield await blobAt(reader, blocks * blockBytes, slots.readUInt32LE(at + 4));
    }
  }
}

async function blobAt(reader: Reader, at: number, number: number): Promise<Blob> {
  const head = await reader.read(at, blobHeadBytes);
  const size = head.readUInt32LE(12);
  const sound = head.readUInt32LE(0) === magic('BlbS') && head.readUInt32LE(4) === number;
  if (!sound || size > maxBlobBytes || size > reader.size - at - blobHeadBytes)
    throw damaged(`package ${number} at ${at}`);
  return { size, head: (length) => reader.read(at + blobHeadBytes, Math.min(length, size)) };
}
