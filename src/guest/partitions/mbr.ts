/**
 * Master boot record: 440 bytes of code, disk signature at 440, four entries of 16 bytes at 446, 0xAA55 at 510.
 * An extended partition holds a chain of sectors of the same shape (EBR): entry 1 is the logical partition,
 * counted from that sector, entry 2 the next EBR, counted from the start of the extended partition.
 */
import { AppError } from '../../model/errors.ts';
import type { BootCode, GuestPartition } from '../../model/guest-report.ts';
import { addFinding, bytesAt, type Looking } from '../looking.ts';
import { isExtended, mbrType, typeName } from './type-names.ts';

export const mbrBytes = 512;
const entriesAt = 446;
/** More than any system numbers on one disk; a chain that is longer goes in circles. */
const maxLogical = 124;

export interface MbrEntry {
  readonly status: number;
  readonly id: number;
  readonly startSectors: number;
  readonly lengthSectors: number;
}

export const hasBootSignature = (sector: Buffer): boolean => sector.readUInt16LE(510) === 0xaa55;

export function mbrEntries(sector: Buffer): MbrEntry[] {
  return [0, 1, 2, 3].map((i) => {
    const at = entriesAt + i * 16;
    return {
      status: sector[at]!,
      id: sector[at + 4]!,
      startSectors: sector.readUInt32LE(at + 8),
      lengthSectors: sector.readUInt32LE(at + 12),
    };
  });
}

const isUsed = (entry: MbrEntry): boolean => entry.id !== 0 && entry.lengthSectors !== 0;

/**
 * Whether the four entries can be a table at all. The boot sector of a FAT or NTFS volume ends in 0xAA55 too,
 * but has code or text where the entries would be.
 */
export function looksLikeTable(sector: Buffer): boolean {
  if (!hasBootSignature(sector)) return false;
  return mbrEntries(sector).every(
    (e) => (e.status === 0 || e.status === 0x80) && (!isUsed(e) || e.startSectors > 0),
  );
}

export const diskSignature = (sector: Buffer): string =>
  sector.readUInt32LE(440).toString(16).padStart(8, '0');

/** Told by the messages that each loader's first sector carries. */
export function bootCodeOf(sector: Buffer): BootCode {
  const code = sector.toString('latin1', 0, 440);
  if (/^\0*$/.test(code)) return 'none';
  if (code.includes('GRUB')) return 'grub';
  if (code.startsWith('LILO', 6)) return 'lilo';
  // syslinux' mbr.bin has its own words beside the classic ones; Windows has all three of these.
  if (code.includes('Operating system load error') || /isolinux|SYSLINUX/i.test(code)) return 'syslinux';
  if (code.includes('Invalid partition table') && code.includes('Error loading operating system'))
    return 'windows';
  return 'other';
}

/** The partitions of the table in `sector`, logical ones included, in the order of their numbers. */
export async function mbrPartitions(
  looking: Looking,
  sector: Buffer,
  sectorSize: number,
): Promise<GuestPartition[]> {
  const signature = diskSignature(sector);
  const partition = (number: number, entry: MbrEntry, baseSectors: number): GuestPartition => ({
    number,
    startBytes: (baseSectors + entry.startSectors) * sectorSize,
    lengthBytes: entry.lengthSectors * sectorSize,
    type: mbrType(entry.id),
    typeName: typeName(mbrType(entry.id)),
    uuid: `${signature}-${number.toString(16).padStart(2, '0')}`,
    bootable: entry.status === 0x80,
  });

  const primary: GuestPartition[] = [];
  const logical: GuestPartition[] = [];
  for (const [i, entry] of mbrEntries(sector).entries()) {
    if (!isUsed(entry)) continue;
    primary.push(partition(i + 1, entry, 0));
    if (!isExtended(entry.id)) continue;
    try {
      for await (const { ebrSectors, found } of logicalEntries(looking, entry, sectorSize)) {
        logical.push(partition(5 + logical.length, found, ebrSectors));
      }
    } catch (error) {
      if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
      addFinding(looking, 'extended-partition-broken', 'warning', error.message, {
        evidence: `partition ${i + 1}`,
        remedy: 'repair the partition table in the guest; logical partitions may be missing here',
      });
    }
  }
  return [...primary, ...logical];
}

/** @throws AppError `corrupt` when the chain goes in circles or leaves its extended partition. */
async function* logicalEntries(looking: Looking, extended: MbrEntry, sectorSize: number) {
  const seen = new Set<number>();
  let next = 0;
  do {
    const ebrSectors = extended.startSectors + next;
    if (seen.has(next) || seen.size >= maxLogical) {
      throw new AppError(
        'corrupt',
        `the chain of logical partitions goes in circles at sector ${ebrSectors}`,
      );
    }
    seen.add(next);
    if (next >= extended.lengthSectors || ebrSectors * sectorSize >= looking.disk.size) {
      throw new AppError(
        'corrupt',
        `the chain of logical partitions leaves its extended one at sector ${ebrSectors}`,
      );
    }
    const sector = await bytesAt(looking, ebrSectors * sectorSize, mbrBytes);
    if (!hasBootSignature(sector)) {
      throw new AppError(
        'corrupt',
        `no 0xAA55 at the end of the extended boot record in sector ${ebrSectors}`,
      );
    }
    const [found, link] = mbrEntries(sector);
    if (isUsed(found!)) yield { ebrSectors, found: found! };
    next = isExtended(link!.id) ? link!.startSectors : 0;
  } while (next !== 0);
}
