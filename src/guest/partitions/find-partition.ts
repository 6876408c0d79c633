/** One partition by its number. */
import { cached } from '../../io/cached.ts';
import { type Disk, slice } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { GuestPartition } from '../../model/guest-report.ts';
import type { Looking } from '../looking.ts';
import { recognise } from '../volumes/recognise.ts';
import { readTable } from './read-table.ts';
import { isExtended } from './type-names.ts';

/**
 * A partition of the disk, with at least one byte and inside it.
 * @throws AppError `not-found` telling which there are, `corrupt`, `unsupported`.
 */
export async function findPartition(
  disk: Disk,
  number: number,
  signal?: AbortSignal,
): Promise<GuestPartition> {
  const looking: Looking = { disk: cached(slice(disk, 0, disk.size)), signal, findings: [] };
  const { table, partitions } = await readTable(
    looking,
    async () => (await recognise(looking)) !== undefined,
  );
  const found = partitions.find((p) => p.number === number);
  if (found === undefined) {
    const message =
      table.kind === 'none' ? 'the disk has no partition table' : `there is no partition ${number}`;
    const known = partitions.map((p) => p.number).join(', ');
    throw new AppError('not-found', message, {
      hint: known === '' ? 'leave --partition out' : `there are: ${known}`,
    });
  }
  if (table.kind === 'mbr' && isExtended(Number(found.type))) {
    throw new AppError('unsupported', `partition ${number} is an extended one: it only holds others`, {
      hint: 'name one from 5 on',
    });
  }
  if (found.lengthBytes === 0 || found.startBytes + found.lengthBytes > disk.size) {
    const range = `${found.startBytes}+${found.lengthBytes}`;
    throw new AppError(
      'corrupt',
      `partition ${number} (${range}) is not inside the disk of ${disk.size} bytes`,
      { hint: 'the image is cut short, or the table is damaged' },
    );
  }
  return found;
}
