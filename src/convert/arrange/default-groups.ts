/** Which partitions stay together when a disk is separated and nobody says: what starts the machine, on the first. */
import { gptTypes, isExtended } from '../../guest/partitions/type-names.ts';
import type { GuestPartition, GuestReport } from '../../model/guest-report.ts';
import type { PartitionGroups } from '../../model/plan.ts';

const startTypes: ReadonlySet<string> = new Set([
  ...[gptTypes.efiSystem, gptTypes.biosBoot, gptTypes.extendedBoot],
  ...[gptTypes.microsoftReserved, gptTypes.windowsRecovery],
  ...['9e1a2d38-c612-4316-aa26-8b49521e5a8b', '0xef', '0x41', '0xea', '0x27'],
]);

/**
 * The first group: boot partitions, and the one that holds /boot: what a loader reads is on the disk that it was
 * started from. Each of the others by itself.
 */
export function defaultGroups({
  partitions,
  systems,
}: Pick<GuestReport, 'partitions' | 'systems'>): PartitionGroups {
  const real = partitions.filter(
    ({ number, type }) => number > 0 && !(type.startsWith('0x') && isExtended(Number(type))),
  );
  const [system] = systems;
  const boot = system?.mounts.find(({ mountPoint }) => mountPoint === '/boot');
  const bootNumber =
    (boot && real.find((partition) => isCalled(partition, boot.device))?.number) ?? system?.rootPartition;
  const staying = real.filter((p) => startTypes.has(p.type) || p.bootable || p.number === bootNumber);
  const first = staying.length > 0 ? staying : real.slice(0, 1);
  const others = real.filter((partition) => !first.includes(partition));
  return [first, ...others.map((partition) => [partition])]
    .filter((group) => group.length > 0)
    .map((group) => group.map(({ number }) => number));
}

function isCalled({ number, volume, uuid }: GuestPartition, device: string): boolean {
  const [, tag, value = ''] = /^(UUID|LABEL|PARTUUID)="?([^"]*)"?$/.exec(device) ?? [];
  if (tag === 'UUID') return volume?.uuid?.toLowerCase() === value.toLowerCase();
  if (tag === 'LABEL') return volume?.label === value;
  if (tag === 'PARTUUID') return uuid?.toLowerCase() === value.toLowerCase();
  return new RegExp(`^/dev/(?:[a-z]+|nvme\\d+n\\d+p)${number}$`).test(device);
}
