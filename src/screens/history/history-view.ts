/** Rows and lines of the history: pure. */
import { describeFailure } from '../../model/errors.ts';
import { optionsInWords } from '../../model/options.ts';
import type { Plan } from '../../model/plan.ts';
import type { Catalog, HistoryEntry, HistorySummary } from '../../state/state.ts';
import { changeLines } from '../configuration/changes-view.ts';
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

export function entryLines(entry: HistoryEntry, catalog: Catalog): PaneLine[] {
  const read = speedText(entry.bytes, entry.seconds);
  return [
    {
      text: `${entry.outcome}, started ${dateText(entry.startedAt)}, ${read}`,
      tone: outcomeTone[entry.outcome],
    },
    ...(entry.failure === undefined
      ? []
      : [{ text: describeFailure(entry.failure), tone: 'error' as const }]),
    ...heading('Result', entry.places),
    ...(entry.plan === undefined ? [] : heading('Plan', planTexts(entry.plan, catalog))),
    ...entry.changes.flatMap((change, i) => [
      { text: '' },
      ...(i === 0 ? [{ text: 'Changed inside the guest', tone: 'title' as const }] : []),
      ...changeLines(change),
    ]),
    ...heading(
      'Log',
      entry.log.map(
        (line) => `${timeText(line.at)} ${line.level === 'info' ? '' : `${line.level}: `}${line.text}`,
      ),
    ),
  ];
}

const heading = (title: string, texts: readonly string[]): PaneLine[] =>
  texts.length === 0
    ? []
    : [
        { text: '' },
        { text: title, tone: 'title' },
        ...texts.map((text) => ({ text: `  ${text}`, hang: 4 })),
      ];

/** The plan in words. Settings of an environment are shown, secrets are not in a plan. */
export function planTexts(plan: Plan, catalog: Catalog): string[] {
  const { source, destination, machine } = plan;
  const environment = (id: string) => catalog.environments.find((e) => e.id === id)?.label ?? id;
  const product = catalog.products.find((p) => p.id === destination.product)?.label ?? destination.product;
  const format = catalog.formats.find((f) => f.id === destination.format);
  const options = optionsInWords(format?.options ?? [], destination.options);
  const settings = Object.entries(destination.settings).map(([key, value]) => `${key} ${value}`);
  const packaged = destination.container === 'disks' ? '' : `${destination.container.toUpperCase()} with `;
  return [
    `from ${environment(source.environment)}: ${source.machine}`,
    `machine ${machine.name}, ${machine.disks.length} ${machine.disks.length === 1 ? 'disk' : 'disks'}`,
    `to ${environment(destination.environment)}${settings.length === 0 ? '' : ` (${settings.join(', ')})`} for ${product}`,
    `as ${packaged}${format?.label ?? destination.format}${options === '' ? '' : `: ${options}`}`,
    ...(plan.force ? ['what has the same name is replaced'] : []),
  ];
}
