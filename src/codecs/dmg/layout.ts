/**
 * Structures of UDIF, Apple's disk image (.dmg). Apple publishes no description; these are the facts that QEMU,
 * 7-Zip and libmodi's documentation agree on. Everything is big-endian, guest offsets are in sectors of 512 bytes.
 *
 *   data fork (chunks) | property list (XML: resource fork with the block tables) | trailer "koly"
 */
import { ascii, raw, struct, u32, u64 } from '../../io/struct.ts';

export const sectorBytes = 512;

export const trailer = struct('DMG trailer', 512, 'be', {
  signature: [0, ascii(4)],
  version: [4, u32],
  headerSize: [8, u32],
  flags: [12, u32],
  runningDataForkOffset: [16, u64],
  dataForkOffset: [24, u64],
  dataForkLength: [32, u64],
  resourceForkOffset: [40, u64],
  resourceForkLength: [48, u64],
  segmentNumber: [56, u32],
  segmentCount: [60, u32],
  segmentId: [64, raw(16)],
  dataChecksumType: [80, u32],
  dataChecksumBits: [84, u32],
  xmlOffset: [216, u64],
  xmlLength: [224, u64],
  checksumType: [352, u32],
  checksumBits: [356, u32],
  imageVariant: [488, u32],
  sectorCount: [492, u64],
});
export const trailerSignature = 'koly';

/** A block table, one for each partition and for what lies between them. */
export const tableHeader = struct('DMG block table', 204, 'be', {
  signature: [0, ascii(4)],
  version: [4, u32],
  sectorNumber: [8, u64],
  sectorCount: [16, u64],
  dataOffset: [24, u64],
  buffersNeeded: [32, u32],
  blockDescriptors: [36, u32],
  checksumType: [64, u32],
  checksumBits: [68, u32],
  checksum: [72, u32],
  chunkCount: [200, u32],
});
export const tableSignature = 'mish';

export const chunkStruct = struct('DMG chunk', 40, 'be', {
  type: [0, u32],
  comment: [4, u32],
  sectorNumber: [8, u64],
  sectorCount: [16, u64],
  offset: [24, u64],
  length: [32, u64],
});

export const chunkType = {
  zero: 0,
  raw: 1,
  /** Not used by the filesystem: zeros as well. */
  ignore: 2,
  comment: 0x7ffffffe,
  adc: 0x80000004,
  zlib: 0x80000005,
  bzip2: 0x80000006,
  lzfse: 0x80000007,
  /** An xz stream. */
  lzma: 0x80000008,
  terminator: 0xffffffff,
} as const;

export const compressedTypes: ReadonlyMap<number, string> = new Map([
  [chunkType.adc, 'ADC'],
  [chunkType.zlib, 'zlib'],
  [chunkType.bzip2, 'bzip2'],
  [chunkType.lzfse, 'LZFSE'],
  [chunkType.lzma, 'LZMA'],
]);
/** A compressed chunk is held in memory as a whole; hdiutil makes them of 256 KiB to 1 MiB. */
export const largestChunk = 16 * 2 ** 20;
