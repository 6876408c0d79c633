/** Which firmware can start the disk, and what the EFI system partition holds. */
import type { FirmwareHint, GuestPartition, PartitionTable } from '../../model/guest-report.ts';
import type { Files } from '../filesystems/files.ts';
import { gptTypes } from '../partitions/type-names.ts';
import { plainText } from '../text.ts';

export const isEsp = (p: GuestPartition): boolean => p.type === gptTypes.efiSystem || p.type === '0xef';

/**
 * An ESP means UEFI; a BIOS-boot partition, or boot code of a loader, means BIOS. Code that is nobody's does
 * not count beside an ESP: some tools write a stub that only says that it can't start.
 */
export function firmwareHint(table: PartitionTable, partitions: readonly GuestPartition[]): FirmwareHint {
  const uefi = partitions.some(isEsp);
  const loader = table.bootCode !== 'none' && table.bootCode !== 'other';
  const biosBoot = partitions.some((p) => p.type === gptTypes.biosBoot);
  // Windows Setup leaves its MBR code on GPT disks too, where it starts nothing.
  const byCode = loader && !(table.kind === 'gpt' && table.bootCode === 'windows');
  const active = table.kind === 'mbr' && table.bootCode === 'other' && partitions.some((p) => p.bootable);
  const bios = biosBoot || byCode || (active && !uefi);
  if (uefi && bios) return 'both';
  return uefi ? 'uefi' : bios ? 'bios' : 'unknown';
}

const maxVendors = 32;
const maxLoaders = 64;

/** Programs in `EFI/<vendor>/` and, for Windows, `EFI/Microsoft/Boot/`, as paths on the ESP. */
export async function efiLoaders(esp: Files): Promise<string[]> {
  const found: string[] = [];
  for (const vendor of (await esp.list('EFI')).slice(0, maxVendors)) {
    const folder = vendor.toLowerCase() === 'microsoft' ? `EFI/${vendor}/Boot` : `EFI/${vendor}`;
    for (const name of await esp.list(folder)) {
      if (/\.efi$/i.test(name) && found.length < maxLoaders) found.push(plainText(`${folder}/${name}`));
    }
  }
  return found.sort();
}

/** UEFI 3.5.1.1: what firmware starts from a disk that it has no entry for. */
export const isFallbackLoader = (path: string): boolean =>
  /^EFI\/BOOT\/BOOT(X64|IA32|AA64|ARM|RISCV64|LOONGARCH64)\.EFI$/i.test(path);
