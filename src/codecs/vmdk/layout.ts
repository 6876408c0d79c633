/**
 * Structures of VMDK, after VMware's "Virtual Disk Format 5.0" technical note, chapter "Hosted Sparse Extents",
 * and the headers of vmware/open-vmdk. Everything is little-endian; offsets and sizes are in sectors.
 *
 *   hosted sparse:    header | descriptor | redundant GD, GTs | GD, GTs | pad to overHead | grains
 *   streamOptimized:  header | descriptor | pad to overHead | (marker, deflated grain)* with a (marker, GT)
 *                     after each full table | (marker, GD) | (marker, footer) | end-of-stream marker
 */
import { ascii, bits64, struct, u8, u16, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';

export const sectorBytes = 512;
export const hostedMagic = 'KDMV';
export const cowdMagic = 'COWD';
/** [VDF] "numGTEsPerGT": 512 in every VMware product. */
export const entriesPerTable = 512;
export const tableBytes = entriesPerTable * 4;
export const tableSectors = tableBytes / sectorBytes;
/** gdOffset of a stream whose grain directory lies before the footer. */
export const gdAtEnd = 0xffffffffffffffffn;

export const flag = {
  newLineTest: 0x1,
  redundantTable: 0x2,
  zeroedGrain: 0x4,
  compressed: 0x10000,
  markers: 0x20000,
} as const;
/** Flags above the lower 16 bits change how the data is read: an unknown one can't be passed over. */
const incompatibleFlags = 0xffff0000;

export const markerType = {
  endOfStream: 0,
  grainTable: 1,
  grainDirectory: 2,
  footer: 3,
  progress: 4,
} as const;

// [VDF] SparseExtentHeader, packed.
export const headerStruct = struct('VMDK header', 512, 'le', {
  magicNumber: [0, ascii(4)],
  version: [4, u32],
  flags: [8, u32],
  capacity: [12, u64],
  grainSize: [20, u64],
  descriptorOffset: [28, u64],
  descriptorSize: [36, u64],
  numGTEsPerGT: [44, u32],
  rgdOffset: [48, bits64],
  gdOffset: [56, bits64],
  overHead: [64, u64],
  uncleanShutdown: [72, u8],
  singleEndLineChar: [73, u8],
  nonEndLineChar: [74, u8],
  doubleEndLineChar1: [75, u8],
  doubleEndLineChar2: [76, u8],
  compressAlgorithm: [77, u16],
});

// [VDF] "Markers". `size` is zero for all but a grain, whose data follows at once, in the type's place.
export const markerStruct = struct('VMDK marker', 16, 'le', {
  value: [0, u64],
  size: [8, u32],
  type: [12, u32],
});
export const grainMarkerBytes = 12;

/** A header that has been checked by itself; nothing of it is checked against the file yet. */
export interface SparseHeader {
  readonly version: number;
  readonly flags: number;
  readonly capacitySectors: number;
  readonly grainSectors: number;
  readonly grainBytes: number;
  readonly descriptorOffset: number;
  readonly descriptorSectors: number;
  /** Absent when the directory's place is told by the footer. */
  readonly gdOffset: number | undefined;
  /** The second copy of directory and tables, where there is one. */
  readonly rgdOffset: number | undefined;
  readonly overHead: number;
  readonly unclean: boolean;
  readonly compressed: boolean;
  readonly zeroedGrain: boolean;
}

/** @throws AppError `corrupt` or `unsupported`, naming the field. */
export function parseHeader(bytes: Uint8Array, where: string): SparseHeader {
  const h = headerStruct.decode(bytes);
  const corrupt = (message: string, hint = 'the file is damaged; fetch it again') =>
    new AppError('corrupt', `VMDK header: ${message}`, { where, hint });
  const unsupported = (message: string) => new AppError('unsupported', `VMDK header: ${message}`, { where });
  if (h.magicNumber !== hostedMagic) throw corrupt(`signature "${h.magicNumber}", expected "${hostedMagic}"`);
  if (h.version < 1 || h.version > 3) throw unsupported(`version ${h.version}, known are 1 to 3`);
  const unknown = h.flags & incompatibleFlags & ~(flag.compressed | flag.markers);
  if (unknown !== 0) throw unsupported(`unknown incompatible flags 0x${(unknown >>> 0).toString(16)}`);
  const lineChars = [h.singleEndLineChar, h.nonEndLineChar, h.doubleEndLineChar1, h.doubleEndLineChar2];
  if ((h.flags & flag.newLineTest) !== 0 && lineChars.join() !== '10,32,13,10') {
    throw corrupt(
      `line end test bytes are ${lineChars.join(' ')}, expected 10 32 13 10`,
      'it was copied as text; copy it as binary',
    );
  }
  if (h.compressAlgorithm > 1) throw unsupported(`compression ${h.compressAlgorithm}, known is 1 (deflate)`);
  const compressed = (h.flags & flag.compressed) !== 0;
  const deflated = h.compressAlgorithm === 1;
  if (compressed !== deflated) {
    throw corrupt(
      `flags 0x${h.flags.toString(16)} and compression ${h.compressAlgorithm} contradict each other`,
    );
  }
  const markers = (h.flags & flag.markers) !== 0;
  if (compressed && !markers) throw unsupported('compressed grains without markers');
  if (markers && !compressed) throw corrupt('markers without compression');
  checkGeometry(h, compressed, corrupt, unsupported);
  return {
    version: h.version,
    flags: h.flags,
    capacitySectors: h.capacity,
    grainSectors: h.grainSize,
    grainBytes: h.grainSize * sectorBytes,
    descriptorOffset: h.descriptorOffset,
    descriptorSectors: h.descriptorSize,
    gdOffset: h.gdOffset === gdAtEnd ? undefined : sectors(h.gdOffset, 'gdOffset', corrupt),
    rgdOffset: redundantDirectory(h),
    overHead: h.overHead,
    unclean: h.uncleanShutdown !== 0,
    compressed,
    zeroedGrain: (h.flags & flag.zeroedGrain) !== 0,
  };
}

/** Only a help: an impossible place is no reason to refuse the file. */
function redundantDirectory(h: ReturnType<typeof headerStruct.decode>): number | undefined {
  const there = (h.flags & flag.redundantTable) !== 0 && h.rgdOffset !== 0n;
  return there && h.rgdOffset < 2n ** 44n ? Number(h.rgdOffset) : undefined;
}

type Refusal = (message: string) => AppError;

function checkGeometry(
  h: ReturnType<typeof headerStruct.decode>,
  compressed: boolean,
  corrupt: Refusal,
  unsupported: Refusal,
): void {
  sectors(BigInt(h.capacity), 'capacity', corrupt);
  if (h.capacity === 0) return; // a file that is only a descriptor
  // Compressed grains are held in memory; 64 KiB is what all products write. Plain ones are never held as a whole.
  const largest = (compressed ? MiB : 1024 * MiB) / sectorBytes;
  if (h.grainSize < 8 || h.grainSize > 2 ** 31 || (h.grainSize & (h.grainSize - 1)) !== 0) {
    throw corrupt(`grainSize ${h.grainSize}, expected a power of two from 8`);
  }
  if (h.grainSize > largest) throw unsupported(`grainSize ${h.grainSize}, at most ${largest}`);
  if (h.numGTEsPerGT !== entriesPerTable)
    throw unsupported(`numGTEsPerGT ${h.numGTEsPerGT}, expected ${entriesPerTable}`);
}

/** A number of sectors whose bytes can be counted. */
function sectors(value: bigint, field: string, corrupt: Refusal): number {
  if (value * BigInt(sectorBytes) > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw corrupt(`${field} 0x${value.toString(16)} is larger than any disk`);
  }
  return Number(value);
}
