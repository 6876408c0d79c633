/** One earlier conversion in words. */
import { describeFailure } from '../model/errors.ts';
import { describeLeftover } from '../model/leftover.ts';
import { formatBytes, formatDuration } from '../model/units.ts';
import type { RecordedDisk } from '../state/history/record.ts';
import type { HistoryEntry } from '../state/state.ts';
import { changeLines } from './guest-options.ts';
import { findingLine } from './output.ts';

export const when = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

export function describeEntry(entry: HistoryEntry): string[] {
  const { about, failure, planProblem, bytesWritten } = entry;
  const rate = entry.seconds > 0 ? `, ${formatBytes(Math.round(entry.bytes / entry.seconds))}/s` : '';
  const written = bytesWritten === undefined ? '' : `, ${formatBytes(bytesWritten)} written`;
  return [
    entry.title,
    `  ${when(entry.startedAt)} UTC, ${entry.outcome}, ${formatBytes(entry.bytes)} in ${formatDuration(entry.seconds)}${rate}${written}`,
    ...(about === undefined ? [] : [`  from ${about.source.name}, to ${about.destination.name}`]),
    ...byLine(entry),
    ...entry.places.map((place) => `  ${place}`),
    ...(failure === undefined ? [] : [`  ${describeFailure(failure)}`]),
    ...entry.leftovers.map((left) => `  left behind: ${describeLeftover(left)}`),
    ...(planProblem === undefined ? [] : [`  it can not be run again: ${planProblem}`]),
    ...conditionLines(entry),
    ...part('disks:', entry.disks.map(diskLine)),
    ...part(
      'digests:',
      entry.digests.map(({ disk, algorithm, value }) => `  ${disk}: ${algorithm} ${value}`),
    ),
    ...part(
      'findings:',
      entry.findings.map((finding) => `  ${findingLine(finding)}`),
    ),
    ...part('changed inside the guest:', entry.changes.flatMap(changeLines)),
    ...part(
      'log:',
      entry.log.map(
        (line) =>
          `  ${new Date(line.at).toISOString().slice(11, 19)} ${line.level === 'info' ? '' : `${line.level}: `}${line.text}`,
      ),
    ),
  ];
}

const part = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [title, ...lines];

function byLine({ program, user, host }: HistoryEntry): string[] {
  const parts = [
    ...(user === undefined ? [] : [`by ${user}`]),
    ...(host === undefined ? [] : [`on ${host}`]),
    ...(program === undefined ? [] : [`with vmferry ${program}`]),
  ];
  return parts.length === 0 ? [] : [`  ${parts.join(' ')}`];
}

function conditionLines({ newer, journal }: HistoryEntry): string[] {
  return [
    ...(newer === undefined
      ? []
      : [`  its journal is of version ${newer}, newer than this vmferry: not all of it may be shown`]),
    ...(journal.truncated ? ['  its journal is too long to be read whole: the end is not shown'] : []),
    ...(journal.damagedLines > 0 ? [`  lines of its journal that are damaged: ${journal.damagedLines}`] : []),
  ];
}

function diskLine({ name, sizeBytes, bytesRead, seconds, whole }: RecordedDisk): string {
  const size = sizeBytes === undefined ? '' : `, ${formatBytes(sizeBytes)}`;
  const read = bytesRead === undefined ? '' : `, ${formatBytes(bytesRead)} read`;
  const time = seconds === undefined ? '' : ` in ${formatDuration(seconds)}`;
  return `  ${name}${size}${read}${time}${whole === false ? ', not to its end' : ''}`;
}
