/**
 * qcow2, versions 2 and 3. Spec: qemu, docs/interop/qcow2.rst. All numbers are big-endian.
 *
 *   cluster 0: header | header extensions | backing file name
 *   anywhere, each at a cluster boundary: L1 table ─► L2 tables ─► data clusters
 *                                         refcount table ─► refcount blocks
 *                                         snapshot table
 * Compressed clusters lie at any byte.
 */

import { bits64, struct, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';

export const magic = 0x514649fb; // "QFI\xfb"

const fieldsOfVersion2 = {
  magic: [0, u32],
  version: [4, u32],
  backingFileOffset: [8, u64],
  backingFileSize: [16, u32],
  clusterBits: [20, u32],
  size: [24, u64],
  cryptMethod: [32, u32],
  l1Size: [36, u32],
  l1TableOffset: [40, u64],
  refcountTableOffset: [48, u64],
  refcountTableClusters: [56, u32],
  nbSnapshots: [60, u32],
  snapshotsOffset: [64, u64],
} as const;

export const headerV2 = struct('qcow2 header', 72, 'be', fieldsOfVersion2);
export const headerV3 = struct('qcow2 header', 104, 'be', {
  ...fieldsOfVersion2,
  incompatibleFeatures: [72, bits64],
  compatibleFeatures: [80, bits64],
  autoclearFeatures: [88, bits64],
  refcountOrder: [96, u32],
  headerLength: [100, u32],
});
/** The first additional field; a byte, followed by padding up to a multiple of 8. */
export const compressionTypeAt = 104;

export const incompatible = {
  dirty: 1n << 0n,
  corrupt: 1n << 1n,
  externalDataFile: 1n << 2n,
  compressionType: 1n << 3n,
  extendedL2: 1n << 4n,
} as const;
export const compatible = { lazyRefcounts: 1n << 0n } as const;

export const extensionType = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  externalDataFile: 0x44415441,
  /** Offset and length of the LUKS header, 8 bytes each. */
  encryptionHeader: 0x0537be77,
} as const;

/** "Extended L2 Entries": a cluster has this many parts, each with its own state, from this cluster size on. */
export const subclusters = 32;
export const minimumExtendedClusterBytes = 16 * KiB;

/** Ours for a driver of qemu, which names some otherwise; a block device's content is raw. */
export const formatOfDriver = (driver: string): string =>
  driver === 'host_device' ? 'raw' : driver === 'vpc' ? 'vhd' : driver;

/**
 * What may lie below an image that we write: everybody reads the same bytes from it, under this name. Of a VHD
 * qemu takes fewer bytes than others, depending on who made it; of COW it knows nothing any more.
 */
export const backingFormats: readonly string[] = [
  'raw',
  'qcow2',
  'qcow',
  'qed',
  'vmdk',
  'vdi',
  'vhdx',
  'parallels',
  'dmg',
];

/** Limits of qemu that keep every table in bounds: `block/qcow2.h`. */
export const minimumClusterBits = 9;
export const maximumClusterBits = 21;
export const maximumL1Bytes = 32 * MiB;
export const maximumRefcountTableBytes = 8 * MiB;
export const maximumBackingName = 1023;
export const maximumSnapshots = 65536;
export const sectorBytes = 512;
export const defaultClusterBytes = 64 * KiB;

const high = 2 ** 32;

/** An L1 entry: the offset of an L2 table, 0 where there is none. Bits 0–8 and 56–62 are reserved. */
export function l1Entry(table: Buffer, index: number, where: string): number {
  const hi = table.readUInt32BE(index * 8);
  const lo = table.readUInt32BE(index * 8 + 4);
  if ((hi & 0x7f000000) !== 0 || (lo & 0x1ff) !== 0) throw reserved('L1', index, hi, lo, where);
  return (hi & 0x00ffffff) * high + lo;
}

export type L2Entry =
  | { readonly kind: 'compressed'; readonly host: number; readonly bytes: number }
  /** `host` is 0 where no cluster is allocated (with an external data file also for the first one: `copied`). */
  | { readonly kind: 'standard'; readonly host: number; readonly zero: boolean; readonly copied: boolean };

/** The descriptor at byte `at` of an L2 table. Bits 1–8 and 56–61 of a standard one are reserved. */
export function l2Entry(table: Buffer, at: number, clusterBits: number, where: string): L2Entry {
  const hi = table.readUInt32BE(at);
  const lo = table.readUInt32BE(at + 4);
  if ((hi & 0x40000000) !== 0) return compressedEntry(hi, lo, clusterBits);
  if ((hi & 0x3f000000) !== 0 || (lo & 0x1fe) !== 0) throw reserved('L2', at >> 3, hi, lo, where);
  return {
    kind: 'standard',
    host: (hi & 0x00ffffff) * high + lo - (lo & 1),
    zero: (lo & 1) === 1,
    copied: hi >>> 31 === 1,
  };
}

/** Bits 0 to x-1 are the byte offset, x to 61 the number of 512-byte sectors beyond the first. */
function compressedEntry(hi: number, lo: number, clusterBits: number): L2Entry {
  const offsetBitsInHigh = 62 - (clusterBits - 8) - 32;
  const low = hi & (2 ** offsetBitsInHigh - 1);
  const more = (hi & 0x3fffffff) >>> offsetBitsInHigh;
  const host = low * high + lo;
  return { kind: 'compressed', host, bytes: (more + 1) * sectorBytes - (host % sectorBytes) };
}

/** Largest byte offset that a compressed descriptor can hold, plus one. */
export const compressedOffsetLimit = (clusterBits: number): number =>
  2 ** Math.min(53, 62 - (clusterBits - 8));

/** Writes the descriptor of a data cluster with a refcount of one. */
export function putStandardEntry(table: Buffer, at: number, host: number): void {
  table.writeUInt32BE((0x80000000 + Math.floor(host / high)) >>> 0, at);
  table.writeUInt32BE(host % high, at + 4);
}

/** Writes the descriptor of a cluster that is nowhere and reads as zeros. Not with extended L2 entries. */
export function putZeroEntry(table: Buffer, at: number): void {
  table.writeUInt32BE(0, at);
  table.writeUInt32BE(1, at + 4);
}

/**
 * Marks the parts [first, end) of an extended entry: `zero` in the high word of its bitmap, `data` in the low one.
 * What is neither is the backing file's.
 */
export function markSubclusters(
  table: Buffer,
  at: number,
  kind: 'data' | 'zero',
  first: number,
  end: number,
): void {
  const place = at + (kind === 'zero' ? 8 : 12);
  table.writeUInt32BE(table.readUInt32BE(place) + (2 ** end - 2 ** first), place);
}

/** Writes the descriptor of `bytes` of compressed data at `host`. */
export function putCompressedEntry(
  table: Buffer,
  at: number,
  host: number,
  bytes: number,
  clusterBits: number,
): void {
  const more = Math.floor((host + bytes - 1) / sectorBytes) - Math.floor(host / sectorBytes);
  const offsetBitsInHigh = 62 - (clusterBits - 8) - 32;
  table.writeUInt32BE(0x40000000 + more * 2 ** offsetBitsInHigh + Math.floor(host / high), at);
  table.writeUInt32BE(host % high, at + 4);
}

function reserved(table: string, index: number, hi: number, lo: number, where: string): AppError {
  const value = `0x${hi.toString(16).padStart(8, '0')}${lo.toString(16).padStart(8, '0')}`;
  return new AppError('corrupt', `${table} entry ${index} is ${value}: reserved bits are set`, {
    where,
    hint: 'run "qemu-img check" on a copy of the image',
  });
}
