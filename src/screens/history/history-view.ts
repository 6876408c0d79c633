/** Rows of the history: pure. */
import { formatBytes } from '../../model/units.ts';
import type { HistorySummary, ResumableRun } from '../../state/state.ts';
import type { Tone } from '../widgets/terminal.ts';

/** `2026-03-01 12:00`, in the time zone of this computer. */
export function dateText(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** `12:00:05` */
export const timeText = (at: number): string => {
  const seconds = String(new Date(at).getSeconds()).padStart(2, '0');
  return `${dateText(at).slice(11)}:${seconds}`;
};

export const newestFirst = (entries: readonly HistorySummary[]): HistorySummary[] =>
  [...entries].sort((a, b) => b.startedAt - a.startedAt);

export const outcomeTone: Record<HistorySummary['outcome'], Tone> = {
  done: 'ok',
  failed: 'error',
  cancelled: 'warn',
  interrupted: 'warn',
  running: 'accent',
  unknown: 'warn',
};

export type OutcomeFilter = HistorySummary['outcome'] | 'all';

const outcomes: readonly OutcomeFilter[] = ['all', 'done', 'failed', 'cancelled', 'interrupted'];

/** The next one at each press of a key. */
export const nextOutcome = (now: OutcomeFilter): OutcomeFilter =>
  outcomes[(outcomes.indexOf(now) + 1) % outcomes.length]!;

export const emptyText = (outcome: OutcomeFilter): string =>
  outcome === 'all' ? 'nothing has been converted yet' : `no conversion is ${outcome}; o shows others`;

/** What the filter of the list looks at. */
export const searched = ({ title, outcome, startedAt, places, about, failure }: HistorySummary): string =>
  [
    ...[title, outcome, dateText(startedAt), ...places],
    ...(about === undefined ? [] : [about.machine, about.source.name, about.source.machine]),
    ...(about === undefined ? [] : [about.destination.name]),
    ...(failure === undefined ? [] : [failure.message]),
  ].join(' ');

/** `left`: how many of them have left something at their destination that could be gone on with. */
export function removeText(of: readonly HistorySummary[], left: number): string {
  const [first, ...others] = of;
  const what =
    others.length === 0
      ? `"${first!.title}" of ${dateText(first!.startedAt)}`
      : `these ${of.length} conversions`;
  const made = `What ${others.length === 0 ? 'it' : 'they'} made stays where it is.`;
  const cut = `${others.length === 0 ? 'It' : left === 1 ? 'One of them' : `${left} of them`} could be gone on with, or what was written be removed: no more then.`;
  return `Remove ${what} from the history? ${made}${left === 0 ? '' : ` ${cut}`}`;
}

/** Offered in the form of an export. */
export const exportPath = (folder: string, ids: readonly string[]): string =>
  `${folder.replace(/\/$/, '')}/vmferry-${ids.length === 1 ? ids[0] : 'history'}.md`;

export function formatOfPath(path: string): 'markdown' | 'json' | undefined {
  const name = path.trim().toLowerCase();
  if (name.endsWith('.json')) return 'json';
  return /\.(md|markdown)$/.test(name) ? 'markdown' : undefined;
}

/** Of a run that was cut: what is there, and what of its disks is still to be looked through. */
export function leftText({ bytes, disks }: ResumableRun): string {
  const left = disks.reduce((sum, { sizeBytes, doneBelow }) => sum + sizeBytes - doneBelow, 0);
  return `Can be gone on with: ${formatBytes(bytes)} are there, ${formatBytes(left)} of its disks to look through`;
}
