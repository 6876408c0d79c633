/**
 * User Mode Linux's copy-on-write file, versions 1, 2 and 3, as the `ubd` driver of Linux describes it
 * (`arch/um/drivers/cow_user.c`). Read: all three, in both byte orders. Written: version 3.
 *
 *   header | bitmap, one bit a sector, the lowest bit first | sectors, each at its own place
 *
 * A set bit is a sector of this file; the others are the backing file's.
 */
import { type Endian, raw, struct, u32, u64 } from '../../io/struct.ts';

/** `OOOM` as a big-endian number. */
export const magic = 0x4f4f4f4d;
export const sectorBytes = 512;
export const nameBytes = 4096;

const v1 = (endian: Endian) =>
  struct('COW header version 1', 280, endian, {
    backingFile: [8, raw(256)],
    mtime: [264, u32],
    size: [268, u64],
    sectorBytes: [276, u32],
  });

const v2 = (endian: Endian) =>
  struct('COW header version 2', 4120, endian, {
    backingFile: [8, raw(nameBytes)],
    mtime: [4104, u32],
    size: [4108, u64],
    sectorBytes: [4116, u32],
  });

const v3 = (endian: Endian) =>
  struct('COW header version 3', 4128, endian, {
    magic: [0, u32],
    version: [4, u32],
    mtime: [8, u32],
    size: [12, u64],
    sectorBytes: [20, u32],
    alignment: [24, u32],
    format: [28, u32],
    backingFile: [32, raw(nameBytes)],
  });

/** As some 64-bit kernels wrote version 3: the time has 64 bits, and all behind it lies 4 bytes further. */
const v3Wide = (endian: Endian) =>
  struct('COW header version 3, 64-bit', 4132, endian, {
    mtime: [8, u64],
    size: [16, u64],
    sectorBytes: [24, u32],
    alignment: [28, u32],
    format: [32, u32],
    backingFile: [36, raw(nameBytes)],
  });

export const headers = {
  be: { v1: v1('be'), v2: v2('be'), v3: v3('be'), v3Wide: v3Wide('be') },
  le: { v1: v1('le'), v2: v2('le'), v3: v3('le'), v3Wide: v3Wide('le') },
} as const;

export const roundUp = (value: number, unit: number): number => Math.ceil(value / unit) * unit;

/** Where bitmap and data lie. */
export interface Places {
  readonly bitmapOffset: number;
  readonly bitmapBytes: number;
  readonly dataOffset: number;
}

export function placesOf(
  version: number,
  size: number,
  sector: number,
  headerBytes: number,
  alignment: number,
): Places {
  if (version < 3) {
    // The driver rounds down here: sectors of a last byte that is not full have no bit, and are never changed.
    const bitmapBytes = Math.floor((size + sector - 1) / (8 * sector));
    return { bitmapOffset: headerBytes, bitmapBytes, dataOffset: roundUp(headerBytes + bitmapBytes, sector) };
  }
  const bitmapOffset = roundUp(headerBytes, alignment);
  const bitmapBytes = Math.ceil(Math.ceil(size / sector) / 8);
  return { bitmapOffset, bitmapBytes, dataOffset: roundUp(bitmapOffset + bitmapBytes, alignment) };
}
