/** The machines of the connected environment: found one by one, then looked into. */

import { sourceOf } from '../../convert/open-machine.ts';
import { surveyMachine } from '../../convert/survey.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError, failureError, toAppError, toFailure } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { MachineItem } from '../state.ts';
import { trustOf } from './connection.ts';

/** Machines looked into at once. */
const surveysAtOnce = 2;

function sessionOf({ live }: EffectContext) {
  if (live.session !== undefined) return live.session;
  throw new AppError('usage', 'no environment is connected', {
    hint: 'choose one on the Environment screen',
  });
}

export const list: Effect<'list'> = async (_, context) => {
  const { emit, signal } = context;
  const { session } = sessionOf(context);
  emit({ type: 'listing' });
  const found: Machine[] = [];
  try {
    await sourceOf(session).list({
      signal,
      found(machine) {
        found.push(machine);
        emit({ type: 'machine-found', machine });
      },
    });
    for await (const _done of inOrder(found, surveysAtOnce, (m) => survey(context, m, signal), signal)) {
      mergeParts(context);
    }
    emit({ type: 'listed' });
  } catch (error) {
    if (signal.aborted) emit({ type: 'listed' });
    else emit({ type: 'listed', failure: context.services.redactor.redactData(toFailure(error)) });
    throw toAppError(error);
  }
};

export const stopList: Effect<'stop-list'> = (_, { abort }) => abort('list');

export const addMachine: Effect<'add-machine'> = async ({ id, select }, context) => {
  const { session } = sessionOf(context);
  const { signal } = context;
  const machine = await sourceOf(session).inspect(id, signal);
  context.emit({ type: 'machine-found', machine });
  await survey(context, machine, signal);
  const item = context.getState().machines.items.find((i) => i.machine.id === machine.id);
  if (item?.failure !== undefined) throw failureError(item.failure);
  const { selected } = context.getState();
  if (select && !selected.includes(machine.id))
    await context.perform({ type: 'select', ids: [...selected, machine.id] });
};

async function survey(context: EffectContext, machine: Machine, signal: AbortSignal): Promise<void> {
  const { session, settings } = sessionOf(context);
  context.emit({ type: 'machine-survey', id: machine.id, status: 'busy' });
  const surveyed = await surveyMachine(session, machine, trustOf(settings), signal);
  context.emit({ type: 'machine-surveyed', ...surveyed });
}

/** A file that another machine's image consists of (an extent, a backing file) is no machine of its own. */
function mergeParts(context: EffectContext): void {
  const { items } = context.getState().machines;
  const parts = new Set(items.flatMap(partsOf));
  const ids = items.map((item) => item.machine.id).filter((id) => parts.has(id));
  if (ids.length > 0) context.emit({ type: 'machines-merged', ids });
}

const partsOf = ({ machine }: MachineItem): string[] =>
  machine.disks.flatMap((disk) => disk.files).filter((file) => file !== machine.id);
