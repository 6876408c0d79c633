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
    ...(run.partsOf === undefined ? {} : { partsOf: run.partsOf }),
    planText: 'plan' in planned ? await inWords(planned.plan, run.summary) : [],
    journal: { truncated, damagedLines, passedOver },
  };
}

export function planOf({ plan }: Run): { readonly plan: Plan } | { readonly planProblem: string } {
  if (plan === undefined) return { planProblem: 'its journal holds no plan: it was cut or is damaged' };
  const another = 'its plan is of another version of vmferry';
  const { version } = (plan ?? {}) as { version?: unknown };
  if (typeof version === 'number' && version > 1)
    return { planProblem: `${another}: ${version}, and 1 is known here` };
  try {
    const parsed = parsePlan(plan);
    const unknown = unknownKey(plan, parsed);
    if (unknown === undefined) return { plan: parsed };
    return { planProblem: `${another}: what "${unknown}" in it asks for is not known here` };
  } catch (error) {
    return { planProblem: `${another}: ${toFailure(error).message}` };
  }
}

/** What was wished for and would be passed over. Of the machine itself a part that is not known is no wish. */
function unknownKey(given: unknown, known: unknown, path = ''): string | undefined {
  if (typeof given !== 'object' || given === null || typeof known !== 'object' || known === null) return;
  for (const [key, value] of Object.entries(given)) {
    const place = path === '' ? key : `${path}.${key}`;
    if (place === 'machine') continue;
    if (!Object.hasOwn(known, key)) return place;
    const inside = unknownKey(value, (known as Record<string, unknown>)[key], place);
    if (inside !== undefined) return inside;
  }
  return undefined;
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
