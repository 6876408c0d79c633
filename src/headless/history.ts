/** `history`: earlier conversions. */
import type { Composed } from '../compose.ts';
import { AppError } from '../model/errors.ts';
import { formatBytes, formatDuration } from '../model/units.ts';
import type { HistoryFilter } from '../state/history/filter.ts';
import type { HistorySummary } from '../state/state.ts';
import { followRun } from './follow-run.ts';
import { describeEntry, when } from './history-entry.ts';
import { filterOf, type HistoryOptions, reportFormat } from './history-options.ts';
import { type Output, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';
import { askOnTerminal } from './terminal-question.ts';

export async function history(ids: readonly string[], options: HistoryOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const filter = filterOf(options);
  refuseMixed(ids, filter, options);
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    if (options.export !== undefined) return exportTo(composed, ids[0], filter ?? {}, options, output);
    if (options.remove) return remove(composed, ids, filter, options, output);
    if (ids[0] === undefined) {
      await dispatcher.perform({ type: 'history', ...(filter === undefined ? {} : { filter }) });
      tellAll(dispatcher.getState().history, output, filter !== undefined);
      return 0;
    }
    await dispatcher.perform({ type: 'history-open', id: ids[0] });
    const entry = dispatcher.getState().historyEntry!;
    if (options.rerun) {
      if (entry.plan === undefined)
        throw new AppError('unsupported', `this run can not be run again: ${entry.planProblem}`, {
          where: entry.id,
          hint: 'make the plan anew',
        });
      return followRun(composed, [options.force ? { ...entry.plan, force: true } : entry.plan], output);
    }
    if (output.json) output.value(entry);
    else for (const line of describeEntry(entry)) output.line(line);
    return 0;
  });
}

/** @throws AppError `usage`. */
function refuseMixed(
  ids: readonly string[],
  filter: HistoryFilter | undefined,
  options: HistoryOptions,
): void {
  const wanted = (['remove', 'rerun', 'export'] as const).filter((key) => options[key] !== undefined);
  if (wanted.length > 1)
    throw new AppError('usage', `--${wanted[0]} and --${wanted[1]} can not both be given`);
  if (options.exportFormat !== undefined && options.export === undefined)
    throw new AppError('usage', '--export-format is for --export', { hint: 'say where to with --export' });
  if (ids.length > 0 && filter !== undefined)
    throw new AppError('usage', 'an id and a filter can not both be given', {
      hint: 'leave one of them out',
    });
  if (ids.length > 1 && !options.remove)
    throw new AppError('usage', 'several ids are for --remove', { hint: 'give one' });
  if (ids.length === 0 && (options.rerun || (options.remove && filter === undefined)))
    throw new AppError('usage', 'which one is missing', {
      hint: options.remove ? 'give its id, or a filter such as --before 30d' : 'give its id',
    });
}

async function exportTo(
  { dispatcher }: Composed,
  id: string | undefined,
  filter: HistoryFilter,
  options: HistoryOptions,
  output: Output,
): Promise<number> {
  const format = reportFormat(options);
  const path = options.export!;
  const to =
    path === '-' ? { take: (text: string) => written(text) } : { path, force: options.force === true };
  await dispatcher.perform({
    type: 'history-export',
    of: id === undefined ? { filter } : { ids: [id] },
    format,
    to,
  });
  if (path !== '-') output.remark(`written: ${path}`);
  return 0;
}

/** When it is taken: a reader that is slow holds us up, one that is gone does not. */
const written = (text: string): Promise<void> =>
  new Promise((resolve) => void process.stdout.write(text, () => resolve()));

async function remove(
  composed: Composed,
  ids: readonly string[],
  filter: HistoryFilter | undefined,
  options: HistoryOptions,
  output: Output,
): Promise<number> {
  const { dispatcher } = composed;
  const force = options.force === true;
  if (filter === undefined) {
    await dispatcher.perform({ type: 'history-remove', ids, force });
    return 0;
  }
  await dispatcher.perform({ type: 'history', filter });
  const found = dispatcher.getState().history.filter(({ outcome }) => outcome !== 'running');
  if (found.length === 0) {
    output.remark('no conversion passes the filters');
    return 0;
  }
  const what = found.length === 1 ? '1 conversion' : `${found.length} conversions`;
  if (!options.yes && !(await confirmed(found, what, composed, output))) {
    output.remark('nothing was removed');
    return 1;
  }
  await dispatcher.perform({ type: 'history-remove', ids: found.map(({ id }) => id), force });
  output.remark(`removed: ${what}`);
  return 0;
}

/** @throws AppError `usage` where nobody can be asked. */
async function confirmed(
  found: readonly HistorySummary[],
  what: string,
  { services }: Composed,
  output: Output,
): Promise<boolean> {
  if (services.canAnswer !== true) {
    throw new AppError('usage', `${what} would be removed, and nobody can be asked`, {
      hint: 'say --yes; without --remove they are listed',
    });
  }
  for (const line of table(found.map(entryRow))) output.remark(line);
  const text = `Remove ${what} from the history? What was made stays where it is. [y/N]`;
  const signal = new AbortController().signal;
  const answer = await askOnTerminal({ id: 0, text, from: 'vmferry', entry: 'shown' }, { signal });
  return /^y(es)?$/i.test(answer?.trim() ?? '');
}

function tellAll(entries: readonly HistorySummary[], output: Output, some: boolean): void {
  if (output.json) for (const entry of entries) output.value(entry);
  else if (entries.length === 0)
    output.remark(some ? 'no conversion passes the filters' : 'no conversion yet');
  else
    for (const line of table([
      ['ID', 'WHEN (UTC)', 'OUTCOME', 'READ', 'TIME', 'WHAT'],
      ...entries.map(entryRow),
    ]))
      output.line(line);
}

const entryRow = (e: HistorySummary): string[] => [
  e.id,
  when(e.startedAt),
  e.outcome,
  formatBytes(e.bytes),
  formatDuration(e.seconds),
  e.title,
];
