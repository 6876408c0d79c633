/**
 * A partition table around a bare filesystem, such as those of User Mode Linux and of containers: one partition,
 * 1 MiB from the start. MBR by what every BIOS expects, GPT by UEFI 2.10 section 5.3.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { memorySource } from '../../io/byte-source.ts';
import { concatenated, type Disk, sourceDisk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { TableKind } from '../../model/plan.ts';
import { MiB } from '../../model/units.ts';
import { gptEntry, gptHeader } from './gpt.ts';

const startBytes = MiB;
const entryCount = 128;
const entryBytes = 128;
/** Little-endian in its first three parts, as GUIDs are stored: 0FC63DAF-8483-4772-8E79-3D69D8477DE4. */
const linuxData = Buffer.from('af3dc60f838472478e793d69d8477de4', 'hex');
const mbrLimit = 2 ** 32;

/** The disk with a table before it; its end is filled to a whole MiB. Closing it closes the disk. */
export function withPartitionTable(inner: Disk, kind: TableKind): Disk {
  const sectorBytes = inner.sectorSize;
  const sectors = Math.ceil(inner.size / sectorBytes);
  const padding = (MiB - (inner.size % MiB)) % MiB;
  if (kind === 'mbr' && startBytes / sectorBytes + sectors >= mbrLimit) {
    throw new AppError('unsupported', 'the disk is too large for a partition table of the old kind (MBR)', {
      hint: 'choose gpt',
    });
  }
  const total = startBytes + inner.size + padding + (kind === 'gpt' ? MiB : 0);
  const first = Buffer.alloc(startBytes);
  const last = Buffer.alloc(kind === 'gpt' ? MiB : 0);
  const place = { first: startBytes / sectorBytes, sectors, total: total / sectorBytes, sectorBytes };
  // What tells this disk from others.
  first.set(guidFrom(`signature ${total} ${sectors}`).subarray(0, 4), 440);
  if (kind === 'mbr') writeMbr(first, 0x83, place.first, sectors, true);
  else writeGpt(first, last, place);
  const parts = [first, undefined, Buffer.alloc(padding), last].map((bytes) =>
    bytes === undefined ? inner : sourceDisk(memorySource(bytes, 'partition table'), sectorBytes),
  );
  return concatenated(parts.filter((part) => part.size > 0));
}

/** One entry. CHS is what stands for "see the LBA". */
function writeMbr(sector: Buffer, type: number, first: number, sectors: number, active: boolean): void {
  sector[446] = active ? 0x80 : 0;
  sector.fill(Buffer.from([0xfe, 0xff, 0xff]), 447, 450);
  sector[450] = type;
  sector.fill(Buffer.from([0xfe, 0xff, 0xff]), 451, 454);
  sector.writeUInt32LE(first, 454);
  sector.writeUInt32LE(Math.min(sectors, 0xffff_ffff), 458);
  sector.writeUInt16LE(0xaa55, 510);
}

interface Place {
  /** All in sectors. */
  readonly first: number;
  readonly sectors: number;
  readonly total: number;
  readonly sectorBytes: number;
}

function writeGpt(head: Buffer, tail: Buffer, { first, sectors, total, sectorBytes }: Place): void {
  writeMbr(head, 0xee, 1, total - 1, false);
  const entrySectors = (entryCount * entryBytes) / sectorBytes;
  const entries = Buffer.alloc(entryCount * entryBytes);
  // The same disk gets the same ids each time: a conversion that is done again gives the same bytes.
  const seed = `${total} ${sectors} ${sectorBytes}`;
  const name = Buffer.alloc(72);
  name.write('root', 'utf16le');
  entries.set(
    gptEntry.encode({
      typeGuid: linuxData,
      uniqueGuid: guidFrom(`partition ${seed}`),
      startingLba: first,
      endingLba: first + sectors - 1,
      attributes: Buffer.alloc(8),
      name,
    }),
  );
  const header = (myLba: number, alternateLba: number, partitionEntryLba: number) => {
    const fields = {
      signature: 'EFI PART',
      revision: 0x10000,
      headerSize: 92,
      headerCrc32: 0,
      myLba,
      alternateLba,
      firstUsableLba: 2 + entrySectors,
      lastUsableLba: total - entrySectors - 2,
      diskGuid: guidFrom(`disk ${seed}`),
      partitionEntryLba,
      numberOfPartitionEntries: entryCount,
      sizeOfPartitionEntry: entryBytes,
      partitionEntryArrayCrc32: crc32(entries),
    };
    return gptHeader.encode({ ...fields, headerCrc32: crc32(gptHeader.encode(fields)) });
  };
  const end = total - 1;
  head.set(header(1, end, 2), sectorBytes);
  head.set(entries, 2 * sectorBytes);
  tail.set(entries, tail.length - (entrySectors + 1) * sectorBytes);
  tail.set(header(end, 1, end - entrySectors), tail.length - sectorBytes);
}

/** A GUID of version 4 in shape. */
function guidFrom(text: string): Buffer {
  const bytes = createHash('sha256').update(text).digest().subarray(0, 16);
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
