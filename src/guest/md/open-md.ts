/** MD RAID: what the members are of, and RAID1 read from one of them. */
import { type Disk, slice } from '../../io/disk.ts';
import type { Finding } from '../../model/finding.ts';
import { levelName, type MdMember } from './superblock.ts';

export interface MdPart {
  readonly disk: Disk;
  readonly member: MdMember;
}

export interface MdArray {
  readonly uuid: string;
  /** What the guest calls it, without the host; empty where it has no name. */
  readonly name: string;
  /** `RAID1 of 2 devices, metadata 1.2`. */
  readonly detail: string;
  readonly disk?: Disk;
  readonly why?: string;
  readonly findings: readonly Finding[];
}

/** One array for each UUID among the members. */
export function openMd(parts: readonly MdPart[]): MdArray[] {
  const uuids = [...new Set(parts.map(({ member }) => member.uuid))];
  return uuids.map((uuid) =>
    opened(
      uuid ?? '',
      parts.filter(({ member }) => member.uuid === uuid),
    ),
  );
}

function opened(uuid: string, parts: readonly MdPart[]): MdArray {
  const newest = Math.max(...parts.map(({ member }) => member.events));
  const current = parts.filter(({ member }) => member.events === newest);
  const { level, devices, version, name, clean } = current[0]!.member;
  const shown = name.slice(name.indexOf(':') + 1);
  const detail = `${levelName(level)} of ${devices} devices, metadata ${version}`;
  const findings: Finding[] = [];
  const evidence = `MD array ${shown === '' ? uuid : shown}`;
  const there = new Set(current.map(({ member }) => member.role).filter((role) => role !== undefined)).size;
  if (there < devices) {
    findings.push({
      rule: 'guest.md-incomplete',
      severity: 'warning',
      message: `${there} of the ${devices} devices of the ${levelName(level)} array are there and current`,
      evidence,
      remedy: 'give the other disks of the machine, too',
    });
  }
  if (!clean) {
    const message = 'the array was in use: its devices may differ in what was written last';
    findings.push({ rule: 'guest.md-dirty', severity: 'warning', message, evidence });
  }
  const array = { uuid, name: shown, detail, findings };
  if (level !== 1) return { ...array, why: `${levelName(level)} is not read, RAID1 is` };
  const part = current.find(({ disk, member }) => {
    const { dataOffset, dataBytes, role, whole } = member;
    return role !== undefined && whole && dataBytes > 0 && dataOffset + dataBytes <= disk.size;
  });
  if (part === undefined) return { ...array, why: 'none of its devices holds all of it' };
  return { ...array, disk: slice(part.disk, part.member.dataOffset, part.member.dataBytes) };
}
