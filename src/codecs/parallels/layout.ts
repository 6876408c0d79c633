/**
 * Parallels' expanding disk, also that of Virtuozzo and OpenVZ (ploop); "Parallels Expandable Image File Format" in
 * QEMU's `docs/interop/`, all little-endian. Read: both magics, and bundles (see `descriptor.ts`). Written: the
 * newer one.
 *
 *   header 64 | allocation table, 4 bytes a cluster | … clusters
 */
import { ascii, bits64, struct, u32, u64 } from '../../io/struct.ts';
import { MiB } from '../../model/units.ts';

export const sectorBytes = 512;
export const headerBytes = 64;
/** Table entries count sectors, and 32 bits of the size are used. */
export const oldMagic = 'WithoutFreeSpace';
/** Table entries count clusters. */
export const newMagic = 'WithouFreSpacExt';
export const formatVersion = 2;
export const inUse = { open: 0x746f_6e59, closed: 0x312e_3276, never: 0 } as const;
export const emptyFlag = 1;
/** 16 TiB of clusters of 1 MiB. */
export const largestTableBytes = 64 * MiB;

export const header = struct('Parallels header', headerBytes, 'le', {
  magic: [0, ascii(16)],
  version: [16, u32],
  heads: [20, u32],
  cylinders: [24, u32],
  clusterSectors: [28, u32],
  tableEntries: [32, u32],
  sectors: [36, bits64],
  inUse: [44, u32],
  dataOffsetSectors: [48, u32],
  flags: [52, u32],
  extensionOffsetSectors: [56, u64],
});
export type Header = ReturnType<typeof header.decode>;
