/** From what is selected and drafted to plans with their findings. */
import { describePlan } from '../../convert/describe-plan.ts';
import { openingOf, snapshotOf } from '../../convert/find-machine.ts';
import { makePlan, type PlanTarget, wantsChanges } from '../../convert/make-plan.ts';
import { reviewPlan } from '../../convert/review-plan.ts';
import { AppError, describeFailure, toFailure } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Keep, MachineEdit, Opening, Plan } from '../../model/plan.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import {
  type Field,
  firmwareOf,
  type MachineItem,
  type Planned,
  type PlannedGuest,
  placeName,
  type State,
} from '../state.ts';
import { reviewConnector, trustOf } from './connection.ts';
import { productFindings } from './judging.ts';
import { keepOf } from './keeping.ts';

/** Keystrokes come faster than plans are made: how long a plan waits when another one was not finished, ms. */
const settle = 60;

export const select: Effect<'select'> = ({ ids }, context) => {
  context.emit({ type: 'selected', ids });
  // What is found then makes it plan anew; it goes on while the choice changes.
  void context.perform({ type: 'look-into', ids }).catch(() => undefined);
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
  const keep = await keepOf(context.getState().draft.keep, context);
  const plans = items.map((item) => planFor(context, item, items.length, keep));
  const findings: Finding[] = [];
  let bytes = 0;
  const guests: Record<string, PlannedGuest> = {};
  for (const [i, plan] of plans.entries()) {
    const review = await reviewPlan(plan, reviewConnector(context), context.signal, (run) =>
      context.services.history.undoOf(run),
    );
    const { changes, leftOut } = review;
    if (wantsChanges(plan)) guests[plan.source.machine] = { changes, leftOut };
    const several = plans.length > 1 ? `${plan.machine.name}: ` : '';
    const advice = await productFindings(plan, items[i]!, context);
    findings.push(...[...review.findings, ...advice].map((f) => ({ ...f, message: several + f.message })));
    bytes += review.bytes;
  }
  findings.push(...unreadable(items), ...sameNames(plans));
  const state = context.getState();
  const described = plans.map((plan) =>
    describePlan(
      plan,
      placeName(state, plan.destination),
      placeName(state, plan.source),
      usualSettings(state, plan),
    ),
  );
  const text = described.flatMap((lines, i) => (i === 0 ? lines : ['', ...lines]));
  const planned = { status: 'ready', plans, findings, text, bytes } as const;
  return Object.keys(guests).length === 0 ? planned : { ...planned, guests };
}

/** Defaults of the connection's form and of the delivery's; where the machine goes is told even so. */
function usualSettings({ catalog, destination }: State, plan: Plan): Readonly<Record<string, string>> {
  const { environment } = plan.destination;
  const connection = catalog.environments.find((e) => e.id === environment)?.fields ?? [];
  const delivery = destination.status === 'connected' ? destination.fields : [];
  return defaultsOf(
    [...connection, ...delivery].filter(({ key, required }) => !(required && key === 'folder')),
  );
}

const defaultsOf = (fields: readonly Field[]): Record<string, string> =>
  Object.fromEntries(
    fields.flatMap(({ key, default: usual }) => (usual === undefined ? [] : [[key, usual]])),
  );

function planFor(context: EffectContext, item: MachineItem, count: number, keep: Keep | undefined): Plan {
  const { draft } = context.getState();
  if (context.live.session === undefined) {
    throw new AppError('usage', 'the environment of this machine is not connected', {
      hint: 'connect to it on the Environment screen',
    });
  }
  const { settings, environment, profile } = context.live.session;
  const target = targetOf(context.getState());
  const edit = draft.edits[item.machine.id];
  const opening = { ...trustOf(settings), ...openingEdit(edit) };
  const firmwareHint = firmwareOf(item);
  return makePlan({
    source: {
      environment,
      ...(profile === undefined ? {} : { profile }),
      settings,
      machine: snapshotOf(item.machine, opening.snapshot) ?? item.machine.id,
      ...openingOf(item.machine, opening),
    },
    machine: item.machine,
    reports: item.reports,
    ...(target === undefined ? {} : { target }),
    ...(edit === undefined ? {} : { edit }),
    ...(firmwareHint === undefined ? {} : { firmwareHint }),
    product: draft.product,
    folder: draft.folder,
    // One name is for one machine.
    ...(draft.file === undefined || count > 1 ? {} : { file: draft.file }),
    ...(draft.container === undefined ? {} : { container: draft.container }),
    ...(draft.format === undefined ? {} : { format: draft.format }),
    options: draft.options,
    ...(draft.recipients === undefined ? {} : { recipients: draft.recipients }),
    ...(draft.backing === undefined ? {} : { backing: draft.backing }),
    ...(draft.splitBytes === undefined ? {} : { splitBytes: draft.splitBytes }),
    force: draft.force,
    sync: draft.sync,
    ...(draft.start === undefined ? {} : { start: draft.start }),
    ...(draft.warm === undefined ? {} : { warm: draft.warm }),
    ...(keep === undefined ? {} : { keep }),
    ...(draft.proof === undefined ? {} : { proof: draft.proof }),
  });
}

/** What of its disk is wanted, where that was said of this machine. */
function openingEdit(edit: MachineEdit = {}): Partial<Opening> {
  const { snapshot, window, partition, table } = edit;
  return {
    ...(snapshot === undefined ? {} : { snapshot }),
    ...(window === undefined ? {} : { window }),
    ...(partition === undefined ? {} : { partition }),
    ...(table === undefined ? {} : { table }),
  };
}

/** Absent for a folder here. @throws AppError `usage` while there is no connection to it. */
function targetOf({ destination, draft }: State): PlanTarget | undefined {
  if (destination.status === 'folder') return undefined;
  if (destination.status !== 'connected') {
    const failed = destination.status === 'failed';
    throw new AppError(
      'usage',
      `the destination, ${destination.label}, ${failed ? 'could not be connected' : 'is being connected'}`,
      failed ? { hint: `${destination.failure.message}; try again, or choose another one` } : {},
    );
  }
  const { environment, profile, settings, product, formats, options, fields } = destination;
  return {
    environment,
    ...(profile === undefined ? {} : { profile }),
    settings: { ...settings, ...defaultsOf(fields), ...draft.delivery },
    ...(product === undefined ? {} : { product }),
    ...(formats === undefined ? {} : { formats }),
    ...(options === undefined ? {} : { options }),
  };
}

/** Chosen before it was looked into. The disks of one that is up may open only while it is held. */
const unreadable = (items: readonly MachineItem[]): Finding[] =>
  items.flatMap(({ machine, failure }) =>
    failure === undefined || machine.state === 'running' || machine.state === 'suspended'
      ? []
      : [
          {
            rule: 'machine.unreadable',
            severity: 'blocker',
            message: `${machine.name} can't be read: ${describeFailure(failure)}`,
          },
        ],
  );

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

export const also: Effect<'also'> = (_, { emit, getState }) => {
  const { planned, also: before, destination } = getState();
  if (planned.status !== 'ready' || planned.plans.length === 0)
    throw new AppError('usage', 'there is no plan that is ready', { hint: 'see the findings beside' });
  const names = planned.plans.map(({ machine }) => machine.name);
  const what = names.length > 3 ? `${names.length} machines` : names.join(', ');
  const { format, container, settings } = planned.plans[0]!.destination;
  const where = destination.status === 'folder' ? settings.folder : destination.label;
  const text = `${what} as ${container === 'disks' ? format : container.toUpperCase()} into ${where}`;
  emit({ type: 'also', also: [...before, { plans: planned.plans, text }] });
};

export const dropAlso: Effect<'drop-also'> = (_, { emit, getState }) =>
  emit({ type: 'also', also: getState().also.slice(0, -1) });
