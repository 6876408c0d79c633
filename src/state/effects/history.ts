/** Earlier conversions, from their journals. */

import { AppError } from '../../model/errors.ts';
import type { GuestChange } from '../../model/guest-change.ts';
import type { Effect } from '../dispatcher.ts';
import type { HistorySummary, LogLine } from '../state.ts';
import type { RunSummary } from '../stores/journal-lines.ts';

export const list: Effect<'history'> = async (_, { services, emit }) => {
  emit({ type: 'history', entries: (await services.history.list()).map(summaryOf) });
};

export const open: Effect<'history-open'> = async ({ id }, { services, emit }) => {
  const run = await services.history.get(id);
  const plan = await planOf(run.plan);
  const { failure } = run.summary;
  const changes = run.events.flatMap(({ event }) => changeOf(event));
  emit({
    type: 'history-entry',
    entry: {
      ...summaryOf(run.summary),
      log: run.events.flatMap(({ event }) => logLineOf(event)),
      ...(changes.length === 0 ? {} : { changes }),
      ...(plan === undefined ? {} : { plan }),
      ...(failure === undefined ? {} : { failure }),
    },
  });
};

export const remove: Effect<'history-remove'> = async ({ id }, { services, emit, getState, perform }) => {
  await services.history.remove(id);
  if (getState().historyEntry?.id === id) emit({ type: 'history-entry' });
  await perform({ type: 'history' });
};

export const rerun: Effect<'history-rerun'> = async ({ id }, { services, emit, perform }) => {
  const plan = await planOf((await services.history.get(id)).plan);
  if (plan === undefined) {
    throw new AppError('corrupt', 'the journal of this run holds no plan that can be run again', {
      where: id,
    });
  }
  emit({ type: 'went', screen: 'run' });
  await perform({ type: 'run', plans: [plan] });
};

async function planOf(data: unknown) {
  const { parsePlan } = await import('../../convert/parse-plan.ts');
  try {
    return parsePlan(data);
  } catch {
    return undefined; // written by another version: the summary and the log can still be shown
  }
}

function summaryOf(run: RunSummary): HistorySummary {
  const { id, outcome, title, bytes, seconds, places } = run;
  const ended = run.endedAt === undefined ? {} : { endedAt: Date.parse(run.endedAt) };
  return { id, outcome, title, bytes, seconds, places, startedAt: Date.parse(run.startedAt), ...ended };
}

function logLineOf(event: unknown): LogLine[] {
  const line = event as Partial<LogLine> & { type?: string };
  if (line?.type !== 'log' || typeof line.at !== 'number' || typeof line.text !== 'string') return [];
  return [{ at: line.at, level: line.level ?? 'info', text: line.text }];
}

/** One a line, so that no line grows too long. */
function changeOf(event: unknown): GuestChange[] {
  const line = event as { type?: unknown; change?: GuestChange };
  const { change } = line ?? {};
  return line?.type === 'change' && typeof change?.id === 'string' && Array.isArray(change.files)
    ? [change]
    : [];
}
