/**
 * QEMU Enhanced Disk (QED), "QED Image File Format" in QEMU's `docs/interop/`; all little-endian. Only read.
 *
 *   header | clusters: tables of two levels, and data
 */
import { bits64, struct, u32, u64 } from '../../io/struct.ts';

export const magic = 0x0044_4551; // "QED\0"
export const headerBytes = 64;

export const header = struct('QED header', headerBytes, 'le', {
  magic: [0, u32],
  clusterBytes: [4, u32],
  /** Clusters of each table. */
  tableClusters: [8, u32],
  /** Clusters of the header. */
  headerClusters: [12, u32],
  features: [16, bits64],
  compatibleFeatures: [24, bits64],
  autoclearFeatures: [32, bits64],
  l1TableOffset: [40, u64],
  imageSize: [48, u64],
  backingNameOffset: [56, u32],
  backingNameBytes: [60, u32],
});
export type Header = ReturnType<typeof header.decode>;

export const features = { backingFile: 1n, needCheck: 2n, backingIsRaw: 4n } as const;
/** Of a table's entry, where another value is an offset. */
export const absentEntry = 0;
export const zeroEntry = 1;
