/** A GUID partition table for partitions at known places: UEFI 2.10 section 5.3. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { gptEntry, gptHeader } from '../../guest/partitions/gpt.ts';
import { AppError } from '../../model/errors.ts';
import type { Piece } from './layout.ts';

export const gptEntryBytes = 128;
const entriesAtLba = 2;
/** 5.3.1: no array is smaller. */
export const usualEntries = 128;

export interface GptPart {
  readonly number: number;
  readonly startBytes: number;
  readonly lengthBytes: number;
  /** Type, id, attributes and name are taken from it; the places are not. */
  readonly entry: Buffer;
}

export interface GptTable {
  readonly sectorSize: number;
  /** Of the disk, bytes. */
  readonly size: number;
  readonly diskGuid: Uint8Array;
  readonly entryCount: number;
  /** Boot code and signature of the MBR; its entries are made anew. */
  readonly firstSector: Buffer;
  readonly parts: readonly GptPart[];
}

const arrayBytes = (count: number, sectorSize: number): number =>
  Math.ceil((count * gptEntryBytes) / sectorSize) * sectorSize;

/** Where what is not the table may begin. */
export const gptHeadBytes = (count: number, sectorSize: number): number =>
  entriesAtLba * sectorSize + arrayBytes(count, sectorSize);

/** Bytes at the disk's end that the backup takes. */
export const gptTailBytes = (count: number, sectorSize: number): number =>
  sectorSize + arrayBytes(count, sectorSize);

/** The table at the disk's start, and its backup at the end. */
export function gptPieces(table: GptTable): { head: Piece; tail: Piece } {
  const { sectorSize, size, entryCount, parts } = table;
  const total = size / sectorSize;
  const array = Buffer.alloc(arrayBytes(entryCount, sectorSize));
  for (const { number, startBytes, lengthBytes, entry } of parts) {
    if (number < 1 || number > entryCount) throw new AppError('bug', `GPT entry ${number} of ${entryCount}`);
    const startingLba = startBytes / sectorSize;
    const endingLba = (startBytes + lengthBytes) / sectorSize - 1;
    array.set(
      gptEntry.encode({ ...gptEntry.decode(entry), startingLba, endingLba }),
      (number - 1) * gptEntryBytes,
    );
  }
  const arraySectors = array.length / sectorSize;
  const header = (myLba: number, alternateLba: number, partitionEntryLba: number) => {
    const fields = {
      signature: 'EFI PART',
      revision: 0x10000,
      headerSize: gptHeader.bytes,
      headerCrc32: 0,
      myLba,
      alternateLba,
      firstUsableLba: entriesAtLba + arraySectors,
      lastUsableLba: total - arraySectors - 2,
      diskGuid: table.diskGuid,
      partitionEntryLba,
      numberOfPartitionEntries: entryCount,
      sizeOfPartitionEntry: gptEntryBytes,
      partitionEntryArrayCrc32: crc32(array.subarray(0, entryCount * gptEntryBytes)),
    };
    return gptHeader.encode({ ...fields, headerCrc32: crc32(gptHeader.encode(fields)) });
  };
  const head = Buffer.alloc(gptHeadBytes(entryCount, sectorSize));
  head.set(protectiveSector(table.firstSector, total));
  head.set(header(1, total - 1, entriesAtLba), sectorSize);
  head.set(array, entriesAtLba * sectorSize);
  const tail = Buffer.alloc(gptTailBytes(entryCount, sectorSize));
  tail.set(array);
  tail.set(header(total - 1, 1, total - 1 - arraySectors), array.length);
  return { head: { at: 0, bytes: head }, tail: { at: size - tail.length, bytes: tail } };
}

/** 5.2.3: one entry over all of the disk. Some BIOSes want it active: it stays so where it was. */
function protectiveSector(given: Buffer, total: number): Buffer {
  const sector = Buffer.from(given);
  const wasProtective = sector[450] === 0xee;
  const status = wasProtective ? sector[446]! : 0;
  sector.fill(0, 446, 510);
  sector[446] = status;
  sector.set([0x00, 0x02, 0x00, 0xee, 0xff, 0xff, 0xff], 447);
  sector.writeUInt32LE(1, 454);
  sector.writeUInt32LE(Math.min(total - 1, 0xffff_ffff), 458);
  sector.writeUInt16LE(0xaa55, 510);
  return sector;
}

/** An entry for what had none: of this type, with an id made of `seed`, so that doing it again gives the same bytes. */
export function gptEntryFor(type: string, seed: string, name = ''): Buffer {
  const text = Buffer.alloc(72);
  text.write(name.slice(0, 36), 'utf16le');
  return gptEntry.encode({
    typeGuid: guidBytes(type),
    uniqueGuid: guidFrom(seed),
    startingLba: 0,
    endingLba: 0,
    attributes: Buffer.alloc(8),
    name: text,
  });
}

/** The entry with another id. */
export const withGuid = (entry: Buffer, seed: string): Buffer =>
  gptEntry.encode({ ...gptEntry.decode(entry), uniqueGuid: guidFrom(seed) });

/** A GUID of version 4 in shape. */
export function guidFrom(text: string): Buffer {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** As it is stored: the first three groups little endian. */
function guidBytes(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex');
  bytes.subarray(0, 4).reverse();
  bytes.subarray(4, 6).reverse();
  bytes.subarray(6, 8).reverse();
  return bytes;
}
