/**
 * All volumes of a machine's disks, however they lie in each other: partitions, LUKS, MD RAID, LVM2. Reads labels and
 * metadata only; what can't be read becomes a finding and never hides the rest.
 */
import { cached } from '../../io/cached.ts';
import { type Disk, slice } from '../../io/disk.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { GuestPartition, GuestVolume, PartitionTable } from '../../model/guest-report.ts';
import { addFinding, type Looking, orFinding, partitionName } from '../looking.ts';
import { openLuks } from '../luks/open-luks.ts';
import { type LvmVolume, openLvm } from '../lvm/open-lvm.ts';
import { type MdPart, openMd } from '../md/open-md.ts';
import { readMdSuperblock } from '../md/superblock.ts';
import { readBsdLabel } from '../partitions/bsd-label.ts';
import { otherTables } from '../partitions/other-tables.ts';
import { checkLayout, readTable } from '../partitions/read-table.ts';
import { isExtended } from '../partitions/type-names.ts';
import { given } from '../text.ts';
import { recognise, volumeFindings } from './recognise.ts';

/** Real machines have some dozen. */
const maxVolumes = 512;
/** Partition, array, LUKS, group, LUKS, and one to spare. */
const maxDepth = 6;

/** Bytes of a disk of the machine. */
export interface VolumePiece {
  /** From 0. */
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
}

export interface Volume {
  /** For messages: `disk 1 partition 2`, `vg0/root`. */
  readonly name: string;
  /** What the guest calls it by where that does not depend on the order of disks: `/dev/vg0/root`. */
  readonly deviceNames: readonly string[];
  /** Its bytes; absent where `why` tells the reason. Closing it closes nothing. */
  readonly disk?: Disk;
  readonly why?: string;
  /** What its own mark says: kind, label, UUID. */
  readonly volume?: GuestVolume;
  /** `partition`, `disk`, `bsd`, `luks`, `md`, or LVM2's word for the kind of a logical volume. */
  readonly made: string;
  readonly sizeBytes: number;
  /** Of partitions, and of a whole disk without a table (number 0). */
  readonly partition?: GuestPartition;
  /** Number of the disk, from 0, where it lies on one by itself. */
  readonly diskNumber?: number;
  /** Where its bytes lie, one piece behind the other; absent where they do not lie there as they are. */
  readonly pieces?: readonly VolumePiece[];
  /** What it lies in: a partition, an opened LUKS volume, physical volumes. */
  readonly inside: readonly Volume[];
}

export interface DiskLayout {
  readonly table: PartitionTable;
  readonly partitions: readonly GuestPartition[];
}

export interface Volumes {
  /** In the order of the disks. */
  readonly disks: readonly DiskLayout[];
  /** Those that hold others included, before what they hold. */
  readonly volumes: readonly Volume[];
  /** By disk where they are of one. */
  readonly findings: readonly Finding[];
}

export interface OpenVolumesOptions {
  /** Tried on every LUKS volume. */
  readonly passphrase?: string;
  readonly signal?: AbortSignal | undefined;
}

/** The disks stay open, and are best seen through `cached`. @throws AppError `cancelled` only. */
export async function openVolumes(
  disks: readonly Disk[],
  options: OpenVolumesOptions = {},
): Promise<Volumes> {
  const search = new Search(options);
  const layouts: DiskLayout[] = [];
  for (const [i, disk] of disks.entries()) layouts.push(await search.disk(disk, i, disks.length > 1));
  await search.assembled();
  return { disks: layouts, volumes: search.volumes, findings: search.findings };
}

/** A volume that is yet to be looked at. */
type Fresh = Omit<Volume, 'volume'>;

class Search {
  readonly volumes: Volume[] = [];
  readonly findings: Finding[] = [];
  readonly #options: OpenVolumesOptions;
  readonly #physical: Volume[] = [];
  readonly #members: { readonly volume: Volume; readonly part: MdPart }[] = [];
  readonly #arrays = new Set<string>();
  readonly #logical = new Set<string>();
  #groupFindings: readonly Finding[] = [];

  constructor(options: OpenVolumesOptions) {
    this.#options = options;
  }

  async disk(disk: Disk, number: number, several: boolean): Promise<DiskLayout> {
    const looking = this.#looking(disk);
    const before = this.findings.length;
    const found = (await orFinding(looking, 'partition table', () =>
      readTable(looking, async () => (await recognise(looking)) !== undefined),
    )) ?? {
      table: { kind: 'none', sectorSize: disk.sectorSize, bootCode: 'none' } as const,
      partitions: [],
    };
    checkLayout(looking, found.partitions);
    await orFinding(looking, 'partition table', () =>
      otherTables(
        looking,
        found.partitions.map((p) => p.type),
        `disk ${number + 1}`,
      ),
    );
    if (several) this.#nameDisk(before, number);
    const named = (partition: number) =>
      several
        ? `disk ${number + 1}${partition === 0 ? '' : ` partition ${partition}`}`
        : partitionName(partition);
    const places = found.table.kind === 'none' ? [wholeDisk(disk)] : found.partitions;
    for (const partition of places) await this.#partition(disk, number, partition, named(partition.number));
    return found;
  }

  /** Findings of a table say which partition, of one disk among several they have to say which disk, too. */
  #nameDisk(from: number, number: number): void {
    for (let i = from; i < this.findings.length; i++) {
      const { evidence = '', ...finding } = this.findings[i]!;
      const disk = `disk ${number + 1}`;
      const whole = evidence === '' || evidence.startsWith(disk) ? disk : `${disk} ${evidence}`;
      this.findings[i] = { ...finding, evidence: whole };
    }
  }

  async #partition(disk: Disk, diskNumber: number, partition: GuestPartition, name: string): Promise<void> {
    if (partition.type.startsWith('0x') && isExtended(Number(partition.type))) return;
    const { startBytes, number } = partition;
    const length = Math.min(partition.lengthBytes, disk.size - startBytes);
    if (length <= 0) return;
    const inside = slice(disk, startBytes, length);
    const pieces = [{ disk: diskNumber, offset: startBytes, length }];
    const made = number === 0 ? 'disk' : 'partition';
    const about = { name, deviceNames: [], made, sizeBytes: length, partition, diskNumber, pieces };
    const volume = await this.#add({ ...about, disk: inside, inside: [] }, 0);
    if (volume !== undefined) await this.#bsd(volume, inside, startBytes);
  }

  async #bsd(outer: Volume, slicedDisk: Disk, start: number): Promise<void> {
    const looking = this.#looking(slicedDisk);
    const found = await orFinding(looking, outer.name, () => readBsdLabel(looking, start));
    for (const { letter, startBytes, lengthBytes } of found ?? []) {
      const [place] = outer.pieces ?? [];
      const pieces = place && [{ disk: place.disk, offset: place.offset + startBytes, length: lengthBytes }];
      await this.#add(
        {
          name: `${outer.name} slice ${letter}`,
          deviceNames: [],
          disk: slice(slicedDisk, startBytes, lengthBytes),
          made: 'bsd',
          sizeBytes: lengthBytes,
          ...given('diskNumber', outer.diskNumber),
          ...given('pieces', pieces),
          inside: [outer],
        },
        1,
      );
    }
  }

  /** Looks at a volume, keeps it, and opens what is in it. */
  async #add(fresh: Fresh, depth: number): Promise<Volume | undefined> {
    throwIfAborted(this.#options.signal);
    if (this.volumes.length >= maxVolumes || depth > maxDepth) {
      if (!this.findings.some((f) => f.rule === 'guest.too-many-volumes'))
        addFinding(this.#looking(nothing), 'too-many-volumes', 'note', 'not all volumes were looked into');
      return undefined;
    }
    const { disk } = fresh;
    if (disk === undefined) {
      this.volumes.push(fresh);
      return fresh;
    }
    const looking = this.#looking(disk);
    const seen = await orFinding(looking, fresh.name, () => recognise(looking));
    const volume: Volume = { ...fresh, ...given('volume', seen) };
    this.volumes.push(volume);
    if (seen === undefined) return volume;
    const isLuks = seen.kind.startsWith('luks');
    const opened = isLuks ? await this.#luks(volume, disk, depth) : false;
    const { encrypted: _is, ...plain } = seen;
    volumeFindings(looking, opened ? plain : seen, fresh.name);
    if (seen.kind === 'lvm2-pv') this.#physical.push(volume);
    if (seen.kind === 'md-raid') {
      const member = await orFinding(looking, fresh.name, () => readMdSuperblock(looking));
      if (member !== undefined) this.#members.push({ volume, part: { disk, member } });
    }
    return volume;
  }

  /** Whether it was opened. */
  async #luks(outer: Volume, disk: Disk, depth: number): Promise<boolean> {
    const { passphrase, signal } = this.#options;
    if (passphrase === undefined) return false;
    const looking = this.#looking(disk);
    const inner = await orFinding(looking, outer.name, () =>
      openLuks(disk, passphrase, { name: outer.name, signal }),
    );
    if (inner === undefined) return false;
    const uuid = outer.volume?.uuid;
    await this.#add(
      {
        name: `${outer.name} (decrypted)`,
        // What installers of Debian and Red Hat write to crypttab differs; the UUID is in both.
        deviceNames: uuid === undefined ? [] : [`/dev/mapper/luks-${uuid}`],
        disk: cached(inner),
        made: 'luks',
        sizeBytes: inner.size,
        inside: [outer],
      },
      depth + 1,
    );
    return true;
  }

  /** Arrays and groups, until nothing more comes of what they hold. */
  async assembled(): Promise<void> {
    for (let round = 1; round <= maxDepth; round++) {
      const before = this.volumes.length;
      await this.#md(round);
      await this.#lvm(round);
      if (this.volumes.length === before) break;
    }
    this.findings.push(...this.#groupFindings);
  }

  async #md(depth: number): Promise<void> {
    for (const array of openMd(this.#members.map(({ part }) => part))) {
      if (this.#arrays.has(array.uuid)) continue;
      this.#arrays.add(array.uuid);
      this.findings.push(...array.findings);
      const of = this.#members.filter(({ part }) => (part.member.uuid ?? '') === array.uuid);
      await this.#add(
        {
          name: `MD array ${array.name === '' ? array.uuid : array.name}`,
          deviceNames: array.name === '' ? [] : [`/dev/md/${array.name}`],
          ...given('disk', array.disk),
          ...given('why', array.why),
          made: 'md',
          sizeBytes: array.disk?.size ?? 0,
          inside: of.map(({ volume }) => volume),
        },
        depth,
      );
    }
  }

  async #lvm(depth: number): Promise<void> {
    const physical = [...this.#physical];
    if (physical.length === 0) return;
    const { groups, findings } = await openLvm(
      physical.map((pv) => pv.disk!),
      this.#options.signal,
    );
    const fresh = groups.flatMap((group) =>
      group.volumes
        .filter((lv) => !this.#logical.has(`${group.uuid} ${lv.uuid}`))
        .map((lv) => ({ group, lv })),
    );
    // What was missing before may be there now.
    this.#groupFindings = findings;
    for (const { group, lv } of fresh) {
      this.#logical.add(`${group.uuid} ${lv.uuid}`);
      await this.#add(logicalVolume(group.name, lv, physical), depth);
    }
  }

  #looking(disk: Disk): Looking {
    return { disk, signal: this.#options.signal, findings: this.findings };
  }
}

function logicalVolume(group: string, lv: LvmVolume, physical: readonly Volume[]): Fresh {
  // device-mapper doubles a dash inside a name.
  const mapped = `${group.replaceAll('-', '--')}-${lv.name.replaceAll('-', '--')}`;
  const pieces = lv.places?.flatMap((place) => partOf(physical[place.disk]!, place.offset, place.length));
  const isWhole = pieces !== undefined && pieces.reduce((sum, p) => sum + p.length, 0) === lv.sizeBytes;
  return {
    name: `${group}/${lv.name}`,
    deviceNames: [`/dev/mapper/${mapped}`, `/dev/${group}/${lv.name}`],
    ...given('disk', lv.disk),
    ...given('why', lv.why),
    made: lv.kind,
    sizeBytes: lv.sizeBytes,
    ...(isWhole ? { pieces } : {}),
    inside: lv.places === undefined ? physical : [...new Set(lv.places.map((p) => physical[p.disk]!))],
  };
}

/** The pieces of the disks that a part of a volume is; fewer bytes where it has none. */
function partOf(volume: Volume, offset: number, length: number): VolumePiece[] {
  const found: VolumePiece[] = [];
  let start = 0;
  for (const piece of volume.pieces ?? []) {
    const from = Math.max(offset, start);
    const to = Math.min(offset + length, start + piece.length);
    if (from < to) found.push({ disk: piece.disk, offset: piece.offset + from - start, length: to - from });
    start += piece.length;
  }
  return found;
}

const wholeDisk = (disk: Disk): GuestPartition => ({
  number: 0,
  startBytes: 0,
  lengthBytes: disk.size,
  type: '',
  typeName: 'whole disk',
  bootable: false,
});

/** For findings that are of no disk. */
const nothing: Disk = {
  size: 0,
  sectorSize: 512,
  read: async () => {
    throw new AppError('bug', 'nothing is read here');
  },
  extents: async () => [],
  close: async () => undefined,
};
