/** Packages of rpm: the header of each, out of whichever database the system has. */
import { AppError } from '../../../model/errors.ts';
import { given, plainText } from '../../text.ts';
import { pagedReader, type Reader, readerOf } from '../reader.ts';
import { bdbHashBlobs } from './bdb-hash.ts';
import type { Blob } from './blob.ts';
import { ndbBlobs } from './ndb.ts';
import { maxPackages, type PackageEntry } from './package-entry.ts';
import { columns, openTables, type Row, type Tables } from './sqlite.ts';

/** Where each distribution keeps it, in the order to look for. */
export const rpmDatabases = [
  'usr/lib/sysimage/rpm/rpmdb.sqlite',
  'var/lib/rpm/rpmdb.sqlite',
  'usr/lib/sysimage/rpm/Packages.db',
  'var/lib/rpm/Packages.db',
  'var/lib/rpm/Packages',
] as const;

const tags = { name: 1000, version: 1001, release: 1002, epoch: 1003, architecture: 1022 };
const tagNumbers = new Set(Object.values(tags));
const types = { int32: 4, text: 6, texts: 8, i18nTexts: 9 };

const entryBytes = 16;
/** rpm's own limit is 65535 entries. */
const maxIndex = 65_536;
/** The index and what is wanted lie in here for nearly all packages. */
const usualBytes = 16 * 1024;
const maxTextBytes = 256;

/** By what the bytes begin with, whatever the file's name. `wal`: rpmdb.sqlite-wal, where there is one. */
export async function readRpmDatabase(bytes: Buffer | Reader, wal?: Buffer): Promise<PackageEntry[]> {
  const reader = pagedReader(readerOf(bytes, 'rpm database'), 'rpm database');
  const head = await reader.read(0, Math.min(16, reader.size));
  const found: PackageEntry[] = [];
  const blobs = (await isSqlite(reader))
    ? sqliteBlobs(await openTables(reader, wal))
    : head.toString('latin1', 0, 4) === 'RpmP'
      ? ndbBlobs(reader)
      : bdbHashBlobs(reader);
  for await (const blob of blobs) {
    // Berkeley DB: the number of the next package, beside the packages.
    if (blob.size <= 8) continue;
    const entry = await readHeader(blob);
    // Keys of the maker are listed as packages; they are none.
    if (entry !== undefined && entry.name !== 'gpg-pubkey') found.push(entry);
    if (found.length >= maxPackages) break;
  }
  return found;
}

export interface ChosenPackages {
  /** Of all. */
  readonly count: number;
  readonly entries: readonly PackageEntry[];
}

/**
 * The entries of `wanted` names alone: in the databases that have an index of names the headers of the others, nearly
 * all of the file, are not read. `undefined`: this one has none.
 */
export async function chosenFromRpm(
  bytes: Buffer | Reader,
  wal: Buffer | undefined,
  wanted: (name: string) => boolean,
): Promise<ChosenPackages | undefined> {
  const reader = pagedReader(readerOf(bytes, 'rpm database'), 'rpm database');
  if (reader.size < 16 || !(await isSqlite(reader))) return undefined;
  const tables = await openTables(reader, wal);
  let count = 0;
  const numbers: number[] = [];
  // Table Name: key, hnum, idx.
  for await (const { payload } of tables.rows('Name')) {
    const [key, hnum] = columns(await payload.head(maxTextBytes * 2), 2);
    const name = key?.toString('utf8') ?? '';
    if (name === 'gpg-pubkey') continue;
    if (++count > maxPackages) break;
    // SQLite stores 1 without a byte.
    if (wanted(name)) numbers.push(hnum === undefined ? 1 : hnum.readUIntBE(0, Math.min(6, hnum.length)));
  }
  const entries: PackageEntry[] = [];
  for (const number of numbers) {
    const row = await tables.row('Packages', number);
    const entry = row && (await readHeader(headerOf(row)));
    if (entry !== undefined) entries.push(entry);
  }
  return { count, entries };
}

const isSqlite = async (reader: Reader) =>
  (await reader.read(0, Math.min(16, reader.size))).toString('latin1').startsWith('SQLite format 3');

async function* sqliteBlobs({ rows }: Tables): AsyncGenerator<Blob> {
  for await (const row of rows('Packages')) yield headerOf(row);
}

/** Table Packages: hnum (the rowid, stored as NULL), blob. */
const headerOf = ({ payload }: Row): Blob => ({
  size: payload.size,
  async head(length) {
    const record = await payload.head(length + 32);
    const blob = columns(record, 2)[1];
    if (blob === undefined) throw new AppError('corrupt', 'a row of the rpm database without a header');
    return blob.subarray(0, length);
  },
});

/**
 * rpm's header in a database: entries and bytes of data (big endian), then (tag, type, offset, count) each, then the
 * data. Undefined where it has no name.
 */
async function readHeader(blob: Blob): Promise<PackageEntry | undefined> {
  let bytes = await blob.head(usualBytes);
  if (bytes.length < 8) return undefined;
  const entries = bytes.readUInt32BE(0);
  const dataBytes = bytes.readUInt32BE(4);
  const dataAt = 8 + entries * entryBytes;
  if (entries === 0 || entries > maxIndex || dataAt + dataBytes > blob.size) {
    throw new AppError(
      'corrupt',
      `an rpm header of ${entries} entries, ${dataBytes} bytes of data, in ${blob.size}`,
    );
  }
  if (bytes.length < dataAt) bytes = await blob.head(dataAt);
  const places = new Map<number, { at: number; type: number }>();
  let furthest = 0;
  for (let i = 0; i < entries; i++) {
    const at = 8 + i * entryBytes;
    const tag = bytes.readUInt32BE(at);
    const offset = bytes.readUInt32BE(at + 8);
    if (!tagNumbers.has(tag) || offset >= dataBytes) continue;
    places.set(tag, { at: dataAt + offset, type: bytes.readUInt32BE(at + 4) });
    furthest = Math.max(furthest, dataAt + Math.min(offset + maxTextBytes, dataBytes));
  }
  if (furthest > bytes.length) bytes = await blob.head(furthest);
  return entryOf(bytes, places);
}

function entryOf(
  bytes: Buffer,
  places: ReadonlyMap<number, { at: number; type: number }>,
): PackageEntry | undefined {
  const text = (tag: number): string | undefined => {
    const place = places.get(tag);
    if (place === undefined || ![types.text, types.texts, types.i18nTexts].includes(place.type))
      return undefined;
    const end = bytes.indexOf(0, place.at);
    return plainText(
      bytes.toString('utf8', place.at, Math.min(end < 0 ? bytes.length : end, place.at + maxTextBytes)),
    );
  };
  const [name, version, release] = [text(tags.name), text(tags.version), text(tags.release)];
  if (!name || !version) return undefined;
  const place = places.get(tags.epoch);
  const epoch =
    place?.type === types.int32 && place.at + 4 <= bytes.length ? `${bytes.readUInt32BE(place.at)}:` : '';
  return {
    name,
    version: `${epoch}${version}${release ? `-${release}` : ''}`,
    ...given('architecture', text(tags.architecture)),
  };
}
