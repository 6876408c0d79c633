/** One earlier conversion, whole: what its journal tells, and whether its plan can be run again. */
import { parsePlan } from '../../convert/parse-plan.ts';
import { describeFailure, toFailure } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { HistoryEntry } from '../state.ts';
import type { Run } from '../stores/history.ts';
import type { RunSummary } from '../stores/journal-lines.ts';
import { recordOf } from './record.ts';
import { summaryOf } from './summary.ts';

export async function entryOf(run: Run): Promise<HistoryEntry> {
  const { truncated, damagedLines, passedOver } = run;
  const planned = planOf(run);
  return {
    ...summaryOf(run.summary),
    ...recordOf(run.events),
    ...planned,
    planText: 'plan' in planned ? await inWords(planned.plan, run.summary) : [],
    journal: { truncated, damagedLines, passedOver },
  };
}

export function planOf({ plan }: Run): { readonly plan: Plan } | { readonly planProblem: string } {
  if (plan === undefined) return { planProblem: 'its journal holds no plan: it was cut or is damaged' };
  try {
    return { plan: parsePlan(plan) };
  } catch (error) {
    const { version } = (plan ?? {}) as { version?: unknown };
    const newer = typeof version === 'number' && version > 1 ? `it is of version ${version}: ` : '';
    return { planProblem: `its plan is of another version of vmferry: ${newer}${toFailure(error).message}` };
  }
}

/** None where this version does not know a product or a format that the plan names. */
async function inWords(plan: Plan, { about }: RunSummary): Promise<readonly string[]> {
  const { describePlan } = await import('../../convert/describe-plan.ts');
  try {
    return describePlan(plan, about?.destination.name, about?.source.name);
  } catch (error) {
    return [`not understood: ${describeFailure(toFailure(error))}`];
  }
}
