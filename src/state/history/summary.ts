/** A run as a line of the history. */
import type { HistorySummary } from '../state.ts';
import type { RunSummary } from '../stores/journal-lines.ts';

export function summaryOf({ startedAt, endedAt, ...run }: RunSummary): HistorySummary {
  const ended = endedAt === undefined ? {} : { endedAt: Date.parse(endedAt) };
  return { ...run, startedAt: Date.parse(startedAt), ...ended };
}
