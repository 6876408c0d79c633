/** From what is selected and drafted to plans with their findings. */
import { describePlan } from '../../convert/describe-plan.ts';
import { makePlan } from '../../convert/make-plan.ts';
import { reviewPlan } from '../../convert/review-plan.ts';
import { AppError, toFailure } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Plan } from '../../model/plan.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { firmwareOf, type MachineItem, type Planned } from '../state.ts';
import { connectorFor, trustOf } from './connection.ts';

/** Keystrokes come faster than plans are made: how long a plan waits when another one was not finished, ms. */
const settle = 60;

export const select: Effect<'select'> = ({ ids }, context) => {
  context.emit({ type: 'selected', ids });
  return replan(context);
};

export const draft: Effect<'draft'> = ({ change }, context) => {
  context.emit({ type: 'drafted', change });
  return replan(context);
};

export const editMachine: Effect<'edit-machine'> = ({ id, change }, context) => {
  context.emit({ type: 'machine-edited', id, change });
  return replan(context);
};

/** Computes `planned`; a newer command of the lane ends it silently. */
async function replan(context: EffectContext): Promise<void> {
  const { emit, signal } = context;
  const hurried = context.getState().planned.status === 'busy';
  emit({ type: 'planning' });
  if (hurried) await new Promise((resolve) => setTimeout(resolve, settle));
  if (signal.aborted) return;
  const planned = await compute(context).catch(
    (error): Planned => ({
      ...empty,
      status: 'failed',
      failure: context.services.redactor.redactData(toFailure(error)),
    }),
  );
  if (!signal.aborted) emit({ type: 'planned', planned });
}

const empty: Planned = { status: 'idle', plans: [], findings: [], text: [], bytes: 0 };

async function compute(context: EffectContext): Promise<Planned> {
  const { machines, selected } = context.getState();
  const items = selected.flatMap((id) => machines.items.filter((item) => item.machine.id === id));
  if (items.length === 0) return empty;
  const plans = items.map((item) => planFor(context, item));
  const findings: Finding[] = [];
  let bytes = 0;
  for (const plan of plans) {
    const review = await reviewPlan(
      plan,
      connectorFor(context, () => undefined),
      context.signal,
    );
    const several = plans.length > 1 ? `${plan.machine.name}: ` : '';
    findings.push(...review.findings.map((f) => ({ ...f, message: several + f.message })));
    bytes += review.bytes;
  }
  findings.push(...sameNames(plans));
  const text = plans.flatMap((plan, i) => (i === 0 ? describePlan(plan) : ['', ...describePlan(plan)]));
  return { status: 'ready', plans, findings, text, bytes };
}

function planFor(context: EffectContext, item: MachineItem): Plan {
  const { draft, connection } = context.getState();
  if (context.live.session === undefined) {
    throw new AppError('usage', 'the environment of this machine is not connected', {
      hint: 'connect to it on the Environment screen',
    });
  }
  const { settings, environment } = context.live.session;
  const profile = connection.status === 'connected' ? connection.profile : undefined;
  const edit = draft.edits[item.machine.id];
  const firmwareHint = firmwareOf(item);
  return makePlan({
    source: {
      environment,
      ...(profile === undefined ? {} : { profile }),
      settings,
      machine: item.machine.id,
      ...trustOf(settings),
    },
    machine: item.machine,
    ...(edit === undefined ? {} : { edit }),
    ...(firmwareHint === undefined ? {} : { firmwareHint }),
    product: draft.product,
    folder: draft.folder,
    ...(draft.file === undefined ? {} : { file: draft.file }),
    ...(draft.container === undefined ? {} : { container: draft.container }),
    ...(draft.format === undefined ? {} : { format: draft.format }),
    options: draft.options,
    ...(draft.recipients === undefined ? {} : { recipients: draft.recipients }),
    force: draft.force,
    sync: draft.sync,
  });
}

/** Two machines of one name would be written over each other. */
function sameNames(plans: readonly Plan[]): Finding[] {
  const names = plans.map((plan) => plan.machine.name);
  const twice = [...new Set(names.filter((name, i) => names.indexOf(name) !== i))];
  return twice.map((name) => ({
    rule: 'machines.same-name',
    severity: 'blocker',
    message: `several machines are to be called "${name}"`,
    remedy: 'give each a name of its own',
  }));
}
