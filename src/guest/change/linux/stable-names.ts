/** Names of disks that hold on any bus, for those that don't: `/dev/sda1` → `UUID=…`. */

/** A filesystem or swap space of the machine, by where it lies. */
export interface VolumeIdentity {
  /** Number of the disk in the machine, from 0. */
  readonly disk: number;
  /** 0: the whole disk. */
  readonly partition: number;
  readonly kind?: string;
  /** Of the filesystem. */
  readonly uuid?: string;
  readonly label?: string;
  /** Of the partition, as Linux writes it. */
  readonly partUuid?: string;
}

/** A partition (0: a whole disk) that the guest will find elsewhere. */
export interface MovedPartition {
  readonly from: MovedPlace;
  readonly to: MovedPlace;
}

export interface MovedPlace {
  readonly disk: number;
  readonly number: number;
  readonly partUuid?: string;
}

export interface NamedPlace {
  readonly disk: number;
  readonly partition: number;
}

const lettered = /^\/dev\/(?:[sh]d|xvd|vd|ubd)([a-z]{1,2})(\d*)$/;
const numbered = /^\/dev\/(?:nvme(\d+)n1|mmcblk(\d+))(?:p(\d+))?$/;
const uml = /^\/dev\/ubd(\d+)$/;
const byPlace = /^\/dev\/disk\/by-(?:id|path)\/\S+?(?:-part(\d+))?$/;

/** `a` → 0, `z` → 25, `aa` → 26, as the kernel counts. */
function letterNumber(letters: string): number {
  return [...letters].reduce((n, letter) => n * 26 + letter.charCodeAt(0) - 96, 0) - 1;
}

/**
 * The disk and partition that a name of hardware stands for; undefined for names that hold anywhere (by UUID, label,
 * LVM) and for what is no disk. Names by id or path tell the disk only where there is one.
 */
export function placeOfName(device: string, disks: number): NamedPlace | undefined {
  const letters = lettered.exec(device);
  if (letters !== null) return { disk: letterNumber(letters[1]!), partition: Number(letters[2] || 0) };
  const numbers = numbered.exec(device);
  if (numbers !== null) return { disk: Number(numbers[1] ?? numbers[2]), partition: Number(numbers[3] ?? 0) };
  const ubd = uml.exec(device);
  if (ubd !== null) return { disk: Number(ubd[1]), partition: 0 };
  const place = byPlace.exec(device);
  if (place === null) return undefined;
  return disks === 1 ? { disk: 0, partition: Number(place[1] ?? 0) } : { disk: Number.NaN, partition: 0 };
}

export interface StableNames {
  /** `UUID=…` for a name of hardware; undefined where it needs none. */
  stable(device: string): string | undefined;
  /** As `stable`, for a kernel that looks for its root by itself: it knows partitions, not filesystems. */
  stableForKernel(device: string): string | undefined;
  /** Names of hardware that nothing was found for, once each. */
  readonly unknown: ReadonlySet<string>;
}

const byPartUuid = /^(?:PARTUUID="?|\/dev\/disk\/by-partuuid\/)([^"\s]+)"?$/i;

/** Where what a name stands for will be; undefined where the name holds there, too. */
export function placeThere(
  device: string,
  disks: number,
  moves: readonly MovedPartition[],
): NamedPlace | 'nowhere' | undefined {
  const [, partUuid] = byPartUuid.exec(device) ?? [];
  const same = (one: MovedPlace, uuid: string) => one.partUuid?.toLowerCase() === uuid.toLowerCase();
  const byId = partUuid === undefined ? undefined : moves.find(({ from }) => same(from, partUuid));
  if (byId !== undefined && !same(byId.to, partUuid!))
    return { disk: byId.to.disk, partition: byId.to.number };
  const place = placeOfName(device, moves.length === 0 ? disks : disksBefore(moves));
  if (place === undefined || moves.length === 0) return place;
  const move = moves.find(({ from }) => from.disk === place.disk && from.number === place.partition);
  return move === undefined ? 'nowhere' : { disk: move.to.disk, partition: move.to.number };
}

const disksBefore = (moves: readonly MovedPartition[]): number =>
  Math.max(...moves.map(({ from }) => from.disk)) + 1;

/** `volumes`: as the guest will find them. `moves`: where they were, where they lay elsewhere. */
export function stableNames(
  volumes: readonly VolumeIdentity[],
  moves: readonly MovedPartition[] = [],
): StableNames {
  const disks = new Set(volumes.map((v) => v.disk)).size;
  const unknown = new Set<string>();
  const find = (device: string) => {
    const place = placeThere(device, disks, moves);
    if (place === undefined) return undefined;
    if (place === 'nowhere') return void unknown.add(device);
    const onDisk = volumes.filter((v) => v.disk === place.disk);
    const [only, ...others] = onDisk.filter((v) => v.partition > 0);
    const found =
      onDisk.find((v) => v.partition === place.partition && (v.partition > 0 || v.uuid !== undefined)) ??
      // A partition table was put around what was the whole disk.
      (place.partition === 0 && others.length === 0 ? only : undefined);
    if (found === undefined) unknown.add(device);
    return found;
  };
  const partition = ({ partUuid }: VolumeIdentity) =>
    partUuid === undefined ? undefined : `PARTUUID=${partUuid}`;
  const orUnknown = (device: string, name: string | undefined) => {
    if (name === undefined) unknown.add(device);
    return name;
  };
  return {
    unknown,
    stable(device) {
      const found = find(device);
      if (found === undefined) return undefined;
      return orUnknown(device, found.uuid === undefined ? partition(found) : `UUID=${found.uuid}`);
    },
    stableForKernel(device) {
      const found = find(device);
      return found && orUnknown(device, partition(found));
    },
  };
}
