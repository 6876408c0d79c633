/** A logical volume as a disk: its segments put together from the physical volumes that are there. */
import { concatenated, type Disk, slice } from '../../io/disk.ts';
import { wholeExtent } from '../../io/extents.ts';
import { AppError } from '../../model/errors.ts';
import { striped } from '../volumes/striped.ts';
import { type Group, type LogicalVolume, listIn, numberIn, type Segment, textIn } from './group.ts';
import { currentLegs, noCurrentLeg, readRaidSuperblock } from './raid-legs.ts';
import { openThinPool, type ThinPool } from './thin.ts';

const sectorBytes = 512;
/** Volumes made of volumes: a thin one on a mirrored pool has four. */
const maxDepth = 8;

/** A piece of a physical volume. */
export interface MemberPlace {
  readonly uuid: string;
  readonly offset: number;
  readonly length: number;
}

export class Activation {
  readonly #group: Group;
  readonly #members: ReadonlyMap<string, Disk>;
  readonly #signal: AbortSignal | undefined;
  readonly #pools = new Map<string, Promise<ThinPool>>();

  /** `members`: the disks of the physical volumes that are there, by their uuid. */
  constructor(group: Group, members: ReadonlyMap<string, Disk>, signal: AbortSignal | undefined) {
    this.#group = group;
    this.#members = members;
    this.#signal = signal;
  }

  /** @throws AppError `not-found` where a physical volume is missing, `unsupported`, `corrupt`. */
  async disk(key: string, depth = 0): Promise<Disk> {
    const volume = this.#volume(key);
    if (depth > maxDepth)
      throw new AppError('corrupt', `LVM2 volume ${volume.name} is made of too many others`);
    const size = volume.extents * this.#group.extentBytes;
    if (!Number.isSafeInteger(size)) throw new AppError('corrupt', `LVM2 volume ${volume.name}: its size`);
    const parts: Disk[] = [];
    for (const segment of volume.segments) parts.push(await this.#segment(volume, segment, depth));
    return parts.length === 1 ? parts[0]! : concatenated(parts);
  }

  /** Where its bytes lie, one piece behind the other; undefined where they do not lie there as they are. */
  places(key: string): MemberPlace[] | undefined {
    const { members, extentBytes } = this.#group;
    const found: MemberPlace[] = [];
    for (const { type, extents, section } of this.#volume(key).segments) {
      const areas = listIn(section, 'stripes');
      const [name, extent] = [String(areas[0]), areas[1]];
      const member = members.get(name);
      if (type !== 'striped' || areas.length !== 2 || member === undefined) return undefined;
      const offset = member.startBytes + Number(extent) * extentBytes;
      found.push({ uuid: member.uuid, offset, length: extents * extentBytes });
    }
    return found;
  }

  #volume(key: string): LogicalVolume {
    const volume = this.#group.volumes.get(key);
    if (volume === undefined)
      throw new AppError('corrupt', 'LVM2 metadata names a volume that it does not have');
    return volume;
  }

  async #segment(volume: LogicalVolume, segment: Segment, depth: number): Promise<Disk> {
    const { type, section } = segment;
    const size = segment.extents * this.#group.extentBytes;
    switch (type) {
      case 'striped':
      case 'linear':
        return this.#striped(segment, listIn(section, 'stripes'), depth);
      case 'raid0':
      case 'raid0_meta': {
        const areas = listIn(section, type === 'raid0' ? 'raid0_lvs' : 'raids');
        const images = type === 'raid0' ? areas : areas.filter((_, i) => i % 2 === 1);
        return this.#striped(
          segment,
          images.flatMap((name) => [name, 0]),
          depth,
        );
      }
      case 'mirror':
        return this.#firstLeg(segment, pairs(listIn(section, 'mirrors')), depth);
      case 'raid1':
        return this.#raid1(segment, depth);
      case 'thin':
        return this.#thin(segment, size, depth);
      case 'zero':
        return zeros(size);
      default:
        throw new AppError('unsupported', whyNot(type), { where: volume.name });
    }
  }

  async #striped(segment: Segment, areas: readonly (string | number)[], depth: number): Promise<Disk> {
    const places = pairs(areas);
    if (places.length === 0) throw new AppError('corrupt', 'LVM2 segment without a place');
    if (segment.extents % places.length !== 0)
      throw new AppError('corrupt', `LVM2 segment of ${segment.extents} extents in ${places.length} stripes`);
    const size = segment.extents * this.#group.extentBytes;
    const legs: Disk[] = [];
    for (const place of places) legs.push(await this.#area(place, size / places.length, depth));
    if (legs.length === 1) return legs[0]!;
    const stripeBytes = numberIn(segment.section, 'stripe_size') * sectorBytes;
    if (stripeBytes === 0 || (size / legs.length) % stripeBytes !== 0)
      throw new AppError('corrupt', `LVM2 segment with stripes of ${stripeBytes} bytes`);
    return striped(legs, stripeBytes, size);
  }

  /** A place on a physical volume, or on another logical one. */
  async #area([name, extent]: Place, length: number, depth: number): Promise<Disk> {
    const { members, extentBytes, volumes } = this.#group;
    const member = members.get(name);
    if (member === undefined) {
      if (!volumes.has(name)) throw new AppError('corrupt', 'LVM2 segment on a place that is not there');
      return slice(await this.disk(name, depth + 1), extent * extentBytes, length);
    }
    const disk = this.#members.get(member.uuid);
    if (disk === undefined || member.missing) {
      throw new AppError(
        'not-found',
        `a part of it is on the physical volume ${member.uuid}, which is missing`,
        {
          hint: 'give the other disks of the machine, too',
        },
      );
    }
    return slice(disk, member.startBytes + extent * extentBytes, length);
  }

  /** The kernel writes to all legs of a mirror of the old kind, and LVM2 takes a failed one out. */
  async #firstLeg(segment: Segment, places: readonly Place[], depth: number): Promise<Disk> {
    const size = segment.extents * this.#group.extentBytes;
    let missing: unknown = new AppError('corrupt', 'LVM2 mirror without a leg');
    for (const place of places) {
      try {
        return await this.#area(place, size, depth);
      } catch (error) {
        if (!(error instanceof AppError) || error.kind !== 'not-found') throw error;
        missing = error;
      }
    }
    throw missing;
  }

  async #raid1(segment: Segment, depth: number): Promise<Disk> {
    const names = listIn(segment.section, 'raids').map(String);
    const size = segment.extents * this.#group.extentBytes;
    const legs = [];
    for (let index = 0; index * 2 + 1 < names.length; index++) {
      const meta = await this.#ifThere(names[index * 2]!, depth);
      const image = await this.#ifThere(names[index * 2 + 1]!, depth);
      if (meta === undefined || image === undefined) continue;
      legs.push({ index, image, superblock: await readRaidSuperblock(meta, this.#signal) });
    }
    const current = currentLegs(legs);
    const leg = legs.find(({ index }) => current.includes(index));
    if (leg === undefined) throw noCurrentLeg();
    return slice(leg.image, 0, size);
  }

  async #ifThere(name: string, depth: number): Promise<Disk | undefined> {
    try {
      return await this.disk(name, depth + 1);
    } catch (error) {
      if (error instanceof AppError && error.kind === 'not-found') return undefined;
      throw error;
    }
  }

  async #thin({ section }: Segment, size: number, depth: number): Promise<Disk> {
    for (const key of ['external_origin', 'merge']) {
      if (section.values.has(key))
        throw new AppError('unsupported', `thin volume with ${key.replace('_', ' ')}`);
    }
    const name = textIn(section, 'thin_pool');
    const pool = this.#pools.get(name) ?? this.#openPool(name, depth);
    this.#pools.set(name, pool);
    return (await pool).open(numberIn(section, 'device_id'), size, this.#signal);
  }

  async #openPool(name: string, depth: number): Promise<ThinPool> {
    const segment = this.#volume(name).segments[0];
    if (segment?.type !== 'thin-pool') throw new AppError('corrupt', 'LVM2 thin volume without a pool');
    const { section } = segment;
    const metadata = await this.disk(textIn(section, 'metadata'), depth + 1);
    const data = await this.disk(textIn(section, 'pool'), depth + 1);
    return openThinPool(metadata, data, numberIn(section, 'chunk_size') * sectorBytes, this.#signal);
  }
}

type Place = readonly [name: string, extent: number];

function pairs(list: readonly (string | number)[]): Place[] {
  return Array.from({ length: Math.floor(list.length / 2) }, (_, i) => {
    const extent = list[i * 2 + 1];
    if (!Number.isSafeInteger(extent) || (extent as number) < 0)
      throw new AppError('corrupt', 'LVM2 metadata: a place that is no number');
    return [String(list[i * 2]), extent as number] as const;
  });
}

function whyNot(type: string): string {
  if (type.startsWith('cache')) return 'a part of it may be in its cache only (LVM cache)';
  if (type.startsWith('writecache')) return 'a part of it may be in its cache only (LVM writecache)';
  if (/^raid/.test(type)) return `${type.slice(0, 20)} is not read, raid0 and raid1 are`;
  return `LVM2 segments of type "${type.slice(0, 40).replace(/[^ -~]/g, '?')}" are not known`;
}

function zeros(size: number): Disk {
  return {
    size,
    sectorSize: sectorBytes,
    async read(target) {
      target.fill(0);
    },
    extents: async (from, to) => wholeExtent('zero', from, to),
    async close() {
      // nothing is held
    },
  };
}
