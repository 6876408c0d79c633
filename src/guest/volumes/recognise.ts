/** What a volume is, by its signature. */
import type { GuestVolume } from '../../model/guest-report.ts';
import { addFinding, type Looking } from '../looking.ts';
import { luks, lvm, mdRaid, zfs } from './containers.ts';
import { btrfs, ext, squashfs, swap, xfs } from './linux.ts';
import { apfs, byMark, hfsPlus, iso9660, ufs } from './others.ts';
import type { Recognise } from './volume.ts';
import { bitlocker, exfat, fat, ntfs, refs } from './windows.ts';

/**
 * Containers first: half of a mirror shows the filesystem inside as well. FAT late, as its boot sector has no
 * mark of its own; those that read most last.
 */
const recognisers: readonly Recognise[] = [
  ...[luks, lvm, mdRaid, bitlocker, ntfs, exfat, refs],
  ...[xfs, ext, btrfs, squashfs, swap, apfs, hfsPlus, iso9660, fat, ufs, byMark, zfs],
];

/** `looking.disk` is the volume alone. */
export async function recognise(looking: Looking): Promise<GuestVolume | undefined> {
  if (looking.disk.size < 512) return undefined;
  for (const recogniser of recognisers) {
    const volume = await recogniser(looking);
    if (volume !== undefined) return volume;
  }
  return undefined;
}

/** What a person should know of the volume before it is carried elsewhere. */
export function volumeFindings(looking: Looking, volume: GuestVolume, evidence: string): void {
  const { kind } = volume;
  stateFinding(looking, volume, evidence);
  if (volume.encrypted) {
    addFinding(
      looking,
      'volume-encrypted',
      'warning',
      `the ${kind} volume is encrypted: what is in it is not known`,
      kind.startsWith('luks')
        ? { evidence, remedy: 'give its passphrase: --secret guest-passphrase=env:NAME' }
        : { evidence },
    );
  }
  if (volume.sizeBytes !== undefined && volume.sizeBytes > looking.disk.size) {
    const message = `the ${kind} volume says ${volume.sizeBytes} bytes, its partition has ${looking.disk.size}`;
    addFinding(looking, 'volume-cut', 'warning', message, { evidence, remedy: 'the image may be cut short' });
  }
}

/** Whether it was left in order. */
export function stateFinding(looking: Looking, { kind, state }: GuestVolume, evidence: string): void {
  if (state === 'dirty') {
    addFinding(looking, 'volume-dirty', 'warning', `the ${kind} volume was not cleanly unmounted`, {
      evidence,
      remedy: 'shut the guest down before it is carried over; else it repairs itself at its first start',
    });
  }
  if (state === 'hibernated') {
    const where =
      kind === 'swap'
        ? 'its memory lies in the swap space'
        : 'Windows keeps its memory in hiberfil.sys, perhaps by Fast Startup';
    addFinding(looking, 'hibernated', 'warning', `the guest is hibernated: ${where}`, {
      evidence,
      remedy: 'start it and shut it down; it can not wake up on other hardware',
    });
  }
}
