/** Kept copies in a run: what of them is told, and which of them is made of the source beside the deliveries. */
import { mkdir } from 'node:fs/promises';
import { describeFailure, toAppError, toFailure } from '../model/errors.ts';
import type { KeepPlace, KeepStage, Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import type { Outcome } from './delivering.ts';
import { keepPlans } from './keep-plans.ts';
import type { RunContext } from './run-context.ts';
import type { RunEnd, RunMember } from './run-plan.ts';

/** The plan of this copy, where it is wanted. A run that goes on in the middle has no whole one to keep. */
export function copyPlanOf(plan: Plan, stage: KeepStage, context: RunContext): Plan | undefined {
  if (plan.keep === undefined || !plan.keep.stages.includes(stage)) return undefined;
  if (context.resumption !== undefined) {
    tellLost('the run goes on with what an earlier one began', context);
    return undefined;
  }
  const { format, container } = plan.destination;
  const title = `${plan.machine.name} to ${container === 'disks' ? format : container.toUpperCase()}`;
  return keepPlans(plan, context.runId, title).find(({ copyOf }) => copyOf?.stage === stage);
}

/** For the delivery of a copy: it is not told step by step, does not count, and can't be gone on with. */
export function copyContext(plan: Plan, context: RunContext): RunContext {
  const { connect, runId, signal, gate, holding } = context;
  return {
    ...{ runId, signal, gate, emit: () => undefined },
    ...(holding === undefined ? {} : { holding }),
    async connect(request, abort) {
      if (request.role === 'destination') await makeStore(plan);
      return connect(request, abort);
    },
  };
}

/** A store here is for its user alone. @throws AppError `auth` … */
async function makeStore({ keep }: Plan): Promise<void> {
  if (keep === undefined || 'environment' in keep.place) return;
  await mkdir(keep.place.folder, { recursive: true, mode: 0o700 }).catch((error) => {
    throw toAppError(error);
  });
}

/** With the copies of what is read: each a destination of its own, after those of the user, and `of` one of them. */
export function withCopies(members: readonly RunMember[]): RunMember[] {
  const told = new Set<string>();
  const copies = members.flatMap(({ plan, context }, of) => {
    const copy = copyPlanOf(plan, 'extracted', context);
    if (copy === undefined) return [];
    // Several destinations of one machine: what is read is the same.
    const what = JSON.stringify([plan.keep?.place, copy.machine.disks.map(({ id }) => id)]);
    if (told.has(what)) return [];
    told.add(what);
    return [{ plan: copy, context: copyContext(plan, context), of }];
  });
  return [...members, ...copies];
}

/** The ends of the user's own; those of the copies are told with them. */
export function withoutCopies(all: readonly RunMember[], ends: readonly RunEnd[]): RunEnd[] {
  const own = ends.filter((_, i) => all[i]!.of === undefined);
  for (const [i, { plan, of }] of all.entries()) {
    if (of === undefined) continue;
    const end = ends[i]!;
    const main = own[of]!;
    const { context } = all[of]!;
    if ('outcome' in end) {
      const { place } = all[of]!.plan.keep!;
      tellKept(plan, end.outcome, place, context);
      if ('error' in main) tellWayBack(plan, place, context);
    } else if (!context.signal.aborted && !('error' in main && main.error === end.error)) {
      const warning = tellLost(end.error, context);
      if ('outcome' in main) own[of] = { outcome: withWarning(main.outcome, warning) };
    }
  }
  return own;
}

export const withWarning = (outcome: Outcome, warning: string | undefined): Outcome =>
  warning === undefined
    ? outcome
    : { ...outcome, warning: outcome.warning === undefined ? warning : `${outcome.warning}; ${warning}` };

const stageWords: Readonly<Record<KeepStage, string>> = {
  extracted: 'as it was read',
  changed: 'after the changes inside',
  converted: 'as it was delivered',
};

export function tellKept(
  copy: Plan,
  { bytesWritten }: Pick<Outcome, 'bytesWritten'>,
  place: KeepPlace,
  { emit }: RunContext,
): void {
  const { run, stage } = copy.copyOf!;
  const { settings } = copy.destination;
  const away =
    'environment' in place
      ? 'remove that folder there when it is done with'
      : `remove it with: vmferry kept ${run}-${stage} --remove${place.usual ? '' : ` --in ${place.folder}`}`;
  const text = `kept: ${copy.machine.name} ${stageWords[stage]}, ${formatBytes(bytesWritten)} in ${settings.folder}; ${away}`;
  emit({ type: 'log', level: 'info', text });
}

/** What failed need not be read again. */
function tellWayBack({ copyOf }: Plan, place: KeepPlace, { emit }: RunContext): void {
  if ('environment' in place) return;
  const { run, stage } = copyOf!;
  const store = place.usual ? '' : ` --setting folder=${place.folder}`;
  const text = `kept: to try again without the source: vmferry convert --env kept ${run}-${stage}${store} …`;
  emit({ type: 'log', level: 'info', text });
}

/** The conversion goes on. @returns the warning. */
export function tellLost(error: unknown, { emit }: RunContext): string {
  const why = typeof error === 'string' ? error : describeFailure(toFailure(error));
  const text = `the copy could not be kept: ${why}`;
  emit({ type: 'log', level: 'warning', text });
  return text;
}
