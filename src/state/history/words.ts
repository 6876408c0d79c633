/** What a journal tells in words, the same on the screen, on the command line and in a report. */
import { formatBytes, formatDuration } from '../../model/units.ts';
import type { HistoryEntry } from '../state.ts';
import type { RecordedDisk } from './record.ts';

/** `by op on jump, with vmferry 0.1.0`; empty where the journal does not say. */
export function byText({ program, user, host }: HistoryEntry): string {
  const who = [...(user === undefined ? [] : [`by ${user}`]), ...(host === undefined ? [] : [`on ${host}`])];
  const parts = [
    ...(who.length === 0 ? [] : [who.join(' ')]),
    ...(program === undefined ? [] : [`with vmferry ${program}`]),
  ];
  return parts.join(', ');
}

export function diskText(disk: RecordedDisk): string {
  const { name, sizeBytes, bytesRead, seconds, whole, verifiedSeconds } = disk;
  const size = sizeBytes === undefined ? '' : `, ${formatBytes(sizeBytes)}`;
  const read = bytesRead === undefined ? '' : `, ${formatBytes(bytesRead)} read`;
  const time = seconds === undefined ? '' : ` in ${formatDuration(seconds)}`;
  const same =
    verifiedSeconds === undefined ? '' : `, read back in ${formatDuration(verifiedSeconds)}: the same`;
  return `${name}${size}${read}${time}${whole === false ? ', not to its end' : ''}${same}`;
}

/** Empty where it began by itself. */
export const partsText = ({ partsOf }: HistoryEntry): string[] =>
  partsOf === undefined ? [] : [`goes on with what ${partsOf} began`];

/** A disk by its name, where the journal knows it. */
export const diskName = ({ disks }: HistoryEntry, id: string): string =>
  disks.find((disk) => disk.id === id)?.name ?? id;

export const digestTexts = (entry: HistoryEntry): string[] =>
  entry.digests.map(({ disk, algorithm, value }) => `${diskName(entry, disk)}: ${algorithm} ${value}`);

/** What is not known, and why. */
export function conditionTexts({ newer, journal, logLeftOut, planProblem }: HistoryEntry): string[] {
  const { truncated, damagedLines } = journal;
  return [
    ...(planProblem === undefined ? [] : [`it can not be run again: ${planProblem}`]),
    ...(newer === undefined
      ? []
      : [`its journal is of version ${newer}, newer than this vmferry: not all of it may be shown`]),
    ...(truncated ? ['its journal is longer than what is read: events at its end are missing here'] : []),
    ...(damagedLines === 0 ? [] : [`lines of its journal that could not be read: ${damagedLines}`]),
    ...(logLeftOut === 0
      ? []
      : [`lines of the log that were not kept, as there were too many: ${logLeftOut}`]),
  ];
}
