/** Rows and lines of the history: pure. */
import { describeFailure } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { HistoryEntry, HistorySummary } from '../../state/state.ts';
import { speedText } from '../speed.ts';
import type { Tone } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

/** `2026-03-01 12:00`, in the time zone of this computer. */
export function dateText(at: number): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

export const newestFirst = (entries: readonly HistorySummary[]): HistorySummary[] =>
  [...entries].sort((a, b) => b.startedAt - a.startedAt);

export const outcomeTone: Record<HistorySummary['outcome'], Tone> = {
  done: 'ok',
  failed: 'error',
  cancelled: 'warn',
  interrupted: 'warn',
  running: 'accent',
};

export function entryLines(entry: HistoryEntry): PaneLine[] {
  const read = speedText(entry.bytes, entry.seconds);
  return [
    { text: entry.title, tone: 'title' },
    {
      text: `${entry.outcome}, started ${dateText(entry.startedAt)}, ${read}`,
      tone: outcomeTone[entry.outcome],
    },
    ...(entry.failure === undefined
      ? []
      : [{ text: describeFailure(entry.failure), tone: 'error' as const }]),
    ...heading('Result', entry.places),
    ...(entry.plan === undefined ? [] : heading('Plan', planTexts(entry.plan))),
    ...heading(
      'Log',
      entry.log.map(
        (line) =>
          `${dateText(line.at).slice(11)} ${line.level === 'info' ? '' : `${line.level}: `}${line.text}`,
      ),
    ),
  ];
}

const heading = (title: string, texts: readonly string[]): PaneLine[] =>
  texts.length === 0
    ? []
    : [{ text: '' }, { text: title, tone: 'title' }, ...texts.map((text) => ({ text: `  ${text}` }))];

/** The plan in words. Settings of an environment are shown, secrets are not in a plan. */
export function planTexts(plan: Plan): string[] {
  const { source, destination, machine } = plan;
  const options = Object.entries(destination.options).map(([key, value]) => `${key}=${value}`);
  const settings = Object.entries(destination.settings).map(([key, value]) => `${key} ${value}`);
  return [
    `from ${source.environment}: ${source.machine}`,
    `machine ${machine.name}, ${machine.disks.length} ${machine.disks.length === 1 ? 'disk' : 'disks'}`,
    `to ${destination.environment}${settings.length === 0 ? '' : ` (${settings.join(', ')})`} for ${destination.product}`,
    `as ${destination.container}, ${destination.format}${options.length === 0 ? '' : ` with ${options.join(', ')}`}`,
    ...(plan.force ? ['what has the same name is replaced'] : []),
  ];
}
