/**
 * The first version of qcow, as QEMU's `block/qcow.c` describes it; all big-endian. Only read.
 *
 *   header 48 | name of the backing file | tables of two levels, data, compressed data
 */
import { struct, u8, u32, u64 } from '../../io/struct.ts';

export const magic = 0x514649fb; // "QFI" and 0xfb
export const headerBytes = 48;

export const header = struct('qcow header', headerBytes, 'be', {
  magic: [0, u32],
  version: [4, u32],
  backingNameOffset: [8, u64],
  backingNameBytes: [16, u32],
  mtime: [20, u32],
  size: [24, u64],
  clusterBits: [32, u8],
  l2Bits: [33, u8],
  cryptMethod: [36, u32],
  l1TableOffset: [40, u64],
});
export type Header = ReturnType<typeof header.decode>;

export type Entry =
  | { readonly kind: 'absent' }
  | { readonly kind: 'data'; readonly host: number }
  | { readonly kind: 'compressed'; readonly host: number; readonly bytes: number };

/** An entry of a second table: the highest bit says compressed; then `clusterBits` bits below it are the length. */
export function decodeEntry(value: bigint, clusterBits: number): Entry {
  if (value === 0n) return { kind: 'absent' };
  if (value >> 63n === 0n) return { kind: 'data', host: Number(value) };
  const shift = 63n - BigInt(clusterBits);
  const bytes = Number((value >> shift) & ((1n << BigInt(clusterBits)) - 1n));
  return { kind: 'compressed', host: Number(value & ((1n << shift) - 1n)), bytes };
}
