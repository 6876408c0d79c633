/** One earlier conversion in words. */
import { describeFailure } from '../model/errors.ts';
import { describeLeftover } from '../model/leftover.ts';
import { formatBytes, formatDuration } from '../model/units.ts';
import { byText, conditionTexts, digestTexts, diskText, partsText } from '../state/history/words.ts';
import type { HistoryEntry } from '../state/state.ts';
import { changeLines } from './guest-options.ts';
import { findingLine } from './output.ts';

export const when = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

export function describeEntry(entry: HistoryEntry): string[] {
  const { about, failure, bytesWritten } = entry;
  const by = byText(entry);
  const rate = entry.seconds > 0 ? `, ${formatBytes(Math.round(entry.bytes / entry.seconds))}/s` : '';
  const written = bytesWritten === undefined ? '' : `, ${formatBytes(bytesWritten)} written`;
  return [
    entry.title,
    `  ${when(entry.startedAt)} UTC, ${entry.outcome}, ${formatBytes(entry.bytes)} in ${formatDuration(entry.seconds)}${rate}${written}`,
    ...(about === undefined ? [] : [`  from ${about.source.name}, to ${about.destination.name}`]),
    ...(by === '' ? [] : [`  ${by}`]),
    ...indented(partsText(entry)),
    ...entry.places.map((place) => `  ${place}`),
    ...(failure === undefined ? [] : [`  ${describeFailure(failure)}`]),
    ...entry.leftovers.map((left) => `  ${describeLeftover(left)}`),
    ...conditionTexts(entry).map((text) => `  ${text}`),
    ...part('disks:', indented(entry.disks.map(diskText))),
    ...part('digests:', indented(digestTexts(entry))),
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

const indented = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);
