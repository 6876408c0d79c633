/**
 * GUID partition table, UEFI 2.10 section 5.3: protective MBR in LBA 0, header in LBA 1, entries (mostly 128 of
 * 128 bytes) behind it; a backup of both at the end of the disk, header last.
 */
import { crc32 } from 'node:zlib';
import { ascii, raw, struct, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import type { GuestPartition } from '../../model/guest-report.ts';
import { bytesAt, type Looking } from '../looking.ts';
import { fixedText, given, guidAt } from '../text.ts';
import { typeName } from './type-names.ts';

/** UEFI 5.3.2, table 5.5. */
export const gptHeader = struct('GPT header', 92, 'le', {
  signature: [0, ascii(8)],
  revision: [8, u32],
  headerSize: [12, u32],
  headerCrc32: [16, u32],
  myLba: [24, u64],
  alternateLba: [32, u64],
  firstUsableLba: [40, u64],
  lastUsableLba: [48, u64],
  diskGuid: [56, raw(16)],
  partitionEntryLba: [72, u64],
  numberOfPartitionEntries: [80, u32],
  sizeOfPartitionEntry: [84, u32],
  partitionEntryArrayCrc32: [88, u32],
});

/** UEFI 5.3.3, table 5.6; 36 UTF-16 characters of name follow at 56. */
export const gptEntry = struct('GPT entry', 128, 'le', {
  typeGuid: [0, raw(16)],
  uniqueGuid: [16, raw(16)],
  startingLba: [32, u64],
  endingLba: [40, u64],
  attributes: [48, raw(8)],
  name: [56, raw(72)],
});

/** The usual array is 16 KiB; 1 MiB is 8192 partitions. */
const maxEntriesBytes = 2 ** 20;
const legacyBootable = 1 << 2;

export interface Gpt {
  readonly diskGuid: string;
  readonly alternateLba: number;
  readonly partitions: GuestPartition[];
}

/** Whether `GPT header`'s signature is at this place. */
export async function hasGptSignature(looking: Looking, lba: number, sectorSize: number): Promise<boolean> {
  return lba > 0 && (await bytesAt(looking, lba * sectorSize, 8)).toString('latin1') === 'EFI PART';
}

/**
 * The table whose header is at `lba`.
 * @throws AppError `corrupt` when a checksum or a bound is wrong, `unsupported` for another revision.
 */
export async function readGpt(looking: Looking, lba: number, sectorSize: number): Promise<Gpt> {
  const where = `GPT header in sector ${lba}`;
  const sector = await bytesAt(looking, lba * sectorSize, sectorSize);
  if (sector.toString('latin1', 0, 8) !== 'EFI PART')
    throw new AppError('corrupt', `${where}: no "EFI PART"`);
  const header = gptHeader.decode(sector);
  if (header.headerSize < gptHeader.bytes || header.headerSize > sectorSize) {
    throw new AppError('corrupt', `${where}: header size ${header.headerSize}`);
  }
  const covered = Buffer.from(sector.subarray(0, header.headerSize));
  covered.fill(0, 16, 20);
  expectChecksum(where, crc32(covered), header.headerCrc32);
  if (header.revision >>> 16 !== 1) {
    throw new AppError(
      'unsupported',
      `${where}: revision 0x${header.revision.toString(16)}, 0x10000 is known`,
    );
  }
  if (header.myLba !== lba)
    throw new AppError('corrupt', `${where}: it says that it is in sector ${header.myLba}`);
  const entries = await readEntries(looking, header, sectorSize, where);
  return {
    diskGuid: guidAt(header.diskGuid, 0),
    alternateLba: header.alternateLba,
    partitions: decodeEntries(entries, header.sizeOfPartitionEntry, sectorSize),
  };
}

type Header = ReturnType<typeof gptHeader.decode>;

async function readEntries(
  looking: Looking,
  header: Header,
  sectorSize: number,
  where: string,
): Promise<Buffer> {
  const { numberOfPartitionEntries: count, sizeOfPartitionEntry: size, partitionEntryLba } = header;
  // 5.3.2: 128 × 2^n bytes each.
  if (size < 128 || size > 4096 || (size & (size - 1)) !== 0 || count * size > maxEntriesBytes) {
    throw new AppError('corrupt', `${where}: ${count} entries of ${size} bytes`);
  }
  const offset = partitionEntryLba * sectorSize;
  if (!Number.isSafeInteger(offset) || offset + count * size > looking.disk.size) {
    throw new AppError(
      'corrupt',
      `${where}: the entries in sector ${partitionEntryLba} are past the end of the disk`,
    );
  }
  const entries = await bytesAt(looking, offset, count * size);
  expectChecksum(`${where}, entries`, crc32(entries), header.partitionEntryArrayCrc32);
  return entries;
}

function decodeEntries(bytes: Buffer, entryBytes: number, sectorSize: number): GuestPartition[] {
  const partitions: GuestPartition[] = [];
  for (let i = 0; (i + 1) * entryBytes <= bytes.length; i++) {
    const at = i * entryBytes;
    if (bytes.readBigUInt64LE(at) === 0n && bytes.readBigUInt64LE(at + 8) === 0n) continue;
    const entry = gptEntry.decode(bytes, at);
    const type = guidAt(entry.typeGuid, 0);
    if (entry.endingLba < entry.startingLba || !Number.isSafeInteger((entry.endingLba + 1) * sectorSize)) {
      throw new AppError('corrupt', `GPT entry ${i + 1}: sectors ${entry.startingLba} to ${entry.endingLba}`);
    }
    partitions.push({
      number: i + 1,
      startBytes: entry.startingLba * sectorSize,
      lengthBytes: (entry.endingLba - entry.startingLba + 1) * sectorSize,
      type,
      typeName: typeName(type),
      ...given('name', fixedText(entry.name, 0, 72, 'utf16le')),
      uuid: guidAt(entry.uniqueGuid, 0),
      bootable: (entry.attributes[0]! & legacyBootable) !== 0,
    });
  }
  return partitions;
}

function expectChecksum(where: string, found: number, expected: number): void {
  if (found === expected) return;
  const hex = (value: number) => `0x${value.toString(16).padStart(8, '0')}`;
  throw new AppError('corrupt', `${where}: checksum ${hex(found)}, ${hex(expected)} expected`);
}
