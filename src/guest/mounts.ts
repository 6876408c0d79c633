/** The mounts of a system: its root, and what its fstab puts on it, found among the machine's volumes. */
import { toAppError } from '../model/errors.ts';
import type { MountEntry } from '../model/guest-report.ts';
import { placeOfName } from './change/linux/stable-names.ts';
import { openFiles } from './filesystems/open-files.ts';
import type { GuestMount } from './guest.ts';
import { addFinding, type Looking, orFinding } from './looking.ts';
import { type MountedFiles, mountedFiles } from './mounted-files.ts';
import type { FilesVolume } from './open-guest.ts';
import { gptTypes } from './partitions/type-names.ts';
import { parseFstab } from './system/text-files.ts';
import { given } from './text.ts';
import type { Volume } from './volumes/open-volumes.ts';

/** Where the EFI system partition of a Windows is put, which itself gives it no place. */
export const efiMountPoint = '/boot/efi';

const maxFstabBytes = 256 * 1024;

/** Folders of a btrfs that roots are kept in, where the default subvolume is not the root itself. */
const rootSubvolumes = ['@', 'root', '@rootfs', '@/.snapshots/1/snapshot'];

/** The tree of the system whose root this volume is; undefined when it does not look like one. */
export async function guestMounts(
  root: FilesVolume,
  all: readonly FilesVolume[],
  looking: Looking,
): Promise<MountedFiles<GuestMount> | undefined> {
  const mounts = [mountOf('/', root)];
  if (!(await looksLikeRoot(mountedFiles(mounts)))) {
    const inside = await rootSubvolume(root, looking);
    if (inside === undefined) return undefined;
    mounts[0] = inside;
  }
  // One that can't be read hides the other mounts, not the root.
  const content = await orFinding(looking, root.volume.name, () =>
    mountedFiles(mounts).read('/etc/fstab', maxFstabBytes),
  );
  const fstab = content?.toString('utf8') ?? '';
  for (const entry of parseFstab(fstab)) {
    const mountPoint = entry.mountPoint.replace(/(?<=.)\/+$/, '');
    if (!mountPoint.startsWith('/') || mountPoint === '/' || mounts.some((m) => m.mountPoint === mountPoint))
      continue;
    const found = all.find(({ volume }) => isNamed(volume, entry.device, all));
    if (found === undefined) continue;
    const mount = await withSubvolume(mountPoint, found, entry, looking);
    if (mount !== undefined) mounts.push(mount);
  }
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

async function rootSubvolume(root: FilesVolume, looking: Looking): Promise<GuestMount | undefined> {
  if (root.volume.volume?.kind !== 'btrfs') return undefined;
  for (const subvolume of rootSubvolumes) {
    const files = await openFiles(looking, 'btrfs', { subvolume }).catch((error) => {
      if (toAppError(error).kind === 'cancelled') throw error;
      return undefined; // there is none of this name
    });
    if (files === undefined) continue;
    const mount = { ...mountOf('/', { ...root, files }), subvolume };
    if (await looksLikeRoot(mountedFiles([mount]))) return mount;
  }
  return undefined;
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

/** Whether fstab's device names this volume. */
function isNamed(
  { volume, partition, deviceNames, diskNumber }: Volume,
  device: string,
  all: readonly FilesVolume[],
): boolean {
  if (deviceNames.includes(device)) return true;
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
