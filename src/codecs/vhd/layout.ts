/**
 * Virtual PC's and Hyper-V's disk: "Virtual Hard Disk Image Format Specification" 1.0 (Microsoft, 2006), all big-endian.
 * Read: fixed, dynamic, differencing. Written: fixed, dynamic.
 *
 *   fixed:    data | footer 512
 *   dynamic:  footer copy 512 | header 1024 | block allocation table | (sector bitmap, block) … | footer 512
 */
import { randomBytes } from 'node:crypto';
import { ascii, bits64, raw, struct, u8, u16, u32, u64 } from '../../io/struct.ts';
import { GiB } from '../../model/units.ts';

export const sectorBytes = 512;
export const footerBytes = 512;
export const headerBytes = 1024;
export const footerCookie = 'conectix';
export const headerCookie = 'cxsparse';
export const formatVersion = 0x0001_0000;
/** BAT entry of a block that is not there. */
export const unusedEntry = 0xffff_ffff;
/** No dynamic header follows. */
export const noDataOffset = 0xffff_ffff_ffff_ffffn;
/** What Hyper-V takes, a little less than the 2 TiB of 32 bits of sectors. */
export const largestBytes = 2040 * GiB;

export const diskTypes = { fixed: 2, dynamic: 3, differencing: 4 } as const;

/** "Hard Disk Footer Format". */
export const footer = struct('VHD footer', footerBytes, 'be', {
  cookie: [0, ascii(8)],
  features: [8, u32],
  fileFormatVersion: [12, u32],
  dataOffset: [16, bits64],
  timeStamp: [24, u32],
  creatorApplication: [28, raw(4)],
  creatorVersion: [32, u32],
  creatorHostOs: [36, raw(4)],
  originalSize: [40, u64],
  currentSize: [48, u64],
  cylinders: [56, u16],
  heads: [58, u8],
  sectorsPerTrack: [59, u8],
  diskType: [60, u32],
  checksum: [64, u32],
  uniqueId: [68, raw(16)],
  savedState: [84, u8],
});
export type Footer = ReturnType<typeof footer.decode>;

/** "Dynamic Disk Header Format". */
export const dynamicHeader = struct('VHD dynamic header', headerBytes, 'be', {
  cookie: [0, ascii(8)],
  dataOffset: [8, bits64],
  tableOffset: [16, u64],
  headerVersion: [24, u32],
  maxTableEntries: [28, u32],
  blockSize: [32, u32],
  checksum: [36, u32],
  parentUniqueId: [40, raw(16)],
  parentTimeStamp: [56, u32],
  parentUnicodeName: [64, raw(512)],
  parentLocators: [576, raw(8 * 24)],
});
export type DynamicHeader = ReturnType<typeof dynamicHeader.decode>;

/** "Parent Locator Entries": where in this file the name of the parent is written, for one platform. */
export const parentLocator = struct('VHD parent locator', 24, 'be', {
  platformCode: [0, ascii(4)],
  dataSpace: [4, u32],
  dataLength: [8, u32],
  dataOffset: [16, u64],
});

/** One's complement of the sum of all bytes, those of the checksum itself (4 bytes at `at`) left out. */
export function checksum(bytes: Uint8Array, at: number): number {
  let sum = 0;
  for (let i = 0; i < bytes.length; i++) if (i < at || i >= at + 4) sum += bytes[i]!;
  return ~sum >>> 0;
}
export const footerChecksumAt = 64;
export const headerChecksumAt = 36;

export interface Geometry {
  readonly cylinders: number;
  readonly heads: number;
  readonly sectorsPerTrack: number;
}

/** "CHS Calculation" of the spec's appendix. It says at most 127 GiB, and never more than the disk has. */
export function geometryOf(sizeBytes: number): Geometry {
  const most = 65_535 * 16 * 255;
  const sectors = Math.min(Math.floor(sizeBytes / sectorBytes), most);
  if (sectors >= 65_535 * 16 * 63) {
    return { cylinders: Math.floor(sectors / (255 * 16)), heads: 16, sectorsPerTrack: 255 };
  }
  let sectorsPerTrack = 17;
  let tracks = Math.floor(sectors / sectorsPerTrack);
  let heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
  if (tracks >= heads * 1024 || heads > 16) {
    sectorsPerTrack = 31;
    heads = 16;
    tracks = Math.floor(sectors / sectorsPerTrack);
  }
  if (tracks >= heads * 1024) {
    sectorsPerTrack = 63;
    heads = 16;
    tracks = Math.floor(sectors / sectorsPerTrack);
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}

export const geometryBytes = (g: Geometry): number => g.cylinders * g.heads * g.sectorsPerTrack * sectorBytes;

/** Bytes of the sector bitmap before each block: one bit a sector, rounded up to whole sectors. */
export const bitmapBytes = (blockSize: number): number =>
  Math.ceil(blockSize / sectorBytes / 8 / sectorBytes) * sectorBytes;

/** As Windows writes a GUID of these 16 bytes kept in order. */
export const formatUniqueId = (id: Uint8Array): string =>
  Buffer.from(id)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');

export const freshUniqueId = (): Uint8Array => new Uint8Array(randomBytes(16));
