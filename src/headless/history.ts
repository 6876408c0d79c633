/** `history`: earlier conversions. */
import { AppError, describeFailure } from '../model/errors.ts';
import { formatBytes, formatDuration } from '../model/units.ts';
import type { HistoryEntry, HistorySummary } from '../state/state.ts';
import type { CommonOptions } from './common-options.ts';
import { followRun } from './follow-run.ts';
import { changeLines } from './guest-options.ts';
import { type Output, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export interface HistoryOptions extends CommonOptions {
  readonly remove?: boolean;
  readonly rerun?: boolean;
  readonly force?: boolean;
}

export async function history(id: string | undefined, options: HistoryOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    if (id === undefined) {
      if (options.remove || options.rerun)
        throw new AppError('usage', 'which one is missing', { hint: 'give its id' });
      await dispatcher.perform({ type: 'history' });
      tellAll(dispatcher.getState().history, output);
      return 0;
    }
    if (options.remove) {
      await dispatcher.perform({ type: 'history-remove', id });
      return 0;
    }
    await dispatcher.perform({ type: 'history-open', id });
    const entry = dispatcher.getState().historyEntry!;
    if (options.rerun) {
      if (entry.plan === undefined)
        throw new AppError('corrupt', 'this run holds no plan that can be run again');
      return followRun(composed, [options.force ? { ...entry.plan, force: true } : entry.plan], output);
    }
    if (output.json) output.value(entry);
    else for (const line of describeEntry(entry)) output.line(line);
    return 0;
  });
}

function tellAll(entries: readonly HistorySummary[], output: Output): void {
  if (output.json) for (const entry of entries) output.value(entry);
  else if (entries.length === 0) output.remark('no conversion yet');
  else
    for (const line of table([['ID', 'WHEN', 'OUTCOME', 'READ', 'TIME', 'WHAT'], ...entries.map(entryRow)]))
      output.line(line);
}

const when = (at: number): string => new Date(at).toISOString().slice(0, 16).replace('T', ' ');

const entryRow = (e: HistorySummary): string[] => [
  e.id,
  when(e.startedAt),
  e.outcome,
  formatBytes(e.bytes),
  formatDuration(e.seconds),
  e.title,
];

function describeEntry(entry: HistoryEntry): string[] {
  const rate = entry.seconds > 0 ? `, ${formatBytes(Math.round(entry.bytes / entry.seconds))}/s` : '';
  return [
    entry.title,
    `  ${when(entry.startedAt)} UTC, ${entry.outcome}, ${formatBytes(entry.bytes)} in ${formatDuration(entry.seconds)}${rate}`,
    ...entry.places.map((place) => `  ${place}`),
    ...(entry.failure === undefined ? [] : [`  ${describeFailure(entry.failure)}`]),
    ...(entry.changes === undefined
      ? []
      : ['changed inside the guest:', ...entry.changes.flatMap(changeLines)]),
    ...entry.log.map(
      (line) =>
        `  ${new Date(line.at).toISOString().slice(11, 19)} ${line.level === 'info' ? '' : `${line.level}: `}${line.text}`,
    ),
  ];
}
