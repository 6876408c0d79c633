/** FAT boot sector. Microsoft FAT32 File System Specification 1.03 (fatgen103), "Boot Sector and BPB". */
import { ascii, struct, u8, u16, u32 } from '../../../io/struct.ts';

export const bootSector = struct('FAT boot sector', 512, 'le', {
  jump: [0, u8],
  bytesPerSector: [11, u16],
  sectorsPerCluster: [13, u8],
  reservedSectors: [14, u16],
  fats: [16, u8],
  rootEntries: [17, u16],
  totalSectors16: [19, u16],
  media: [21, u8],
  fatSectors16: [22, u16],
  totalSectors32: [32, u32],
  fatSectors32: [36, u32],
  rootCluster: [44, u32],
  signature: [510, u16],
});
/** What follows differs: FAT12 and FAT16 have it at 36, FAT32 at 64. */
export const extendedBoot = struct('FAT extended boot record', 26, 'le', {
  flags: [1, u8],
  bootSignature: [2, u8],
  serial: [3, u32],
  label: [7, ascii(11)],
});

export interface FatGeometry {
  readonly bits: 12 | 16 | 32;
  readonly sectorBytes: number;
  readonly clusterBytes: number;
  /** Clusters are numbered from 2 to this number + 1. */
  readonly clusters: number;
  readonly fatAt: number;
  readonly fatBytes: number;
  /** FAT12 and FAT16: the root folder's own region. */
  readonly rootAt: number;
  readonly rootBytes: number;
  /** FAT32: where the root folder's chain starts. */
  readonly rootCluster: number;
  readonly dataAt: number;
  readonly totalBytes: number;
}

const isPowerOf2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** The geometry, or undefined when the sector is not the boot sector of a FAT volume. */
export function fatGeometry(sector: Buffer): FatGeometry | undefined {
  const boot = bootSector.decode(sector);
  const sectorBytes = boot.bytesPerSector;
  const plausible =
    (boot.jump === 0xeb || boot.jump === 0xe9) &&
    boot.signature === 0xaa55 &&
    isPowerOf2(sectorBytes) &&
    sectorBytes >= 512 &&
    sectorBytes <= 4096 &&
    isPowerOf2(boot.sectorsPerCluster) &&
    boot.reservedSectors > 0 &&
    (boot.fats === 1 || boot.fats === 2) &&
    (boot.media === 0xf0 || boot.media >= 0xf8);
  if (!plausible) return undefined;
  const total = boot.totalSectors16 || boot.totalSectors32;
  const fatSectors = boot.fatSectors16 || boot.fatSectors32;
  const rootSectors = Math.ceil((boot.rootEntries * 32) / sectorBytes);
  const dataSector = boot.reservedSectors + boot.fats * fatSectors + rootSectors;
  const clusters = Math.floor((total - dataSector) / boot.sectorsPerCluster);
  if (fatSectors === 0 || clusters < 1) return undefined;
  // The number of clusters alone decides which FAT it is ("FAT Type Determination").
  const bits = boot.fatSectors16 === 0 ? 32 : clusters < 4085 ? 12 : 16;
  if (bits !== 32 && rootSectors === 0) return undefined;
  const fatBytes = fatSectors * sectorBytes;
  return {
    bits,
    sectorBytes,
    clusterBytes: boot.sectorsPerCluster * sectorBytes,
    // A table too small for the data region limits what can be reached.
    clusters: Math.min(clusters, Math.floor((fatBytes * 8) / bits) - 2),
    fatAt: boot.reservedSectors * sectorBytes,
    fatBytes,
    rootAt: (dataSector - rootSectors) * sectorBytes,
    rootBytes: boot.rootEntries * 32,
    rootCluster: bits === 32 ? boot.rootCluster : 0,
    dataAt: dataSector * sectorBytes,
    totalBytes: total * sectorBytes,
  };
}
