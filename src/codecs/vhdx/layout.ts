/**
 * Hyper-V's disk: [MS-VHDX] "Virtual Hard Disk v2 (VHDX) File Format", v20180912, all little-endian.
 * Read: fixed, dynamic, differencing, with the log replayed in memory. Written: fixed, dynamic.
 *
 *   0 file type 64K | header 64K | header 64K | region table 64K | region table 64K | reserved, up to 1M
 *   1M: log, metadata region, block allocation table, payload and sector bitmap blocks, in any order
 *
 * Everything from 1 MiB on is placed at whole mebibytes.
 */
import { randomBytes } from 'node:crypto';
import { crc32c } from '../../io/crc32c.ts';
import { ascii, bits64, raw, struct, u16, u32, u64 } from '../../io/struct.ts';
import { KiB, MiB, TiB } from '../../model/units.ts';

export const fileSignature = 'vhdxfile';
export const headerOffsets = [64 * KiB, 128 * KiB] as const;
export const regionTableOffsets = [192 * KiB, 256 * KiB] as const;
export const regionTableBytes = 64 * KiB;
/** Where the fixed structures end and all else begins. */
export const frontBytes = MiB;
export const largestBytes = 64 * TiB;
export const smallestBlock = MiB;
export const largestBlock = 256 * MiB;
export const bitmapBlockBytes = MiB;
export const entryBytes = 8;

/** 2.2.1. The creator is UTF-16, for people only. */
export const fileIdentifier = struct('VHDX file identifier', 520, 'le', {
  signature: [0, ascii(8)],
  creator: [8, raw(512)],
});

/** 2.2.2 Headers. CRC-32C over all 4096 bytes with this field zero. */
export const header = struct('VHDX header', 4 * KiB, 'le', {
  signature: [0, ascii(4)],
  checksum: [4, u32],
  sequenceNumber: [8, bits64],
  fileWriteGuid: [16, raw(16)],
  dataWriteGuid: [32, raw(16)],
  logGuid: [48, raw(16)],
  logVersion: [64, u16],
  version: [66, u16],
  logLength: [68, u32],
  logOffset: [72, bits64],
});
export type Header = ReturnType<typeof header.decode>;

/** 2.2.3.1. CRC-32C over the 64 KiB of the table. Entries follow at 16. */
export const regionTableHeader = struct('VHDX region table', 16, 'le', {
  signature: [0, ascii(4)],
  checksum: [4, u32],
  entryCount: [8, u32],
});
/** 2.2.3.2. */
export const regionEntry = struct('VHDX region entry', 32, 'le', {
  guid: [0, raw(16)],
  fileOffset: [16, bits64],
  length: [24, u32],
  required: [28, u32],
});
export const mostTableEntries = 2047;

/** 2.6.1.1. Entries follow at 32; the table has the first 64 KiB of its region. */
export const metadataHeader = struct('VHDX metadata table', 32, 'le', {
  signature: [0, ascii(8)],
  entryCount: [10, u16],
});
/** 2.6.1.2. */
export const metadataEntry = struct('VHDX metadata entry', 32, 'le', {
  itemId: [0, raw(16)],
  offset: [16, u32],
  length: [20, u32],
  flags: [24, u32],
});
export const metadataTableBytes = 64 * KiB;
export const metadataFlags = { isUser: 1, isVirtualDisk: 2, isRequired: 4 } as const;

/** 2.6.2.1. */
export const fileParameters = struct('VHDX file parameters', 8, 'le', {
  blockSize: [0, u32],
  flags: [4, u32],
});
export const fileParameterFlags = { leaveBlocksAllocated: 1, hasParent: 2 } as const;
/** 2.6.2.2. */
export const virtualDiskSize = struct('VHDX virtual disk size', 8, 'le', { bytes: [0, u64] });

/** 2.6.2.6.1 and .2: keys and values are UTF-16, their places counted from the item's start. */
export const locatorHeader = struct('VHDX parent locator', 20, 'le', {
  locatorType: [0, raw(16)],
  keyValueCount: [18, u16],
});
export const locatorEntry = struct('VHDX parent locator entry', 12, 'le', {
  keyOffset: [0, u32],
  valueOffset: [4, u32],
  keyLength: [8, u16],
  valueLength: [10, u16],
});

/** 2.3.1.1. CRC-32C over the whole entry. */
export const logEntryHeader = struct('VHDX log entry', 64, 'le', {
  signature: [0, ascii(4)],
  checksum: [4, u32],
  entryLength: [8, u32],
  tail: [12, u32],
  sequenceNumber: [16, bits64],
  descriptorCount: [24, u32],
  logGuid: [32, raw(16)],
  flushedFileOffset: [48, bits64],
  lastFileOffset: [56, bits64],
});
/** 2.3.1.2 and .3: `zero` fills a range, `desc` has a data sector whose first 8 and last 4 bytes are here. */
export const logDescriptor = struct('VHDX log descriptor', 32, 'le', {
  signature: [0, ascii(4)],
  trailingBytes: [4, raw(4)],
  leadingBytes: [8, raw(8)],
  fileOffset: [16, bits64],
  sequenceNumber: [24, bits64],
});
/** 2.3.1.4. */
export const logDataSector = struct('VHDX log data sector', 4 * KiB, 'le', {
  signature: [0, ascii(4)],
  sequenceHigh: [4, u32],
  sequenceLow: [4092, u32],
});
export const logSectorBytes = 4 * KiB;

export const guids = {
  batRegion: '2dc27766-f623-4200-9d64-115e9bfd4a08',
  metadataRegion: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  virtualDiskId: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSectorSize: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSectorSize: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
  parentLocatorVhdx: 'b04aefb7-d19e-4a81-b789-25b8e9445913',
} as const;
export const noGuid = '00000000-0000-0000-0000-000000000000';

/** 2.5.1.1 Payload BAT entry states; 4 and 5 are reserved. */
export const blockStates = {
  notPresent: 0,
  undefined: 1,
  zero: 2,
  unmapped: 3,
  fullyPresent: 6,
  partiallyPresent: 7,
} as const;
/** 2.5.1.2. */
export const bitmapPresent = 6;

export interface Entry {
  readonly state: number;
  /** In the file, bytes. */
  readonly offset: number;
}

/** 2.5.1: three bits of state, 17 reserved, 44 of the place in mebibytes. */
export function decodeEntry(bytes: Buffer, at: number): Entry {
  const low = bytes.readUInt32LE(at);
  const high = bytes.readUInt32LE(at + 4);
  return { state: low & 7, offset: (high * 4096 + (low >>> 20)) * MiB };
}

export function encodeEntry(bytes: Buffer, at: number, { state, offset }: Entry): void {
  const place = offset / MiB;
  bytes.writeUInt32LE(((place % 4096) * MiB + state) >>> 0, at);
  bytes.writeUInt32LE(Math.floor(place / 4096), at + 4);
}

/** 2.5: payload blocks of one sector bitmap block; a bitmap's entry comes after so many payload entries. */
export const chunkRatio = (blockSize: number, sectorSize: number): number =>
  (2 ** 23 * sectorSize) / blockSize;

/** The index in the table of payload block `block`. */
export const entryIndex = (block: number, ratio: number): number => block + Math.floor(block / ratio);
/** The index in the table of the bitmap of payload block `block`. */
export const bitmapIndex = (block: number, ratio: number): number =>
  (Math.floor(block / ratio) + 1) * (ratio + 1) - 1;

/** CRC-32C of the bytes with the checksum, always at 4, taken as zero. */
export const checksum = (bytes: Uint8Array): number =>
  crc32c(bytes.subarray(8), crc32c(Buffer.alloc(4), crc32c(bytes.subarray(0, 4))));

export function seal(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(checksum(bytes), 4);
  return bytes;
}

/** The first three groups are little-endian. */
export function formatGuid(bytes: Uint8Array): string {
  const b = Buffer.from(bytes);
  const hex = [b.subarray(0, 4).reverse(), b.subarray(4, 6).reverse(), b.subarray(6, 8).reverse()];
  return [...hex, b.subarray(8, 10), b.subarray(10, 16)].map((part) => part.toString('hex')).join('-');
}

export function parseGuid(text: string): Uint8Array {
  const b = Buffer.from(text.replaceAll('-', ''), 'hex');
  for (const part of [b.subarray(0, 4), b.subarray(4, 6), b.subarray(6, 8)]) part.reverse();
  return b;
}

/** A random GUID, version 4. */
export function freshGuid(): Uint8Array {
  const bytes = randomBytes(16);
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
