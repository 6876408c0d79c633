/** A group of LVM2 as its text tells it: physical volumes, logical volumes, segments. Pure; every number checked. */
import { AppError } from '../../model/errors.ts';
import { plainText } from '../text.ts';
import type { Section } from './metadata-text.ts';

const sectorBytes = 512;

export interface GroupMember {
  readonly uuid: string;
  readonly startBytes: number;
  /** LVM2 no longer trusts what is on it, also where it has come back. */
  readonly missing: boolean;
}

export interface Segment {
  readonly start: number;
  readonly extents: number;
  /** With what LVM2 appends to it: `cache-pool+METADATA_FORMAT`. */
  readonly type: string;
  readonly section: Section;
}

export interface LogicalVolume {
  readonly name: string;
  readonly uuid: string;
  readonly visible: boolean;
  readonly extents: number;
  readonly segments: readonly Segment[];
}

export interface Group {
  readonly name: string;
  readonly uuid: string;
  readonly sequence: number;
  readonly extentBytes: number;
  readonly members: ReadonlyMap<string, GroupMember>;
  readonly volumes: ReadonlyMap<string, LogicalVolume>;
}

/** @throws AppError `corrupt`; `unsupported` for another format than LVM2's own. */
export function groupOf(root: Section): Group {
  const found = [...root.sections].find(([, section]) => section.sections.has('physical_volumes'));
  if (found === undefined) throw new AppError('corrupt', 'LVM2 metadata names no group');
  const [name, group] = found;
  const format = group.values.get('format') ?? 'lvm2';
  if (format !== 'lvm2') throw new AppError('unsupported', `LVM format "${plainText(String(format), 40)}"`);
  const each = <T>(key: string, make: (name: string, section: Section) => T) =>
    new Map([...(group.sections.get(key)?.sections ?? [])].map(([n, s]) => [n, make(n, s)]));
  return {
    name: plainText(name, 128),
    uuid: textIn(group, 'id'),
    sequence: numberIn(group, 'seqno'),
    extentBytes: atLeast(1, numberIn(group, 'extent_size'), 'extent_size') * sectorBytes,
    members: each('physical_volumes', (_, section) => ({
      uuid: textIn(section, 'id'),
      startBytes: numberIn(section, 'pe_start') * sectorBytes,
      missing: listIn(section, 'flags').includes('MISSING'),
    })),
    volumes: each('logical_volumes', volumeOf),
  };
}

function volumeOf(name: string, section: Section): LogicalVolume {
  const segments = [...section.sections]
    .filter(([key]) => /^segment\d+$/.test(key))
    .map(([, s]) => ({
      start: numberIn(s, 'start_extent'),
      extents: numberIn(s, 'extent_count'),
      type: textIn(s, 'type'),
      section: s,
    }))
    .toSorted((a, b) => a.start - b.start);
  let extents = 0;
  for (const segment of segments) {
    if (segment.start !== extents || segment.extents === 0)
      throw new AppError(
        'corrupt',
        `LVM2 volume ${plainText(name, 128)}: its segments leave gaps or overlap`,
      );
    extents += segment.extents;
  }
  return {
    name: plainText(name, 128),
    uuid: textIn(section, 'id'),
    visible: listIn(section, 'status').includes('VISIBLE'),
    extents,
    segments,
  };
}

/** @throws AppError `corrupt` where it is not a whole number from 0 to 2^53. */
export function numberIn(section: Section, key: string): number {
  const value = section.values.get(key);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new AppError('corrupt', `LVM2 metadata: ${key} is ${value === undefined ? 'missing' : 'no number'}`);
}

function atLeast(least: number, value: number, key: string): number {
  if (value >= least) return value;
  throw new AppError('corrupt', `LVM2 metadata: ${key} is ${value}`);
}

export function textIn(section: Section, key: string): string {
  const value = section.values.get(key);
  if (typeof value === 'string') return value;
  throw new AppError('corrupt', `LVM2 metadata: ${key} is ${value === undefined ? 'missing' : 'no text'}`);
}

export function listIn(section: Section, key: string): readonly (string | number)[] {
  const value = section.values.get(key) ?? [];
  return Array.isArray(value) ? (value as (string | number)[]) : [value as string | number];
}
