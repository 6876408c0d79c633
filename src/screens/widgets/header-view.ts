/** The header's words: pure. */
import { isActive, type State, type Step, steps } from '../../state/state.ts';
import { shareOf } from './progress-bar.tsx';

export interface HeaderStep {
  readonly step: Step;
  readonly number: number;
  readonly label: string;
  readonly here: boolean;
  /** One can go there now. */
  readonly reached: boolean;
}

/** Whether there is something to do at a step. */
export function isReached(state: State, step: Step): boolean {
  switch (step) {
    case 'credentials':
    case 'environment':
      return true;
    case 'image':
      return state.connection.status === 'connected' || state.machines.items.length > 0;
    case 'configuration':
      return state.selected.length > 0;
    case 'run':
      return state.run !== undefined || state.liveRuns.length > 0;
  }
}

/** Why one can't go to a step yet. */
export const whyNotReached: Record<Step, string> = {
  credentials: '',
  environment: '',
  image: 'choose an environment first (2)',
  configuration: 'choose a machine first (3)',
  run: 'nothing has been run yet',
};

const short: Record<Step, string> = {
  credentials: 'Cred',
  environment: 'Env',
  image: 'Image',
  configuration: 'Conf',
  run: 'Run',
};

export function headerSteps(state: State, columns: number): HeaderStep[] {
  return steps.map((step, i) => ({
    step,
    number: i + 1,
    label: columns >= 76 ? `${step[0]?.toUpperCase()}${step.slice(1)}` : short[step],
    here: state.screen === step,
    reached: isReached(state, step),
  }));
}

/** Where the machines come from, how many are chosen, and what runs meanwhile. */
export function headerFacts(state: State): string[] {
  const { connection, selected, run, liveRuns } = state;
  const facts: string[] = [];
  if (state.screen === 'history') facts.push('History');
  if (connection.status !== 'none') {
    const environment = state.catalog.environments.find((e) => e.id === connection.environment);
    const name = connection.status === 'connected' ? connection.label : environment?.label;
    const tail =
      connection.status === 'connecting'
        ? ' (connecting)'
        : connection.status === 'failed'
          ? ' (failed)'
          : '';
    facts.push(`${name ?? connection.environment}${tail}`);
  }
  if (selected.length > 0)
    facts.push(`${selected.length} ${selected.length === 1 ? 'machine' : 'machines'} chosen`);
  if (run !== undefined && isActive(run)) {
    facts.push(
      run.status === 'waiting'
        ? 'waiting'
        : `${run.status} ${Math.floor(shareOf(run.bytesDone, run.bytesTotal) * 100)}%`,
    );
  } else if (liveRuns.length > 0) {
    facts.push(`${liveRuns.length} ${liveRuns.length === 1 ? 'run goes' : 'runs go'} on`);
  }
  return facts;
}
