/** The machines of the connected environment: found one by one, then looked into. */

import { idOfMachine, machineWanted, openingOf } from '../../convert/find-machine.ts';
import { sourceOf } from '../../convert/open-machine.ts';
import { surveyMachine } from '../../convert/survey.ts';
import type { Session } from '../../env-plugins/plugin.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError, failureError, toAppError, toFailure } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { MachineItem } from '../state.ts';
import { trustOf } from './connection.ts';
import { stepReporter } from './looking.ts';

/** Machines looked into at once. */
const surveysAtOnce = 2;

function sessionOf({ live }: EffectContext) {
  if (live.session !== undefined) return live.session;
  throw new AppError('usage', 'no environment is connected', {
    hint: 'choose one on the Environment screen',
  });
}

export const list: Effect<'list'> = async (_, context) => {
  const { emit, signal, getState } = context;
  const source = sourceOf(sessionOf(context).session);
  const later = source.lookWhenChosen === true;
  const before = getState().machines.items;
  const knownParts = new Set(before.flatMap(partsOf));
  context.abort('watch');
  emit({ type: 'listing' });
  const found: Machine[] = [];
  // Not shown and taken away again at each refresh: they are shown when they turn out to be no parts any more.
  const held: Machine[] = [];
  try {
    await source.list({
      signal,
      found(machine) {
        if (knownParts.has(machine.id)) {
          held.push(machine);
        } else {
          found.push(machine);
          emit({ type: 'machine-found', machine, ...(later ? { later } : {}) });
        }
      },
    });
    await dropGone(context, before, new Set(found.map((machine) => machine.id)));
    await surveyAll(context, later ? found.filter(({ id }) => isSelected(context, id)) : found);
    const parts = new Set(getState().machines.items.flatMap(partsOf));
    const free = held.filter((machine) => !parts.has(machine.id));
    for (const machine of free) emit({ type: 'machine-found', machine });
    await surveyAll(context, free);
    emit({ type: 'listed' });
    if (context.services.interactive) void context.perform({ type: 'watch' }).catch(() => undefined);
  } catch (error) {
    if (signal.aborted) emit({ type: 'listed' });
    else emit({ type: 'listed', failure: context.services.redactor.redactData(toFailure(error)) });
    throw toAppError(error);
  }
};

async function surveyAll(context: EffectContext, machines: readonly Machine[]): Promise<void> {
  const { signal } = context;
  const all = inOrder(
    machines,
    surveysAtOnce,
    async (machine) => {
      await survey(context, machine, signal);
      return machine.id;
    },
    signal,
  );
  for await (const id of all) await mergePartsOf(context, id);
}

export const lookInto: Effect<'look-into'> = async ({ ids }, context) => {
  const wanted = new Set(ids);
  const { items } = context.getState().machines;
  const found = items.filter(({ machine, survey }) => survey === 'later' && wanted.has(machine.id));
  for (const { machine } of found)
    context.emit({ type: 'machine-survey', id: machine.id, status: 'waiting' });
  await surveyAll(
    context,
    found.map(({ machine }) => machine),
  );
};

/** What was listed before and not found again; what was added by its path is asked for by it. */
async function dropGone(
  context: EffectContext,
  before: readonly MachineItem[],
  found: ReadonlySet<string>,
): Promise<void> {
  const { session } = sessionOf(context);
  const gone: string[] = [];
  for (const { machine, byHand } of before) {
    if (found.has(machine.id)) continue;
    if (byHand && !(await isGone(session, machine.id, context.signal))) continue;
    gone.push(machine.id);
  }
  await dropLost(context, gone);
}

/** Also out of the choice; of those that were chosen the user is told. */
export async function dropLost(context: EffectContext, gone: readonly string[]): Promise<void> {
  const { items } = context.getState().machines;
  const lost = items.filter(({ machine: { id } }) => gone.includes(id) && isSelected(context, id));
  await drop(context, 'machines-gone', gone);
  if (lost.length === 0) return;
  const names = lost.map((item) => item.machine.name).join(', ');
  const text = `chosen before and not there any more: ${names}`;
  context.emit({ type: 'notice', notice: { level: 'warning', text } });
}

const isGone = (session: Session, id: string, signal: AbortSignal): Promise<boolean> =>
  sourceOf(session)
    .inspect(id, signal)
    .then(
      () => false,
      (error) => toAppError(error).kind === 'not-found',
    );

export const itemOf = ({ getState }: EffectContext, id: string): MachineItem | undefined =>
  getState().machines.items.find(({ machine }) => machine.id === id);

export const isSelected = ({ getState }: EffectContext, id: string): boolean =>
  getState().selected.includes(id);

/** Takes machines out of the list and out of the choice. */
async function drop(
  context: EffectContext,
  type: 'machines-gone' | 'machines-merged',
  ids: readonly string[],
): Promise<void> {
  if (ids.length === 0) return;
  const chosen = ids.some((id) => isSelected(context, id));
  context.emit({ type, ids });
  if (chosen) await replan(context);
}

/** What is planned is worked out anew from what is chosen. */
export const replan = ({ perform, getState }: EffectContext): Promise<void> =>
  perform({ type: 'select', ids: getState().selected });

export const stopList: Effect<'stop-list'> = (_, { abort }) => abort('list');

export const findMachine: Effect<'find-machine'> = async ({ name }, context) => {
  const source = sourceOf(sessionOf(context).session);
  context.emit({ type: 'machine-named', id: await idOfMachine(source, name, context.signal) });
};

export const addMachine: Effect<'add-machine'> = async ({ id, select, byName }, context) => {
  const { session, settings } = sessionOf(context);
  const { signal } = context;
  const source = sourceOf(session);
  const found = byName ? await idOfMachine(source, id, signal) : id;
  const { machine } = await machineWanted(source, found, trustOf(settings), signal);
  context.emit({ type: 'machine-found', machine, byHand: true });
  await survey(context, machine, signal);
  const item = context.getState().machines.items.find((i) => i.machine.id === machine.id);
  // The disks of a machine that is up may open only when it is held: the plan's findings tell.
  const up = machine.state === 'running' || machine.state === 'suspended';
  if (item?.failure !== undefined && !up) throw failureError(item.failure);
  const { selected } = context.getState();
  if (select && !selected.includes(machine.id))
    await context.perform({ type: 'select', ids: [...selected, machine.id] });
};

export async function survey(context: EffectContext, machine: Machine, signal: AbortSignal): Promise<void> {
  const { session, settings } = sessionOf(context);
  context.emit({ type: 'machine-survey', id: machine.id, status: 'busy' });
  const { id } = machine;
  const report = stepReporter((step) => context.emit({ type: 'machine-look', id, ...step }));
  const how = { ...openingOf(machine, trustOf(settings)), whole: settings.whole === 'yes', report };
  const surveyed = await surveyMachine(session, machine, how, signal);
  const judged = itemOf(context, id)?.judgements !== undefined;
  context.emit({ type: 'machine-surveyed', ...surveyed });
  // Judged by the little that was known before.
  if (judged) await context.perform({ type: 'judge-machine', id });
  // Chosen before it was looked into: the plan was made of the little that was known.
  if (isSelected(context, machine.id)) await replan(context);
}

/** A file that another machine's image consists of (an extent, a backing file) is no machine of its own. */
async function mergePartsOf(context: EffectContext, id: string): Promise<void> {
  const { items } = context.getState().machines;
  const looked = items.find(({ machine }) => machine.id === id);
  const parts = new Set(looked === undefined ? [] : partsOf(looked));
  const ids = items.filter((item) => !item.byHand && parts.has(item.machine.id)).map((i) => i.machine.id);
  await drop(context, 'machines-merged', ids);
}

const partsOf = ({ machine }: MachineItem): string[] =>
  machine.disks.flatMap((disk) => disk.files).filter((file) => file !== machine.id);
