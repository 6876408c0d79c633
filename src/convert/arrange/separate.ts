/**
 * One disk as several: each group of partitions on a disk of its own, with a table of the same kind. The first keeps
 * the boot code, and its partitions their places. Pure.
 */
import { gptTypes } from '../../guest/partitions/type-names.ts';
import type { Finding } from '../../model/finding.ts';
import { groupsInWords } from '../../model/partition-groups.ts';
import type { PartitionGroups } from '../../model/plan.ts';
import { bsdSlice, driveLetter } from './combine.ts';
import {
  type Arrangement,
  type Move,
  type NewDisk,
  type Part,
  partInWords,
  refusal,
  type TableLayout,
} from './layout.ts';
import { makeDisk } from './make-disk.ts';
import { isBsdSlice } from './types.ts';

export function separate(table: TableLayout, groups: PartitionGroups, name: string): Arrangement {
  const refused = refusals(table, groups, name);
  if (refused.length > 0) return { disks: [], moves: [], findings: refused };
  const disks: NewDisk[] = [];
  const moves: Move[] = [];
  const findings: Finding[] = [];
  for (const [number, group] of groups.entries()) {
    const parts = table.parts.filter((part) => group.includes(part.number));
    const { sectorSize } = table;
    const task =
      number === 0
        ? { number, sectorSize, base: table, own: parts, moved: [] }
        : { number, sectorSize, own: [], moved: parts, keepNumbers: true };
    const made = makeDisk(table.kind === 'gpt' ? 'gpt' : 'mbr', task);
    if (typeof made === 'string') {
      const remedy = 'put them together in another way';
      findings.push(refusal('not-separated', `disk ${number + 1} can't be made: ${made}`, { remedy }));
      continue;
    }
    disks.push(made.disk);
    moves.push(...made.moves);
    if (number > 0) findings.push(...parts.flatMap((part) => movedFindings(part, name)));
  }
  return { disks: findings.some(({ severity }) => severity === 'blocker') ? [] : disks, moves, findings };
}

function refusals({ kind, parts }: TableLayout, groups: PartitionGroups, name: string): Finding[] {
  if (kind === 'none')
    return [
      refusal('nothing-to-separate', 'the disk has no partition table', { evidence: name, remedy: asItIs }),
    ];
  const wanted = groups.flat();
  const there = parts.map(({ number }) => number);
  const unknown = wanted.filter((number) => !there.includes(number));
  const missing = there.filter((number) => !wanted.includes(number));
  if (unknown.length > 0 || missing.length > 0 || wanted.length > there.length) {
    const message = `the groups do not fit: the disk has the partitions ${there.join(', ')}, each is to be named once`;
    return [
      refusal('groups-do-not-fit', message, { evidence: groupsInWords(groups), remedy: 'name each once' }),
    ];
  }
  return parts
    .filter(({ number, type }) => isBsdSlice(type) && !groups[0]!.includes(number))
    .map((part) => bsdSlice(part, [name]));
}

const asItIs = 'carry the disk as it is';

/** What starts a machine does not do so from another disk than the first. */
const starts: ReadonlySet<string> = new Set([
  ...[gptTypes.efiSystem, gptTypes.biosBoot, '9e1a2d38-c612-4316-aa26-8b49521e5a8b'],
  ...['0xef', '0x41'],
]);

function movedFindings(part: Part, name: string): Finding[] {
  const evidence = partInWords(part, [name]);
  const found: Finding[] = part.kind === 'ntfs' ? [driveLetter(evidence)] : [];
  if (!starts.has(part.type) && !part.active) return found;
  return [
    ...found,
    {
      rule: 'disks.start-moved',
      severity: 'warning',
      message: 'a partition that the machine is started from goes to another disk than the first',
      evidence,
      remedy: 'put it into the first group',
    },
  ];
}
