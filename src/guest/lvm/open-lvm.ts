/** LVM2: the groups on some physical volumes, and their logical volumes as disks. */
import type { Disk } from '../../io/disk.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { addFinding, type Looking, orFinding } from '../looking.ts';
import { given } from '../text.ts';
import { Activation } from './activate.ts';
import { type Group, groupOf, type LogicalVolume, listIn } from './group.ts';
import { parseMetadata } from './metadata-text.ts';
import { type PhysicalVolume, readPhysicalVolume } from './physical-volume.ts';

export interface LvmVolume {
  readonly name: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  /** LVM2's own word: `linear`, `striped`, `raid1`, `thin`, `thin-pool`, `snapshot`, `cache` … */
  readonly kind: string;
  /** Its bytes; closing it closes nothing. */
  readonly disk?: Disk;
  /**
   * Where its bytes lie, one piece behind the other; absent where they do not lie there as they are, or where a
   * snapshot depends on them.
   */
  readonly places?: readonly LvmPlace[];
  /** Why there is no disk. */
  readonly why?: string;
}

export interface LvmPlace {
  /** Index among the disks that were given. */
  readonly disk: number;
  readonly offset: number;
  readonly length: number;
}

export interface LvmGroup {
  readonly name: string;
  readonly uuid: string;
  readonly volumes: readonly LvmVolume[];
}

export interface Lvm {
  readonly groups: readonly LvmGroup[];
  readonly findings: readonly Finding[];
}

/** A disk that is no physical volume is passed over. @throws AppError `cancelled` only. */
export async function openLvm(disks: readonly Disk[], signal?: AbortSignal): Promise<Lvm> {
  const findings: Finding[] = [];
  const found: Found[] = [];
  for (const [i, disk] of disks.entries()) {
    const looking: Looking = { disk, signal, findings };
    const evidence = `LVM2 physical volume ${i + 1}`;
    const pv = await orFinding(looking, evidence, () => readPhysicalVolume(looking));
    if (pv === undefined) continue;
    for (const problem of pv.problems)
      addFinding(looking, 'lvm-metadata-broken', 'note', problem, { evidence });
    if (found.some((f) => f.pv.uuid === pv.uuid)) {
      addFinding(looking, 'lvm-volume-twice', 'warning', `the physical volume ${pv.uuid} is there twice`, {
        evidence,
        remedy: 'give only one of the copies; the first is used',
      });
    } else found.push({ pv, disk });
  }
  const members = new Map(found.map(({ pv, disk }) => [pv.uuid, disk]));
  const indexOf = (uuid: string) => disks.indexOf(members.get(uuid)!);
  const groups: LvmGroup[] = [];
  const known = newestGroups(found, findings);
  for (const group of known) groups.push(await opened(group, members, { findings, signal, indexOf }));
  for (const { pv } of found) {
    const isMember = known.some((group) => [...group.members.values()].some((m) => m.uuid === pv.uuid));
    if (!isMember)
      note(findings, 'lvm-no-group', `the physical volume ${pv.uuid} is in no group that is known`);
  }
  return { groups, findings };
}

interface Found {
  readonly pv: PhysicalVolume;
  readonly disk: Disk;
}

function note(findings: Finding[], rule: string, message: string): void {
  findings.push({ rule: `guest.${rule}`, severity: 'note', message });
}

/** Each group by the newest text of it: a volume that was away when it changed has an older one. */
function newestGroups(found: readonly Found[], findings: Finding[]): Group[] {
  const newest = new Map<string, Group>();
  for (const text of new Set(found.flatMap(({ pv }) => pv.texts))) {
    try {
      const group = groupOf(parseMetadata(text));
      const former = newest.get(group.uuid);
      if (former !== undefined && former.sequence !== group.sequence) {
        note(findings, 'lvm-metadata-old', `a physical volume has an older state of the group ${group.name}`);
      }
      if (former === undefined || former.sequence < group.sequence) newest.set(group.uuid, group);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      findings.push({ rule: 'guest.lvm-metadata-broken', severity: 'warning', message: error.message });
    }
  }
  return [...newest.values()];
}

interface Given {
  readonly findings: Finding[];
  readonly signal: AbortSignal | undefined;
  readonly indexOf: (uuid: string) => number;
}

async function opened(
  group: Group,
  members: ReadonlyMap<string, Disk>,
  { findings, signal, indexOf }: Given,
): Promise<LvmGroup> {
  const missing = [...group.members.values()].filter((m) => m.missing || !members.has(m.uuid));
  if (missing.length > 0) {
    findings.push({
      rule: 'guest.lvm-volume-missing',
      severity: 'warning',
      message: `${missing.length} of ${group.members.size} physical volumes of the group ${group.name} are missing`,
      evidence: missing.map((m) => m.uuid).join(', '),
      remedy: 'give the other disks of the machine, too',
    });
  }
  const activation = new Activation(group, members, signal);
  const snapshots = snapshotsOf(group);
  const volumes: LvmVolume[] = [];
  for (const [key, volume] of group.volumes) {
    const isStore = snapshots.stores.has(key);
    // What is shown of a snapshot is its store; a volume of its own ties it to the origin.
    if (!(volume.visible || isStore) || volume.segments[0]?.type === 'snapshot') continue;
    volumes.push({
      name: volume.name,
      uuid: volume.uuid,
      sizeBytes: volume.extents * group.extentBytes,
      kind: isStore ? 'snapshot' : kindOf(volume),
      ...(await diskOrWhy(key, volume, snapshots, activation, indexOf)),
    });
  }
  return { name: group.name, uuid: group.uuid, volumes };
}

/** Snapshots of the old kind: a hidden volume tells which is the origin, and which the store of differences. */
function snapshotsOf(group: Group): Snapshots {
  const stores = new Set<string>();
  const merging = new Set<string>();
  const origins = new Set<string>();
  for (const { segments } of group.volumes.values()) {
    for (const { type, section } of segments) {
      if (type !== 'snapshot') continue;
      for (const key of ['cow_store', 'merging_store']) {
        for (const name of listIn(section, key)) stores.add(String(name));
      }
      origins.add(String(section.values.get('origin')));
      if (section.values.has('merging_store')) merging.add(String(section.values.get('origin')));
    }
  }
  return { stores, merging, origins };
}

interface Snapshots {
  readonly stores: ReadonlySet<string>;
  readonly merging: ReadonlySet<string>;
  readonly origins: ReadonlySet<string>;
}

const kindOf = ({ segments }: LogicalVolume): string => {
  const first = segments[0];
  if (first === undefined) return 'empty';
  const isLinear = first.type === 'striped' && listIn(first.section, 'stripes').length <= 2;
  return isLinear ? 'linear' : first.type.split('+', 1)[0]!.slice(0, 40);
};

const holdsOthers = new Set(['thin-pool', 'cache-pool', 'vdo-pool']);

async function diskOrWhy(
  key: string,
  volume: LogicalVolume,
  snapshots: Snapshots,
  activation: Activation,
  indexOf: (uuid: string) => number,
): Promise<Pick<LvmVolume, 'disk' | 'places' | 'why'>> {
  if (snapshots.stores.has(key)) return { why: 'a snapshot of the old kind holds differences only' };
  if (snapshots.merging.has(key)) return { why: 'a snapshot is being merged into it' };
  if (holdsOthers.has(kindOf(volume))) return { why: 'it only holds other volumes' };
  if (volume.segments.length === 0) return { why: 'it is empty' };
  try {
    const disk = await activation.disk(key);
    const places = snapshots.origins.has(key) ? undefined : activation.places(key);
    return {
      disk,
      ...given(
        'places',
        places?.map(({ uuid, ...rest }) => ({ disk: indexOf(uuid), ...rest })),
      ),
    };
  } catch (error) {
    const { kind, message, hint } = toAppError(error);
    if (kind === 'cancelled' || kind === 'bug') throw error;
    return { why: hint === undefined ? message : `${message}; ${hint}` };
  }
}
