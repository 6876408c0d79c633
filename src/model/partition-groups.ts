/** Partitions that go to one disk together, as people write them: `1+2,3`. */
import { AppError } from './errors.ts';
import type { PartitionGroups } from './plan.ts';

export const groupsInWords = (groups: PartitionGroups): string =>
  groups.map((group) => group.join('+')).join(',');

/** @throws AppError `usage`. */
export function parseGroups(text: string): PartitionGroups {
  if (!/^\d{1,4}(?:[+,]\d{1,4})*$/.test(text.trim())) {
    throw new AppError('usage', `"${text}" says no groups of partitions`, {
      hint: 'write their numbers, joined by + where they go together: 1+2,3',
    });
  }
  return text
    .trim()
    .split(',')
    .map((group) => group.split('+').map(Number));
}
