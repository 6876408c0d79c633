/** The list as it changes at the environment: states and names in place, machines that are new or gone. */
import { sourceOf } from '../../convert/open-machine.ts';
import { describeFailure, toAppError, toFailure } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { hasSameDisks } from '../state.ts';
import { sessionOf } from './looking.ts';
import { dropLost, isSelected, itemOf, replan, survey } from './machines.ts';

export const watch: Effect<'watch'> = async (_, context) => {
  const { signal, emit, services } = context;
  const source = sourceOf(sessionOf(context).session);
  if (source.watch === undefined) return;
  const later = source.lookWhenChosen === true;
  // One after the other: what is looked into takes a while, and the newest is told last.
  let turn: Promise<void> = Promise.resolve();
  const inTurn = (work: () => Promise<void>) => {
    turn = turn.then(() => (signal.aborted ? undefined : work())).catch(() => undefined);
  };
  try {
    await source.watch({
      signal,
      found: (machine) => inTurn(() => changed(context, machine, later)),
      gone: (id) => inTurn(() => dropLost(context, [id])),
    });
  } catch (error) {
    if (signal.aborted || toAppError(error).kind === 'cancelled') return;
    const failure = services.redactor.redactData(toFailure(error));
    const text = `what changes there is not shown any more, list it anew: ${describeFailure(failure)}`;
    emit({ type: 'notice', notice: { level: 'warning', text } });
  } finally {
    await turn;
  }
};

/** What is inside of it may be another when it was started or shut down, or has other disks: it is looked into again. */
async function changed(context: EffectContext, machine: Machine, later: boolean): Promise<void> {
  const { emit, signal } = context;
  const before = itemOf(context, machine.id);
  const waits = later && !isSelected(context, machine.id);
  if (before === undefined) {
    emit({ type: 'machine-found', machine, ...(later ? { later } : {}) });
    if (!waits) await survey(context, machine, signal);
    return;
  }
  const isAnother = before.machine.state !== machine.state || !hasSameDisks(before.machine, machine);
  emit({ type: 'machine-changed', machine });
  if (isAnother && !waits) await survey(context, machine, signal);
  else if (isSelected(context, machine.id) && planned(before.machine) !== planned(machine))
    await replan(context);
}

/** What a plan is made of besides the disks. */
const planned = ({ name, processors, memoryBytes, firmware, nics, devices }: Machine): string =>
  JSON.stringify([name, processors, memoryBytes, firmware, nics, devices]);
