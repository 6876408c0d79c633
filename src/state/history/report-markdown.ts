/** A run as a page for people: what an operator hands to whoever wants to know what was done. */
import type { Failure } from '../../model/errors.ts';
import { findingText } from '../../model/finding.ts';
import { formatBytes, formatDuration } from '../../model/units.ts';
import type { HistoryEntry, HistorySummary } from '../state.ts';
import { escaped, fenced, table } from './markdown.ts';
import { type Rate, rateOf, stretches, warningsOf } from './report.ts';
import { conditionTexts, diskName } from './words.ts';

/** Of a long log the beginning and the end are shown. */
const LOG_HEAD = 20;
const LOG_TAIL = 60;
/** Files of one change; its diffs are in the JSON report. */
const MOST_FILES = 30;

export function markdownOf(entry: HistoryEntry): string {
  const sections = [
    [`# ${escaped(entry.title)}`],
    table(['What', ''], facts(entry)),
    section(
      'Result',
      entry.places.map((place) => `- ${escaped(place)}`),
    ),
    section('Failure', entry.failure === undefined ? [] : failureLines(entry.failure)),
    section('Disks', diskTable(entry)),
    section('Digests', digestTable(entry)),
    section('Findings of the check', findingTable(entry)),
    section('Changed inside the guest', changeTable(entry)),
    section('Passes while it ran', passTable(entry)),
    section('Rate', rateLines(entry)),
    section('Left behind', leftoverTable(entry)),
    section(
      'Warnings',
      warningsOf(entry).map((text) => `- ${escaped(text)}`),
    ),
    section('Plan', planLines(entry)),
    section('Log (UTC)', logLines(entry)),
    section(
      'What is not known',
      conditionTexts(entry).map((text) => `- ${escaped(text)}`),
    ),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`;
}

/** The heading of a report of several, with a line each; the reports follow. */
export function overviewOf(runs: readonly HistorySummary[]): string {
  const rows = runs.map((run) => [
    ...[run.id, dateText(run.startedAt), run.outcome, run.title],
    ...[formatBytes(run.bytes), formatDuration(run.seconds)],
  ]);
  const counted = runs.length === 1 ? '1 conversion' : `${runs.length} conversions`;
  const head = ['Id', 'Started (UTC)', 'Outcome', 'What', 'Read', 'Time'];
  return `${[`# ${counted}`, '', ...(rows.length === 0 ? [] : table(head, rows))].join('\n')}\n`;
}

/** `2026-11-23 14:05:09`, UTC. */
const dateText = (at: number): string => new Date(at).toISOString().slice(0, 19).replace('T', ' ');

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`## ${title}`, '', ...lines];

function facts(entry: HistoryEntry): string[][] {
  const { about, bytes, bytesWritten, seconds, program, user, host } = entry;
  const rate = rateOf(bytes, seconds);
  const of = (name: string, text: string | undefined) => (text === undefined ? [] : [[name, text]]);
  const place = ({ name, environment }: { name: string; environment: string }) =>
    name === environment ? name : `${name} (${environment})`;
  const by = [user, host].filter((part) => part !== undefined).join(' on ');
  return [
    ['Outcome', entry.outcome],
    ['Id', entry.id],
    ...of('Goes on with', entry.partsOf),
    ['Started', `${dateText(entry.startedAt)} UTC`],
    ...of('Ended', entry.endedAt === undefined ? undefined : `${dateText(entry.endedAt)} UTC`),
    ['Time', formatDuration(seconds)],
    ...of('Machine', about?.machine ?? entry.plan?.machine.name),
    ...of('From', about && `${place(about.source)}: ${about.source.machine}`),
    ...of('To', about && place(about.destination)),
    ...of('As', about && asText(about.destination)),
    ['Read', formatBytes(bytes)],
    ...of('Written', bytesWritten === undefined ? undefined : formatBytes(bytesWritten)),
    ...of('Rate', rate === undefined ? undefined : `${formatBytes(rate)}/s on average`),
    ...of('Started there', entry.started),
    ...of('Run by', by === '' ? undefined : by),
    ...of('With', program === undefined ? undefined : `vmferry ${program}`),
  ];
}

const asText = ({ product, container, format }: { product: string; container: string; format: string }) =>
  `${container === 'disks' ? format : `${container.toUpperCase()} with ${format}`}, for ${product}`;

const failureLines = ({ kind, message, where, hint }: Failure): string[] => [
  `- ${escaped(message)} (${escaped(kind)})`,
  ...(where === undefined ? [] : [`- where: ${escaped(where)}`]),
  ...(hint === undefined ? [] : [`- what helps: ${escaped(hint)}`]),
];

function diskTable({ disks }: HistoryEntry): string[] {
  if (disks.length === 0) return [];
  const bytes = (value: number | undefined) => (value === undefined ? '' : formatBytes(value));
  const rows = disks.map((disk) => {
    const { name, sizeBytes, allocatedBytes, bytesRead, seconds, whole, verifiedSeconds } = disk;
    const rate = rateOf(bytesRead ?? 0, seconds ?? 0);
    return [
      ...[name, bytes(sizeBytes), bytes(allocatedBytes)],
      `${bytes(bytesRead)}${whole === false ? ', not to its end' : ''}`,
      seconds === undefined ? '' : formatDuration(seconds),
      rate === undefined ? '' : `${formatBytes(rate)}/s`,
      verifiedSeconds === undefined ? 'no' : `the same, in ${formatDuration(verifiedSeconds)}`,
    ];
  });
  return table(['Disk', 'Size', 'Allocated', 'Read', 'Time', 'Rate', 'Read back'], rows);
}

function digestTable(entry: HistoryEntry): string[] {
  if (entry.digests.length === 0) return [];
  const rows = entry.digests.map(({ disk, algorithm, value }) => [diskName(entry, disk), algorithm, value]);
  return table(['Disk', 'Algorithm', 'Digest'], rows);
}

function findingTable({ findings }: HistoryEntry): string[] {
  if (findings.length === 0) return [];
  const rows = findings.map((found) => [found.severity, findingText(found), found.remedy ?? '', found.rule]);
  return table(['Severity', 'What', 'What helps', 'Rule'], rows);
}

function changeTable({ changes }: HistoryEntry): string[] {
  if (changes.length === 0) return [];
  const rows = changes.map(({ id, title, reason, need, files }) => {
    const shown = files.slice(0, MOST_FILES).map(({ path, kind }) => `${path} (${kind})`);
    const more = files.length - shown.length;
    return [title, reason, need, [...shown, ...(more > 0 ? [`and ${more} more`] : [])].join(', '), id];
  });
  return table(['Change', 'Why', 'Need', 'Files', 'Name'], rows);
}

function passTable({ passes }: HistoryEntry): string[] {
  if (passes.length === 0) return [];
  const rows = passes.map(({ number, last, bytesRead, bytesChanged, seconds }) => [
    `${number}${last ? ', the machine was off' : ''}`,
    ...[formatBytes(bytesRead), formatBytes(bytesChanged), formatDuration(seconds)],
  ]);
  return table(['Pass', 'Read', 'Changed', 'Time'], rows);
}

const BARS = '▁▂▃▄▅▆▇█';
const MOST_BARS = 60;

function rateLines({ points }: HistoryEntry): string[] {
  const rates = stretches(points);
  if (rates.length < 2) return [];
  const bars = thinned(rates);
  const most = Math.max(...bars.map(({ bytesPerSecond }) => bytesPerSecond));
  const bar = (rate: number) => BARS[most === 0 ? 0 : Math.round((rate / most) * (BARS.length - 1))]!;
  const sorted = rates.map(({ bytesPerSecond }) => bytesPerSecond).sort((a, b) => a - b);
  const text = (rate: number) => `${formatBytes(rate)}/s`;
  const [low, middle, high] = [sorted[0]!, sorted[Math.floor(sorted.length / 2)]!, sorted.at(-1)!];
  return [
    ...fenced([bars.map(({ bytesPerSecond }) => bar(bytesPerSecond)).join('')]),
    '',
    `Lowest ${text(low)}, middle ${text(middle)}, highest ${text(high)}; from ${dateText(points[0]!.at)} to ${dateText(rates.at(-1)!.at)} UTC.`,
  ];
}

/** Neighbours together, so that a line holds them: by the time they took. */
function thinned(rates: readonly Rate[]): Rate[] {
  const each = Math.ceil(rates.length / MOST_BARS);
  const out: Rate[] = [];
  for (let from = 0; from < rates.length; from += each) {
    const some = rates.slice(from, from + each);
    const seconds = some.reduce((sum, rate) => sum + rate.seconds, 0);
    const bytes = some.reduce((sum, rate) => sum + rate.bytesPerSecond * rate.seconds, 0);
    out.push({ ...some.at(-1)!, seconds, bytesPerSecond: Math.round(bytes / seconds) });
  }
  return out;
}

function leftoverTable({ leftovers }: HistoryEntry): string[] {
  if (leftovers.length === 0) return [];
  return table(
    ['What', 'What removes it'],
    leftovers.map(({ what, command }) => [what, command ?? '']),
  );
}

const planLines = ({ planText }: HistoryEntry): string[] =>
  planText.map((line) => `${line.startsWith('  ') ? '  ' : ''}- ${escaped(line)}`);

function logLines({ log }: HistoryEntry): string[] {
  if (log.length === 0) return [];
  const lines = log.map(({ at, level, text }) => {
    const time = new Date(at).toISOString().slice(11, 19);
    return `${time} ${level === 'info' ? '' : `${level}: `}${text}`;
  });
  const cut = lines.length - LOG_HEAD - LOG_TAIL;
  const shown =
    cut <= 0
      ? lines
      : [...lines.slice(0, LOG_HEAD), `… ${cut} lines more, in the JSON report …`, ...lines.slice(-LOG_TAIL)];
  return fenced(shown);
}
