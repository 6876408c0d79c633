/** What inside a guest names its disks by their places, where these are to be others and nothing is changed inside. */
import { placeThere } from '../../guest/change/linux/stable-names.ts';
import { openGuest } from '../../guest/open-guest.ts';
import type { Disk } from '../../io/disk.ts';
import type { Finding } from '../../model/finding.ts';
import type { Move } from './layout.ts';

/** `disks`: as they will be. */
export async function namesByPlace(
  disks: readonly { readonly image: Disk }[],
  moves: readonly Move[],
  signal: AbortSignal | undefined,
): Promise<Finding[]> {
  if (disks.length === 0) return [];
  const images = disks.map(({ image }) => image);
  const { systems } = await openGuest(images, { signal, thorough: false });
  const found = new Set<string>();
  for (const { system } of systems) {
    for (const { device } of system.mounts) if (isMoved(device, moves)) found.add(device);
    const given = /(?:^|\s)(?:root|resume)=(\S+)/g;
    for (const [, device] of system.bootloader?.arguments?.matchAll(given) ?? [])
      if (isMoved(device!, moves)) found.add(device!);
  }
  if (found.size === 0) return [];
  return [
    {
      rule: 'disks.named-by-place',
      severity: 'warning',
      message: 'the guest names disks by where they are now, and they will be elsewhere: it may not start',
      evidence: [...found].join(', '),
      remedy:
        'let the guest be changed (--changes needed), or write UUIDs into its fstab and boot loader first',
    },
  ];
}

function isMoved(device: string, moves: readonly Move[]): boolean {
  const there = placeThere(device, 0, moves);
  if (there === undefined) return false;
  if (there === 'nowhere') return true;
  // The same name is right there, too, where the partition kept its number on a disk of the same number.
  return !moves.some(
    ({ from, to }) =>
      to.disk === there.disk &&
      to.number === there.partition &&
      from.disk === to.disk &&
      from.number === to.number,
  );
}
