/**
 * A machine's disks looked into as one: tables, volumes across disks, the systems with their files. Reads only what it
 * needs, a few megabytes of any disk; a broken part becomes a finding and never hides the rest.
 */
import { cached } from '../io/cached.ts';
import { counted, type Disk } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { GuestPartition, GuestReport, InstalledSystem } from '../model/guest-report.ts';
import type { VolumeIdentity } from './change/linux/stable-names.ts';
import type { GuestSystemFiles, OpenGuest } from './guest.ts';
import { addFinding, type Looking, orFinding } from './looking.ts';
import { deviceOf, guestMounts } from './mounts.ts';
import { type FilesVolume, openFilesOf } from './open-files-of.ts';
import { concludedSystem } from './system/by-volumes.ts';
import { efiLoaders, firmwareHint, isEsp, isFallbackLoader } from './system/firmware.ts';
import { readSystem } from './system/read-system.ts';
import { kernelVersions } from './system/text-files.ts';
import { given } from './text.ts';
import { openVolumes, type Volume } from './volumes/open-volumes.ts';

export interface OpenGuestOptions {
  readonly signal?: AbortSignal | undefined;
  /** Tried on every LUKS volume. */
  readonly passphrase?: string;
  /** Every kernel's initramfs, not only that of the default one. Default yes. */
  readonly thorough?: boolean;
  /** The systems' names and mounts alone, for who only wants the files. */
  readonly filesOnly?: boolean;
}

/** A real system takes some dozen megabytes, most of it the initramfs. This bounds what a hostile one can make us read. */
const maxBytesRead = 1024 * 2 ** 20;

/** @throws AppError `cancelled` only; what can't be read is said in the findings. The disks stay open. */
export async function openGuest(disks: readonly Disk[], options: OpenGuestOptions = {}): Promise<OpenGuest> {
  const { signal } = options;
  const read = disks.map(() => 0);
  let bytesRead = 0;
  let looking = true;
  const looked = disks.map((disk, number) =>
    cached(
      counted(disk, (bytes) => {
        bytesRead += bytes;
        read[number] = read[number]! + bytes;
        throwIfAborted(signal);
        if (looking && bytesRead > maxBytesRead)
          throw new AppError('corrupt', `gave up after reading ${maxBytesRead} bytes`);
      }),
    ),
  );
  const { disks: layouts, volumes: all, findings: found } = await openVolumes(looked, options);
  const findings = [...found];
  const { volumes, withFiles } = await openFilesOf(all, findings, signal);
  const systems = await systemsOf(withFiles, volumes, findings, options);
  const reports: GuestReport[] = [];
  for (const [number, { table, partitions }] of layouts.entries()) {
    const own = volumes.filter((v) => v.diskNumber === number);
    const known = partitions.map((p) => withVolume(p, own));
    const whole = own.filter((v) => v.partition?.number === 0 && v.volume !== undefined);
    const places = table.kind === 'none' ? whole.map((v) => withVolume(v.partition!, own)) : known;
    const loaders = await loadersOf(withFiles, number, findings, signal);
    const firmware = firmwareHint(table, places);
    const here = systems.filter(({ diskNumber }) => diskNumber === number).map(({ system }) => system);
    const concluded =
      systems.length > 0
        ? undefined
        : await concludedOn(number, places, loaders, table, withFiles, findings, signal);
    const inside = volumes.filter((v) => diskOf(v) === number).flatMap(volumeInfo);
    reports.push({
      partitionTable: table,
      partitions: places,
      ...(inside.length === 0 ? {} : { volumes: inside }),
      systems: concluded === undefined ? here : [concluded],
      firmware,
      efiLoaders: loaders,
      findings: disks.length === 1 ? findings : [],
      bytesRead: read[number]!,
    });
  }
  looking = false;
  return {
    reports,
    fileVolumes: withFiles.map(({ volume, files }) => ({
      names: [volume.name, ...volume.deviceNames, deviceOf(volume)],
      kind: volume.volume!.kind,
      files,
    })),
    systems: systems.length > 0 ? systems : concludedSystems(reports),
    volumes: volumes.flatMap(volumeInfo),
    identities: volumes.flatMap(identityOf),
    findings,
    get bytesRead() {
      return bytesRead;
    },
  };
}

const withVolume = (partition: GuestPartition, volumes: readonly Volume[]): GuestPartition => ({
  ...partition,
  ...given('volume', volumes.find((v) => v.partition?.number === partition.number)?.volume),
});

const volumeInfo = ({ made, name, deviceNames, sizeBytes, volume, why }: Volume) =>
  made === 'partition' || made === 'disk'
    ? []
    : [
        {
          name,
          made,
          sizeBytes,
          ...given('device', deviceNames[0]),
          ...given('volume', volume),
          ...given('why', why),
        },
      ];

function identityOf({ diskNumber, partition, volume, made }: Volume): VolumeIdentity[] {
  if (diskNumber === undefined || partition === undefined || (made !== 'partition' && made !== 'disk'))
    return [];
  return [
    {
      disk: diskNumber,
      partition: partition.number,
      ...given('kind', volume?.kind),
      ...given('uuid', volume?.uuid),
      ...given('label', volume?.label),
      ...given('partUuid', partition.uuid),
    },
  ];
}

interface FoundSystem extends GuestSystemFiles {
  /** Where its root is, if it lies on one disk. */
  readonly diskNumber: number | undefined;
}

async function systemsOf(
  all: readonly FilesVolume[],
  volumes: readonly Volume[],
  findings: Finding[],
  options: OpenGuestOptions,
): Promise<FoundSystem[]> {
  const found: FoundSystem[] = [];
  for (const root of all) {
    const { volume } = root;
    const looking: Looking = { disk: volume.disk!, signal: options.signal, findings };
    const system = await orFinding(looking, volume.name, async () => {
      const files = await guestMounts(root, all, looking);
      if (files === undefined) return undefined;
      const read = await readSystem(files, {
        looking,
        root: volume,
        volumes,
        thorough: options.thorough !== false,
        filesOnly: options.filesOnly === true,
      });
      return read && { system: read, files };
    });
    if (system !== undefined) found.push({ ...system, diskNumber: diskOf(volume) });
  }
  return found;
}

/** The disk of a volume, or of the first piece of one that lies across several. */
const diskOf = ({ diskNumber, pieces, inside }: Volume): number | undefined =>
  diskNumber ?? pieces?.[0]?.disk ?? (inside[0] === undefined ? undefined : diskOf(inside[0]));

async function loadersOf(
  all: readonly FilesVolume[],
  disk: number,
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const loaders: string[] = [];
  for (const { volume, files } of all) {
    if (volume.diskNumber !== disk || volume.partition === undefined || !isEsp(volume.partition)) continue;
    const looking: Looking = { disk: volume.disk!, signal, findings };
    const found = await orFinding(looking, volume.name, () => efiLoaders(files));
    if (found === undefined) continue;
    loaders.push(...found);
    if (!found.some(isFallbackLoader)) {
      addFinding(
        looking,
        'no-fallback-loader',
        'warning',
        'the EFI system partition has no EFI/BOOT/BOOT*.EFI',
        {
          evidence: volume.name,
          remedy:
            'copy the loader there, or keep the NVRAM entry: elsewhere the firmware finds nothing to start',
        },
      );
    }
  }
  return loaders;
}

async function concludedOn(
  disk: number,
  partitions: readonly GuestPartition[],
  loaders: readonly string[],
  { bootCode }: GuestReport['partitionTable'],
  all: readonly FilesVolume[],
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<InstalledSystem | undefined> {
  const kernels: string[] = [];
  for (const { volume, files } of all) {
    if (volume.diskNumber !== disk) continue;
    const looking: Looking = { disk: volume.disk!, signal, findings };
    const names = await orFinding(looking, volume.name, () => files.list('/'));
    kernels.push(...kernelVersions(names ?? []));
  }
  const concluded = concludedSystem({ bootCode, partitions, kernels, efiLoaders: loaders });
  if (concluded === undefined) return undefined;
  findings.push({
    rule: 'guest.system-not-readable',
    severity: 'note',
    message: `${concluded.name} is concluded, its files can't be read here`,
    evidence: concluded.evidence.join('; '),
  });
  return concluded;
}

const concludedSystems = (reports: readonly GuestReport[]): GuestSystemFiles[] =>
  reports.flatMap(({ systems }) => systems.map((system) => ({ system })));
