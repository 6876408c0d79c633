/** Earlier conversions, from their journals. */

import { AppError, toAppError } from '../../model/errors.ts';
import { pathHere } from '../../model/guest-additions.ts';
import type { Effect } from '../dispatcher.ts';
import type { HistoryFilter } from '../history/filter.ts';
import { summaryOf } from '../history/summary.ts';
import type { Services } from '../services.ts';
import type { HistorySummary } from '../state.ts';

// Loaded where they are needed: the program does not start with them.
const entries = () => import('../history/entry.ts');

export const list: Effect<'history'> = async ({ filter }, { services, emit }) => {
  emit({ type: 'history', entries: await summaries(services, filter) });
};

async function summaries({ history }: Services, filter?: HistoryFilter): Promise<HistorySummary[]> {
  const all = (await history.list()).map(summaryOf);
  if (filter === undefined) return all;
  const { filtered } = await import('../history/filter.ts');
  return filtered(all, filter, history);
}

export const open: Effect<'history-open'> = async ({ id }, { services, emit }) => {
  const { entryOf } = await entries();
  emit({ type: 'history-entry', entry: await entryOf(await services.history.get(id)) });
};

export const remove: Effect<'history-remove'> = async (
  { ids, force },
  { services, emit, getState, perform },
) => {
  const failures: AppError[] = [];
  for (const id of ids) {
    await services.history.remove(id, force).catch((error) => failures.push(toAppError(error)));
    if (getState().historyEntry?.id === id) emit({ type: 'history-entry' });
  }
  await perform({ type: 'history' });
  // The others are gone all the same.
  if (failures[0] !== undefined) throw failures[0];
};

export const exportReports: Effect<'history-export'> = async ({ of, format, to }, { services, emit }) => {
  const [{ entryOf }, { allReports, oneReport, writeReports }] = await Promise.all([
    entries(),
    import('../history/export.ts'),
  ]);
  const entry = async (id: string) => entryOf(await services.history.get(id));
  const some = async () => {
    if ('filter' in of) return summaries(services, of.filter);
    return (await summaries(services)).filter(({ id }) => of.ids.includes(id));
  };
  const [id, ...others] = 'ids' in of ? of.ids : [];
  const alone = id !== undefined && others.length === 0;
  const pieces = alone ? oneReport(await entry(id), format) : allReports(await some(), format, entry);
  if ('take' in to) {
    for await (const piece of pieces) await to.take(piece);
    return;
  }
  const path = pathHere(to.path);
  await writeReports(pieces, path, to.force);
  emit({ type: 'notice', notice: { level: 'info', text: `written: ${path}` } });
};

export const rerun: Effect<'history-rerun'> = async ({ id }, { services, emit, perform }) => {
  const { planOf } = await entries();
  const planned = planOf(await services.history.get(id));
  if ('planProblem' in planned) {
    throw new AppError('unsupported', `this run can not be run again: ${planned.planProblem}`, {
      where: id,
      hint: 'make the plan anew: "vmferry history" shows what was converted, and where to',
    });
  }
  emit({ type: 'went', screen: 'run' });
  await perform({ type: 'run', plans: [planned.plan] });
};
