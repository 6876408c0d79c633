/**
 * What is inside a disk: table, partitions, volumes, systems. Reads only what it needs, a few megabytes of any
 * disk; a broken part becomes a finding and never hides the rest.
 */
import { cached } from '../io/cached.ts';
import { counted, type Disk, slice } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError } from '../model/errors.ts';
import type { GuestPartition, GuestReport, InstalledSystem, MountEntry } from '../model/guest-report.ts';
import { openExt } from './filesystems/ext/open.ts';
import { openFat } from './filesystems/fat/open.ts';
import type { Files } from './filesystems/files.ts';
import { addFinding, type Looking, orFinding, partitionName } from './looking.ts';
import { checkLayout, readTable } from './partitions/read-table.ts';
import { isExtended } from './partitions/type-names.ts';
import { concludedSystem } from './system/by-volumes.ts';
import { efiLoaders, firmwareHint, isEsp, isFallbackLoader } from './system/firmware.ts';
import { linuxSystem } from './system/linux.ts';
import { kernelVersions } from './system/text-files.ts';
import { recognise, volumeFindings } from './volumes/recognise.ts';

/** A real disk takes a few megabytes. This bounds what a hostile one can make us read. */
const maxBytesRead = 256 * 2 ** 20;
const maxVolumes = 256;

/** @throws AppError `cancelled` only; what can't be read is said in `findings`. The disk stays open. */
export async function inspectDisk(disk: Disk, signal?: AbortSignal): Promise<GuestReport> {
  let bytesRead = 0;
  const limited = counted(disk, (bytes) => {
    bytesRead += bytes;
    throwIfAborted(signal);
    if (bytesRead > maxBytesRead)
      throw new AppError('corrupt', `gave up after reading ${maxBytesRead} bytes`);
  });
  const looking: Looking = { disk: cached(limited), signal, findings: [] };

  const { table, partitions } = (await orFinding(looking, 'partition table', () =>
    readTable(looking, async () => (await recognise(looking)) !== undefined),
  )) ?? {
    table: { kind: 'none', sectorSize: disk.sectorSize, bootCode: 'none' } as const,
    partitions: [],
  };
  checkLayout(looking, partitions);
  const places = table.kind === 'none' ? [wholeDisk(disk)] : partitions;
  const volumes = await openVolumes(looking, places);
  const known = volumes.map((v) => v.partition);

  const loaders = await loadersOf(looking, volumes);
  const firmware = firmwareHint(table, known);
  const systems = await systemsOf(looking, volumes);
  const kernels = await bootKernels(looking, volumes);
  const concluded =
    systems.length > 0
      ? undefined
      : concludedSystem({ ...table, partitions: known, kernels, efiLoaders: loaders });
  if (concluded !== undefined) {
    addFinding(
      looking,
      'system-not-readable',
      'note',
      `${concluded.name} is concluded, its files can't be read here`,
      {
        evidence: concluded.evidence.join('; '),
      },
    );
  }
  return {
    partitionTable: table,
    partitions: known.filter((p) => table.kind !== 'none' || p.volume !== undefined),
    systems: concluded === undefined ? systems : [concluded],
    firmware,
    efiLoaders: loaders,
    findings: looking.findings,
    bytesRead,
  };
}

interface OpenVolume {
  readonly partition: GuestPartition;
  readonly files?: Files;
}

const wholeDisk = (disk: Disk): GuestPartition => ({
  number: 0,
  startBytes: 0,
  lengthBytes: disk.size,
  type: '',
  typeName: 'whole disk',
  bootable: false,
});

async function openVolumes(looking: Looking, partitions: readonly GuestPartition[]): Promise<OpenVolume[]> {
  const volumes: OpenVolume[] = [];
  for (const partition of partitions) {
    throwIfAborted(looking.signal);
    const isContainer = partition.type.startsWith('0x') && isExtended(Number(partition.type));
    if (isContainer || volumes.length >= maxVolumes) volumes.push({ partition });
    else volumes.push(await openVolume(looking, partition));
  }
  if (partitions.length > maxVolumes) {
    addFinding(
      looking,
      'too-many-partitions',
      'note',
      `only the first ${maxVolumes} partitions were looked into`,
    );
  }
  return volumes;
}

async function openVolume(looking: Looking, partition: GuestPartition): Promise<OpenVolume> {
  const evidence = partitionName(partition.number);
  const length = Math.min(partition.lengthBytes, looking.disk.size - partition.startBytes);
  if (length <= 0) return { partition };
  const inside: Looking = { ...looking, disk: slice(looking.disk, partition.startBytes, length) };
  const volume = await orFinding(looking, evidence, () => recognise(inside));
  if (volume === undefined) return { partition };
  volumeFindings(inside, volume, evidence);
  const known = { ...partition, volume };
  if (!volume.readable) return { partition: known };
  const files = await orFinding(looking, evidence, () =>
    volume.kind.startsWith('ext') ? openExt(inside) : openFat(inside),
  );
  if (files === undefined) return { partition: { ...known, volume: { ...volume, readable: false } } };
  return { partition: known, files };
}

async function loadersOf(looking: Looking, volumes: readonly OpenVolume[]): Promise<string[]> {
  const all: string[] = [];
  for (const { partition, files } of volumes) {
    if (!isEsp(partition) || files === undefined) continue;
    const evidence = partitionName(partition.number);
    const found = await orFinding(looking, evidence, () => efiLoaders(files));
    if (found === undefined) continue;
    all.push(...found);
    if (!found.some(isFallbackLoader)) {
      addFinding(
        looking,
        'no-fallback-loader',
        'warning',
        'the EFI system partition has no EFI/BOOT/BOOT*.EFI',
        {
          evidence,
          remedy:
            'copy the loader there, or keep the NVRAM entry: elsewhere the firmware finds nothing to start',
        },
      );
    }
  }
  return all;
}

async function systemsOf(looking: Looking, volumes: readonly OpenVolume[]): Promise<InstalledSystem[]> {
  const systems: InstalledSystem[] = [];
  for (const { partition, files } of volumes) {
    if (files === undefined) continue;
    const evidence = partitionName(partition.number);
    const system = await orFinding(looking, evidence, () => linuxSystem(files, partition.number));
    if (system === undefined) continue;
    const kernels =
      system.kernels.length > 0 ? system.kernels : await separateBoot(looking, volumes, system.mounts);
    systems.push({ ...system, kernels });
  }
  return systems;
}

/** Kernels on the partition that fstab mounts at /boot. */
async function separateBoot(looking: Looking, volumes: readonly OpenVolume[], mounts: readonly MountEntry[]) {
  const boot = mounts.find((m) => m.mountPoint === '/boot');
  const found = boot && volumes.find((v) => isNamed(v.partition, boot.device));
  return found === undefined ? [] : kernelsIn(looking, found);
}

/** Whether fstab's device names this partition; names like /dev/sda1 go by the number at their end. */
function isNamed({ volume, uuid, name, number }: GuestPartition, device: string): boolean {
  const [tag, value] = device.split('=', 2).map((part) => part.replace(/^"|"$/g, ''));
  const same = (a: string | undefined) => a !== undefined && a.toLowerCase() === value?.toLowerCase();
  if (tag === 'UUID') return same(volume?.uuid);
  if (tag === 'LABEL') return volume?.label !== undefined && volume.label === value;
  if (tag === 'PARTUUID') return same(uuid);
  if (tag === 'PARTLABEL') return name !== undefined && name === value;
  return /^\/dev\/(?:[shvx]v?d[a-z]+|nvme\d+n\d+p|mmcblk\d+p)(\d+)$/.exec(device)?.[1] === String(number);
}

/** Kernels at the top of a volume that is not a root: a /boot partition. */
async function bootKernels(looking: Looking, volumes: readonly OpenVolume[]): Promise<string[]> {
  for (const volume of volumes) {
    const kernels = await kernelsIn(looking, volume);
    if (kernels.length > 0) return kernels;
  }
  return [];
}

async function kernelsIn(looking: Looking, { partition, files }: OpenVolume): Promise<string[]> {
  if (files === undefined) return [];
  const names = await orFinding(looking, partitionName(partition.number), () => files.list('/'));
  return kernelVersions(names ?? []);
}
