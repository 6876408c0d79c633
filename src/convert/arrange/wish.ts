/** From the wish to combine or separate to the disks that a plan has then. Pure. */
import { AppError } from '../../model/errors.ts';
import type { GuestReport } from '../../model/guest-report.ts';
import type { MachineDisk } from '../../model/machine.ts';
import { groupsInWords } from '../../model/partition-groups.ts';
import type { Arrange, ArrangeWish, PartitionGroups } from '../../model/plan.ts';
import { defaultGroups } from './default-groups.ts';

export interface WishedDisks {
  /** As the machine has them then. */
  readonly disks: readonly MachineDisk[];
  readonly arrange?: Arrange;
}

/** `disks`: those that go along. `reports`: what is known of their insides. @throws AppError `usage`. */
export function wishedDisks(
  wish: ArrangeWish | undefined,
  disks: readonly MachineDisk[],
  reports: Readonly<Record<string, GuestReport>>,
): WishedDisks {
  if (wish === undefined) return { disks };
  const [first, ...others] = disks;
  if (first === undefined) return { disks };
  if (wish.kind === 'combine') {
    if (others.length === 0) throw new AppError('usage', 'there is one disk only: nothing is to be combined');
    return { disks: [newDisk(first, disks, 'combined')], arrange: { kind: 'combine', disks } };
  }
  if (others.length > 0) {
    throw new AppError('usage', `one disk can be separated, and ${disks.length} go along`, {
      hint: 'leave the others behind',
    });
  }
  const groups = wish.groups ?? groupsFor(first, reports[first.id]);
  const made = groups.map((group, i) => newDisk(first, disks, `partition ${group.join(' and ')}`, i));
  return { disks: made, arrange: { kind: 'separate', disks, groups } };
}

/** Sizes and formats are those of other disks then, serials and places are the first one's. */
function newDisk(first: MachineDisk, from: readonly MachineDisk[], what: string, number = 0): MachineDisk {
  const { virtualSizeBytes: _v, allocatedSizeBytes: _a, format: _f, packed: _p, serial, ...rest } = first;
  const files = [...new Set(from.flatMap((disk) => disk.files))];
  const made = { ...rest, id: `${first.id}#${number + 1}`, name: `${first.name} (${what})`, files };
  if (number === 0) return { ...made, ...(serial === undefined ? {} : { serial }) };
  const { unit = 0, bootOrder: _b, bootable: _is, ...other } = made;
  return { ...other, unit: unit + number };
}

function groupsFor(disk: MachineDisk, report: GuestReport | undefined): PartitionGroups {
  if (report === undefined) {
    throw new AppError('usage', 'what partitions the disk has is not known yet', {
      where: disk.name,
      hint: 'say which go together, such as --separate-disks=1+2,3, or look into the machine first',
    });
  }
  const groups = defaultGroups(report);
  if (groups.length > 1) return groups;
  throw new AppError('usage', 'the disk has nothing that could go to a disk of its own', {
    where: disk.name,
    hint: 'what starts the machine stays together; say which partitions go together, such as 1+2,3',
  });
}

export function arrangeInWords(arrange: Arrange): string {
  const names = arrange.disks.map(({ name }) => name).join(', ');
  return arrange.kind === 'combine'
    ? `combined of ${names}`
    : `separated from ${names}, partitions ${groupsInWords(arrange.groups)}`;
}
