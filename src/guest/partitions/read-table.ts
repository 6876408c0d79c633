/** Which table a disk has, and its partitions. Broken tables become findings. */
import { AppError } from '../../model/errors.ts';
import type { GuestPartition, PartitionTable } from '../../model/guest-report.ts';
import { addFinding, bytesAt, type Looking, partitionName } from '../looking.ts';
import { type Gpt, hasGptSignature, readGpt } from './gpt.ts';
import { bootCodeOf, diskSignature, looksLikeTable, mbrBytes, mbrEntries, mbrPartitions } from './mbr.ts';
import { isExtended } from './type-names.ts';

export interface FoundTable {
  readonly table: PartitionTable;
  readonly partitions: GuestPartition[];
}

const protective = 0xee;

/**
 * The disk's table. `wholeDisk` says whether a volume starts at the first byte, which a sector with 0xAA55 and
 * no entry is then the boot sector of.
 */
export async function readTable(looking: Looking, wholeDisk: () => Promise<boolean>): Promise<FoundTable> {
  const sector = await bytesAt(looking, 0, mbrBytes);
  const used = looksLikeTable(sector) ? mbrEntries(sector).filter((e) => e.id !== 0) : [];
  const isProtected = used.some((e) => e.id === protective);
  const sectorSize = await gptSectorSize(looking, isProtected);
  if (isProtected || (sectorSize !== undefined && used.length === 0)) {
    const found = await gptTable(looking, sector, sectorSize ?? looking.disk.sectorSize, isProtected);
    if (found !== undefined) return found;
  } else if (sectorSize !== undefined) {
    addFinding(
      looking,
      'gpt-left-over',
      'note',
      'a GPT is there, but the MBR does not name it: the MBR is what counts',
    );
  }
  const bootCode = bootCodeOf(sector);
  if (used.length > 0 || (looksLikeTable(sector) && !(await wholeDisk()))) {
    const table: PartitionTable = {
      kind: 'mbr',
      sectorSize: looking.disk.sectorSize,
      id: `0x${diskSignature(sector)}`,
      bootCode,
    };
    const all = await mbrPartitions(looking, sector, looking.disk.sectorSize);
    return { table, partitions: all.filter((p) => Number(p.type) !== protective) };
  }
  return { table: { kind: 'none', sectorSize: looking.disk.sectorSize, bootCode }, partitions: [] };
}

/** The disk's own sector first; a raw image of a 4096-byte disk does not tell that it is one. */
async function gptSectorSize(looking: Looking, askBackup: boolean): Promise<number | undefined> {
  const sizes = [...new Set([looking.disk.sectorSize, 512, 4096])];
  for (const size of sizes) if (await hasGptSignature(looking, 1, size)) return size;
  if (!askBackup) return undefined;
  for (const size of sizes) if (await hasGptSignature(looking, lastLba(looking, size), size)) return size;
  return undefined;
}

const lastLba = (looking: Looking, sectorSize: number) => Math.floor(looking.disk.size / sectorSize) - 1;

async function gptTable(
  looking: Looking,
  sector: Buffer,
  sectorSize: number,
  isProtected: boolean,
): Promise<FoundTable | undefined> {
  const found = await primaryOrBackup(looking, sectorSize);
  if (found === undefined) return undefined;
  const { gpt, fromBackup } = found;
  if (!isProtected) {
    addFinding(
      looking,
      'gpt-unprotected',
      'warning',
      'the GPT has no protective MBR; many systems will not see it',
    );
  }
  if (sectorSize !== looking.disk.sectorSize) {
    const message = `the GPT counts sectors of ${sectorSize} bytes, the image has ${looking.disk.sectorSize}`;
    addFinding(looking, 'sector-size-differs', 'warning', message, {
      remedy: `give the disk to the machine with ${sectorSize}-byte sectors, or it finds no partition`,
    });
  }
  const hybrid = mbrEntries(sector).some((e) => e.id !== 0 && e.id !== protective) && isProtected;
  if (hybrid) {
    addFinding(looking, 'gpt-hybrid', 'note', 'hybrid: the MBR lists partitions of its own beside the GPT');
  }
  const table: PartitionTable = {
    kind: 'gpt',
    sectorSize,
    id: gpt.diskGuid,
    bootCode: bootCodeOf(sector),
    ...(hybrid ? { hybrid } : {}),
    ...(fromBackup ? { fromBackup } : {}),
  };
  return { table, partitions: gpt.partitions };
}

async function primaryOrBackup(looking: Looking, sectorSize: number) {
  const last = lastLba(looking, sectorSize);
  const primary = await gptOrError(looking, 1, sectorSize);
  if (primary instanceof AppError) {
    const backup = await backupAtEnd(looking, sectorSize);
    const message = `the primary GPT is broken: ${primary.message}`;
    if (backup === undefined) {
      addFinding(looking, 'gpt-broken', 'blocker', `${message}; the backup can't be read either`, {
        remedy: 'repair the table in the guest (gdisk, sgdisk --backup)',
      });
      return undefined;
    }
    addFinding(looking, 'gpt-primary-broken', 'warning', `${message}; the backup is used`, {
      remedy: 'repair it in the guest: sgdisk -e, or gdisk with b and w',
    });
    return { gpt: backup, fromBackup: true };
  }
  const { alternateLba } = primary;
  if (alternateLba !== last) {
    const place =
      alternateLba > last ? 'past the end of the disk: it was cut' : 'not at the end: the disk was grown';
    addFinding(
      looking,
      'gpt-backup-misplaced',
      alternateLba > last ? 'warning' : 'note',
      `the backup GPT is ${place}`,
    );
  }
  if (alternateLba <= last) {
    const backup = await gptOrError(looking, alternateLba, sectorSize);
    if (backup instanceof AppError) {
      addFinding(looking, 'gpt-backup-broken', 'note', `the backup GPT is broken: ${backup.message}`);
    }
  }
  return { gpt: primary, fromBackup: false };
}

async function backupAtEnd(looking: Looking, sectorSize: number): Promise<Gpt | undefined> {
  const lba = lastLba(looking, sectorSize);
  if (lba < 2) return undefined;
  const found = await gptOrError(looking, lba, sectorSize);
  return found instanceof AppError ? undefined : found;
}

async function gptOrError(looking: Looking, lba: number, sectorSize: number): Promise<Gpt | AppError> {
  try {
    return await readGpt(looking, lba, sectorSize);
  } catch (error) {
    if (error instanceof AppError && error.kind !== 'cancelled') return error;
    throw error;
  }
}

/** Partitions past the disk's end, and partitions that share bytes. */
export function checkLayout(looking: Looking, partitions: readonly GuestPartition[]): void {
  for (const p of partitions) {
    if (p.startBytes + p.lengthBytes > looking.disk.size) {
      addFinding(looking, 'partition-past-end', 'warning', 'the partition goes past the end of the disk', {
        evidence: partitionName(p.number),
        remedy: 'the image is cut short, or the table belongs to a larger disk',
      });
    }
  }
  const plain = partitions.filter((p) => !(p.type.startsWith('0x') && isExtended(Number(p.type))));
  const sorted = plain.toSorted((a, b) => a.startBytes - b.startBytes);
  for (const [i, p] of sorted.entries()) {
    const next = sorted[i + 1];
    if (next !== undefined && p.startBytes + p.lengthBytes > next.startBytes) {
      addFinding(looking, 'partitions-overlap', 'warning', `it overlaps ${partitionName(next.number)}`, {
        evidence: partitionName(p.number),
      });
    }
  }
}
