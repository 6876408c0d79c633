/** The keys of the history: on the list for the row under the cursor or those marked, else for the one that is open. */
import type { DispatcherPort } from '../../state/port.ts';
import { type HistorySummary, isActive, type State } from '../../state/state.ts';
import { useKeys } from '../screen.ts';
import { nextOutcome, type OutcomeFilter } from './history-view.ts';
import { keptBy } from './kept-view.ts';

export interface HistoryKeys {
  readonly port: DispatcherPort;
  readonly state: State;
  /** What keys are for: the one that is open, those marked, or the row under the cursor. */
  readonly chosen: readonly HistorySummary[];
  readonly opened: boolean;
  readonly outcome: OutcomeFilter;
  open(of: HistorySummary): void;
  close(): void;
  show(outcome: OutcomeFilter): void;
  remove(of: readonly HistorySummary[]): void;
  exportThese(of: readonly HistorySummary[]): void;
  /** Removes what a run that was cut has left at its destination. */
  discard(of: HistorySummary): void;
  /** What the one that is open has kept. */
  removeKept(of: HistorySummary): void;
}

export function useHistoryKeys(keys: HistoryKeys): void {
  const { port, state, chosen, opened, outcome } = keys;
  const [first] = chosen;
  const none = first === undefined ? 'there is nothing in the list' : undefined;
  const several = chosen.length > 1 ? 'several are marked' : undefined;
  const runs = chosen.some((row) => row.outcome === 'running') ? 'it is still running' : undefined;
  const busy = isActive(state.run) ? 'a conversion is running' : runs;
  const next = nextOutcome(outcome);
  useKeys([
    ...(opened
      ? [
          { key: 'esc', label: 'the list', run: keys.close },
          {
            key: 'k',
            label: 'remove copies',
            help: 'remove the copies that it kept; what was delivered stays',
            reason: keptBy(first!.id, state.kept).length === 0 ? 'it has kept no copy' : runs,
            run: () => keys.removeKept(first!),
          },
        ]
      : [
          {
            key: 'enter',
            label: 'open',
            help: 'show its plan, findings and log',
            reason: none ?? several,
            run: () => keys.open(first!),
          },
          {
            key: 'o',
            label: next === 'all' ? 'all outcomes' : `only ${next}`,
            help: 'show only those with one outcome: the next one at each press',
            run: () => keys.show(next),
          },
        ]),
    ...(first?.outcome === 'running'
      ? [
          {
            key: 'a',
            label: 'enter',
            help: 'look at it on the Run screen, where it lives in a process of its own',
            reason: several ?? (isActive(state.run) ? 'another run is on the Run screen' : undefined),
            run: () => {
              void port.dispatch({ type: 'go', screen: 'run' });
              void port.dispatch({ type: 'attach', id: first.id });
            },
          },
        ]
      : []),
    ...resumeKeys(keys, several ?? busy),
    {
      key: 'r',
      label: 'run again',
      help: 'run its plan again as it was',
      reason: none ?? several ?? busy,
      run: () => void port.dispatch({ type: 'history-rerun', id: first!.id }),
    },
    {
      key: 'e',
      label: 'export',
      help: 'write a report of it, or of those marked, as Markdown or JSON',
      reason: none,
      run: () => keys.exportThese(chosen),
    },
    {
      key: 'd',
      label: 'remove',
      help: 'remove it, or those marked, from the history; what was made stays',
      reason: none ?? runs,
      run: () => keys.remove(chosen),
    },
  ]);
}

/** Of a run that was cut and has left something at its destination. */
function resumeKeys({ port, state, chosen: [first], discard }: HistoryKeys, reason: string | undefined) {
  if (first === undefined || !state.resumable.some(({ id }) => id === first.id)) return [];
  return [
    {
      key: 'g',
      label: 'go on',
      help: 'go on with it where it was cut; what is at the destination is not moved again',
      reason,
      run: () => void port.dispatch({ type: 'resume-run', id: first.id }),
    },
    {
      key: 'x',
      label: 'give up',
      help: 'remove what it has left at its destination; asks first',
      reason,
      run: () => discard(first),
    },
  ];
}
