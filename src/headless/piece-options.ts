/** The options that combine or separate disks. */
import type { Command } from 'commander';
import { AppError } from '../model/errors.ts';
import { parsePartSize, partMedia } from '../model/part-size.ts';
import { parseGroups } from '../model/partition-groups.ts';
import type { ArrangeWish } from '../model/plan.ts';

export interface PieceOptions {
  readonly combineDisks?: boolean;
  readonly separateDisks?: string | boolean;
  readonly split?: string;
}

export function withPieces(command: Command): Command {
  return command
    .option(
      '--split <size>',
      `cut each file into parts of this size: 4G, or ${Object.keys(partMedia).join(', ')}`,
    )
    .option('--combine-disks', 'all disks as one, with a partition table over all their partitions')
    .option(
      '--separate-disks [groups]',
      'partitions of the one disk as disks of their own, such as 1+2,3 (which go together)',
    );
}

/** @throws AppError `usage`. */
export const splitOf = ({ split }: PieceOptions): { splitBytes?: number } =>
  split === undefined ? {} : { splitBytes: parsePartSize(split) };

/** @throws AppError `usage`. */
export function arrangeOf({ combineDisks, separateDisks }: PieceOptions): ArrangeWish | undefined {
  if (combineDisks === true && separateDisks !== undefined)
    throw new AppError('usage', '--combine-disks and --separate-disks can not both be given');
  if (combineDisks === true) return { kind: 'combine' };
  if (separateDisks === undefined || separateDisks === false) return undefined;
  if (separateDisks === true) return { kind: 'separate' };
  return { kind: 'separate', groups: parseGroups(separateDisks) };
}
