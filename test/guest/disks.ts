/** Disks made in memory: partition tables written by code of the tests, volumes from the fixtures. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { crc32 } from '@node-rs/crc32';
import type { Looking } from '../../src/guest/looking.ts';
import { gptEntry, gptHeader } from '../../src/guest/partitions/gpt.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { type Disk, sourceDisk } from '../../src/io/disk.ts';

export const fixture = (name: string): Buffer =>
  gunzipSync(readFileSync(new URL(`fixtures/${name}.gz`, import.meta.url)));

export const diskOf = (bytes: Uint8Array, sectorSize = 512): Disk =>
  sourceDisk(memorySource(bytes), sectorSize);

export const lookingAt = (bytes: Uint8Array, sectorSize = 512): Looking => ({
  disk: diskOf(bytes, sectorSize),
  signal: undefined,
  findings: [],
});

export interface Entry {
  readonly status?: number;
  readonly id: number;
  readonly start: number;
  readonly length: number;
}

/** Writes the table (or an extended boot record) into the sector at `at`. */
export function putMbr(bytes: Buffer, entries: readonly (Entry | undefined)[], at = 0): void {
  bytes.fill(0, at + 446, at + 510);
  for (const [i, entry] of entries.entries()) {
    if (entry === undefined) continue;
    const place = at + 446 + i * 16;
    bytes[place] = entry.status ?? 0;
    bytes[place + 4] = entry.id;
    bytes.writeUInt32LE(entry.start, place + 8);
    bytes.writeUInt32LE(entry.length, place + 12);
  }
  bytes.writeUInt16LE(0xaa55, at + 510);
}

/** A GUID's text as its 16 bytes on disk. */
export function guidBytes(text: string): Buffer {
  const b = Buffer.from(text.replaceAll('-', ''), 'hex');
  return Buffer.concat([
    b.subarray(0, 4).reverse(),
    b.subarray(4, 6).reverse(),
    b.subarray(6, 8).reverse(),
    b.subarray(8),
  ]);
}

export interface GptPart {
  readonly type: string;
  readonly guid?: string;
  readonly start: number;
  readonly end: number;
  readonly name?: string;
  readonly attributes?: number;
}
export const diskGuid = '00112233-4455-6677-8899-aabbccddeeff';
export const linuxData = '0fc63daf-8483-4772-8e79-3d69d8477de4';

/** Writes a protective MBR and both tables. */
export function putGpt(bytes: Buffer, parts: readonly GptPart[], sectorSize = 512): void {
  const last = bytes.length / sectorSize - 1;
  putMbr(bytes, [{ id: 0xee, start: 1, length: last }]);
  const array = Buffer.alloc(128 * 128);
  for (const [i, part] of parts.entries()) {
    const name = Buffer.alloc(72);
    name.write(part.name ?? '', 'utf16le');
    const entry = gptEntry.encode({
      typeGuid: guidBytes(part.type),
      uniqueGuid: guidBytes(part.guid ?? `0000000${i}-0000-0000-0000-000000000001`),
      startingLba: part.start,
      endingLba: part.end,
      attributes: Buffer.from([part.attributes ?? 0, 0, 0, 0, 0, 0, 0, 0]),
      name,
    });
    entry.copy(array, i * 128);
  }
  const arraySectors = array.length / sectorSize;
  const put = (myLba: number, alternateLba: number, partitionEntryLba: number) => {
    const header = gptHeader.encode({
      signature: 'EFI PART',
      revision: 0x10000,
      headerSize: 92,
      myLba,
      alternateLba,
      firstUsableLba: 2 + arraySectors,
      lastUsableLba: last - 1 - arraySectors,
      diskGuid: guidBytes(diskGuid),
      partitionEntryLba,
      numberOfPartitionEntries: 128,
      sizeOfPartitionEntry: 128,
      partitionEntryArrayCrc32: crc32(array),
    });
    header.writeUInt32LE(crc32(header), 16);
    header.copy(bytes, myLba * sectorSize);
    array.copy(bytes, partitionEntryLba * sectorSize);
  };
  put(1, last, 2);
  put(last, 1, last - arraySectors);
}

export const rules = (findings: readonly { rule: string }[]): string[] => findings.map((f) => f.rule);
