/** The mounts of a system: its root, and what its fstab puts on it, found among the machine's volumes. */
import { toAppError } from '../model/errors.ts';
import type { MountEntry } from '../model/guest-report.ts';
import { placeOfName } from './change/linux/stable-names.ts';
import { openFiles } from './filesystems/open-files.ts';
import { type CryptEntry, parseCrypttab } from './formats/storage/crypttab.ts';
import type { GuestMount } from './guest.ts';
import { addFinding, type Looking, orFinding } from './looking.ts';
import { type MountedFiles, mountedFiles } from './mounted-files.ts';
import type { FilesVolume } from './open-files-of.ts';
import { gptTypes } from './partitions/type-names.ts';
import { rootPlaces } from './root-places.ts';
import { parseFstab } from './system/text-files.ts';
import { given } from './text.ts';
import type { Volume } from './volumes/open-volumes.ts';

/** Where the EFI system partition of a Windows is put, which itself gives it no place. */
export const efiMountPoint = '/boot/efi';

const maxFstabBytes = 256 * 1024;

/** UAPI Group, Discoverable Partitions Specification: types that are mounted, and where the first folder that is there is. */
const discoverable: readonly (readonly [type: string, points: readonly string[]])[] = [
  [gptTypes.extendedBoot, ['/boot']],
  [gptTypes.efiSystem, ['/efi', '/boot']],
  [gptTypes.home, ['/home']],
  [gptTypes.serverData, ['/srv']],
  [gptTypes.variableData, ['/var']],
];

/** The tree of the system whose root this volume is; undefined when it does not look like one. */
export async function guestMounts(
  root: FilesVolume,
  all: readonly FilesVolume[],
  looking: Looking,
): Promise<MountedFiles<GuestMount> | undefined> {
  const mounts = await rootMounts(root, all, looking);
  if (mounts === undefined) return undefined;
  // One that can't be read hides the other mounts, not the root.
  const own = async (path: string) =>
    (
      await orFinding(looking, root.volume.name, () => mountedFiles(mounts).read(path, maxFstabBytes))
    )?.toString('utf8') ?? '';
  const crypttab = parseCrypttab(await own('/etc/crypttab'));
  for (const entry of parseFstab(await own('/etc/fstab'))) {
    const mountPoint = entry.mountPoint.replace(/(?<=.)\/+$/, '');
    if (!mountPoint.startsWith('/') || mountPoint === '/' || mounts.some((m) => m.mountPoint === mountPoint))
      continue;
    const found = all.find(({ volume }) => isNamed(volume, entry.device, { all, crypttab }));
    if (found === undefined) continue;
    const mount = await withSubvolume(mountPoint, found, entry, looking);
    if (mount !== undefined) mounts.push(mount);
  }
  await mountByType(mounts, root, all);
  const esp = all.find(({ volume: { partition } }) => partition?.type === gptTypes.efiSystem);
  if (esp !== undefined && (await mountedFiles(mounts).stat('/Windows/System32')) !== undefined)
    mounts.push(mountOf(efiMountPoint, esp));
  return mountedFiles(mounts);
}

async function looksLikeRoot(files: MountedFiles): Promise<boolean> {
  for (const path of [
    '/etc/os-release',
    '/usr/lib/os-release',
    '/etc/fstab',
    '/etc/passwd',
    '/Windows/System32',
    '/etc/freebsd-update.conf',
    '/bsd',
  ])
    if ((await files.stat(path)) !== undefined) return true;
  return false;
}

async function rootMounts(
  root: FilesVolume,
  all: readonly FilesVolume[],
  looking: Looking,
): Promise<GuestMount[] | undefined> {
  for await (const { files, folder, subvolume } of rootPlaces(root, looking)) {
    const mount = {
      ...mountOf('/', { ...root, files }),
      ...given('folder', folder),
      ...given('subvolume', subvolume),
    };
    if (!(await looksLikeRoot(mountedFiles([mount])))) continue;
    const stateroot = folder?.replace(/\/deploy\/[^/]+$/, '');
    if (stateroot === undefined) return [mount];
    // Fedora CoreOS finds it by its label.
    const boot = all.find(
      ({ volume: v }) => v.diskNumber === root.volume.diskNumber && v.volume?.label === 'boot',
    );
    // What all deployments share lies beside them.
    return [
      mount,
      { ...mount, mountPoint: '/var', folder: `${stateroot}/var` },
      boot === undefined ? { ...mount, mountPoint: '/boot', folder: '/boot' } : mountOf('/boot', boot),
    ];
  }
  return undefined;
}

/** What systemd mounts without fstab: partitions by their type, beside a root on a GPT (Discoverable Partitions). */
async function mountByType(
  mounts: GuestMount[],
  root: FilesVolume,
  all: readonly FilesVolume[],
): Promise<void> {
  const tree = mountedFiles(mounts);
  const has = async (path: string) => (await tree.stat(path))?.kind === 'folder';
  if (!(await has('/usr/lib/systemd')) && !(await has('/lib/systemd'))) return;
  const disk = root.volume.diskNumber;
  const taken = (mountPoint: string) => mounts.some((m) => m.mountPoint === mountPoint);
  for (const [type, points] of discoverable) {
    const found = all.find(
      ({ volume: { partition, diskNumber } }) => partition?.type === type && diskNumber === disk,
    );
    if (found === undefined || mounts.some((m) => m.files === found.files)) continue;
    for (const mountPoint of points) {
      if (taken(mountPoint) || !(await has(mountPoint))) continue;
      mounts.push(mountOf(mountPoint, found));
      break;
    }
  }
}

async function withSubvolume(
  mountPoint: string,
  found: FilesVolume,
  { options }: MountEntry,
  looking: Looking,
): Promise<GuestMount | undefined> {
  const mount = mountOf(mountPoint, found, /(^|,)ro(,|$)/.test(options));
  if (found.volume.volume?.kind !== 'btrfs') return mount;
  const path = /(?:^|,)subvol=([^,]+)/.exec(options)?.[1];
  const id = /(?:^|,)subvolid=(\d+)/.exec(options)?.[1];
  const subvolume = path ?? (id === undefined ? undefined : Number(id));
  if (subvolume === undefined) return mount;
  const inside = { ...looking, disk: found.volume.disk! };
  try {
    return { ...mount, files: await openFiles(inside, 'btrfs', { subvolume }), subvolume: String(subvolume) };
  } catch (error) {
    const { kind, message } = toAppError(error);
    if (kind === 'cancelled') throw error;
    addFinding(looking, 'unreadable', 'warning', `${mountPoint} can't be read: ${message}`, {
      evidence: found.volume.name,
    });
    return undefined;
  }
}

function mountOf(mountPoint: string, { volume, files }: FilesVolume, readOnly = false): GuestMount {
  const container = volume.inside.find((outer) => outer.volume?.kind.startsWith('luks'));
  return {
    ...{ mountPoint, files, name: volume.name, kind: volume.volume?.kind ?? '', readOnly },
    device: deviceOf(volume),
    ...given('pieces', volume.pieces),
    ...(container === undefined ? {} : { encrypted: deviceOf(container) }),
  };
}

/** As libguestfs calls it, with the disks attached in their order. */
export function deviceOf({ diskNumber, partition, deviceNames }: Volume): string {
  if (partition === undefined || diskNumber === undefined) return deviceNames.at(-1) ?? '';
  const disk = `/dev/sd${String.fromCharCode(97 + diskNumber)}`;
  return partition.number === 0 ? disk : `${disk}${partition.number}`;
}

interface Naming {
  readonly all: readonly FilesVolume[];
  readonly crypttab: readonly CryptEntry[];
}

/** Whether fstab's device names this volume. */
function isNamed(
  { volume, partition, deviceNames, diskNumber, made, inside }: Volume,
  written: string,
  naming: Naming,
): boolean {
  const { all, crypttab } = naming;
  // udev writes what is no letter as \x20.
  const device = written
    .replace(/\\x([0-9a-f]{2})/gi, (_all, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
    .replace(/^\/dev\/disk\/by-id\/dm-name-/, '/dev/mapper/');
  if (deviceNames.includes(device)) return true;
  if (made === 'luks' && inside[0] !== undefined && device.startsWith('/dev/mapper/')) {
    const [outer] = inside;
    const entry = crypttab.find(({ name }) => `/dev/mapper/${name}` === device);
    return entry !== undefined && isNamed(outer, entry.device, naming);
  }
  const byId = /^\/dev\/disk\/by-(uuid|label|partuuid|partlabel)\/(.+)$/.exec(device);
  const [tag, value] = (byId === null ? device.split('=', 2) : [byId[1]!.toUpperCase(), byId[2]]).map(
    (part) => part?.replace(/^"|"$/g, ''),
  );
  const same = (a: string | undefined) => a !== undefined && a.toLowerCase() === value?.toLowerCase();
  if (tag === 'UUID') return same(volume?.uuid);
  if (tag === 'LABEL') return volume?.label !== undefined && volume.label === value;
  if (tag === 'PARTUUID') return same(partition?.uuid);
  if (tag === 'PARTLABEL') return partition?.name !== undefined && partition.name === value;
  const disks = new Set(all.flatMap((other) => other.volume.diskNumber ?? [])).size;
  const place = placeOfName(device, disks);
  return place !== undefined && place.disk === diskNumber && place.partition === partition?.number;
}
