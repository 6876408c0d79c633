/** One conversion of the history, whole, as lines of a pane: pure. */
import { describeFailure } from '../../model/errors.ts';
import { describeLeftover } from '../../model/leftover.ts';
import { optionsInWords } from '../../model/options.ts';
import type { Plan } from '../../model/plan.ts';
import { byText, conditionTexts, digestTexts, diskText, partsText } from '../../state/history/words.ts';
import type { KeptState } from '../../state/kept.ts';
import type { Catalog, HistoryEntry } from '../../state/state.ts';
import { changeLines } from '../configuration/changes-view.ts';
import { findingLines } from '../finding-lines.ts';
import { speedText } from '../speed.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';
import { dateText, outcomeTone, timeText } from './history-view.ts';
import { keptBy, keptTexts } from './kept-view.ts';

export function entryLines(entry: HistoryEntry, catalog: Catalog, kept?: KeptState): PaneLine[] {
  const read = speedText(entry.bytes, entry.seconds);
  const by = byText(entry);
  return [
    {
      text: `${entry.outcome}, started ${dateText(entry.startedAt)}, ${read}`,
      tone: outcomeTone[entry.outcome],
    },
    ...(by === '' ? [] : [{ text: by, tone: 'dim' as const }]),
    ...partsText(entry).map((text) => ({ text })),
    ...(entry.failure === undefined
      ? []
      : [{ text: describeFailure(entry.failure), tone: 'error' as const }]),
    ...conditionTexts(entry).map((text) => ({ text, tone: 'warn' as const })),
    ...heading('Result', entry.places),
    ...heading('Kept copies (k removes them)', keptTexts(keptBy(entry.id, kept))),
    ...heading('Left behind', entry.leftovers.map(describeLeftover)),
    ...(entry.plan === undefined ? [] : heading('Plan', planTexts(entry.plan, catalog))),
    ...heading('Disks', entry.disks.map(diskText)),
    ...heading('Digests', digestTexts(entry)),
    ...(entry.findings.length === 0
      ? []
      : [{ text: '' }, { text: 'Findings', tone: 'title' as const }, ...findingLines(entry.findings)]),
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
