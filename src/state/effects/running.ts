/** Runs: one plan after the other, each with a journal of its own. */

import { isFolder, packageFileName } from '../../convert/make-plan.ts';
import { suspension } from '../../convert/run-context.ts';
import { runPlans, sharesSource } from '../../convert/run-plan.ts';
import { AppError, type Failure, failureError, toFailure } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import { formatBytes } from '../../model/units.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { RunControl } from '../run-control.ts';
import { isActive, placeName, type RunItem, type RunStatus, type State } from '../state.ts';
import { runThere } from './away.ts';
import { beginItem } from './run-item.ts';

export const run: Effect<'run'> = async ({ plans, when }, context) => {
  const { emit, getState, live, services, signal } = context;
  if (isActive(getState().run)) {
    throw new AppError('conflict', 'a conversion is running', { hint: 'wait for it, or cancel it first' });
  }
  if (plans.length === 0)
    throw new AppError('usage', 'there is nothing to run', { hint: 'choose a machine first' });
  emit({
    type: 'run-started',
    id: services.own?.id ?? `run-${Date.now()}`,
    at: Date.now(),
    items: plans.map((plan) => itemOf(plan, getState())),
  });
  if (services.interactive && services.runs !== undefined) {
    await remember(plans, context);
    if (await runThere(plans, when, context)) return;
  }
  const control = new RunControl(when?.bytesPerSecond);
  live.run = control;
  const stop = () => control.cancel();
  signal.addEventListener('abort', stop, { once: true });
  if (when?.bytesPerSecond !== undefined) tellLimit(control, context);
  let failed: Failure | undefined;
  /** Where what was written stays, how it is gone on with. */
  let stopped: Failure | undefined;
  try {
    await ownTurn(control, context);
    const left = when?.resumes === undefined ? undefined : await services.history.resumable(when.resumes);
    for (const together of bySource(plans)) {
      if (control.signal.aborted) {
        for (const index of together)
          emit({ type: 'run-item', index, change: { status: 'cancelled', step: '' } });
        continue;
      }
      const begun = await Promise.all(
        together.map((index) => beginItem(plans[index]!, index, control, context, left)),
      );
      const ends = await runPlans(begun.map(({ member }) => member));
      for (const [i, { ended }] of begun.entries()) {
        const failure = await ended(ends[i]!);
        if (failure?.kind === 'cancelled' && control.signal.reason === suspension) stopped ??= failure;
        // The other machines are not held up by one that fails.
        if (failure !== undefined && failure.kind !== 'cancelled') failed ??= failure;
      }
    }
  } finally {
    signal.removeEventListener('abort', stop);
    delete live.run;
  }
  const status: RunStatus = control.signal.aborted ? 'cancelled' : failed === undefined ? 'done' : 'failed';
  emit({ type: 'run-status', status, at: Date.now() });
  if (!signal.aborted) {
    await remember(plans, context);
    // The machine is where it should be: a list that can't be read doesn't change that.
    if (context.services.interactive)
      await context.perform({ type: 'history' }).catch((error) => {
        const text = `the history could not be read: ${toFailure(error).message}`;
        emit({ type: 'notice', notice: { level: 'warning', text } });
      });
  }
  if (status === 'cancelled')
    throw stopped === undefined ? new AppError('cancelled', 'cancelled') : failureError(stopped);
  if (failed !== undefined) throw failureError(failed);
};

/** The places of the plans in the run: those of one source are run together. */
function bySource(plans: readonly Plan[]): number[][] {
  const groups: number[][] = [];
  for (const [index, plan] of plans.entries()) {
    const group = groups.find(([first]) => sharesSource(plans[first!]!, plan));
    if (group === undefined) groups.push([index]);
    else group.push(index);
  }
  return groups;
}

/** Others may come first, and it may have a start time. A cancel meanwhile is one of all machines. */
async function ownTurn({ signal }: RunControl, { services, emit }: EffectContext): Promise<void> {
  if (services.own === undefined) return;
  await services.own
    .turn(signal, (waiting) => emit({ type: 'run-waiting', waiting }))
    .catch((error) => {
      if (!signal.aborted) throw error;
    });
  if (!signal.aborted) emit({ type: 'run-status', status: 'running', at: Date.now() });
}

function tellLimit({ rate }: RunControl, { emit }: EffectContext): void {
  const { bytesPerSecond } = rate;
  emit({ type: 'run-limit', ...(bytesPerSecond === undefined ? {} : { bytesPerSecond }) });
}

function itemOf(plan: Plan, state: State): RunItem {
  const file = packageFileName(plan);
  const folder = plan.destination.settings.folder ?? '.';
  const place = file === undefined ? folder : `${folder}/${file}`;
  return {
    title: plan.machine.name,
    destination: isFolder(plan) ? place : placeName(state, plan.destination),
    plan,
    status: 'waiting',
    step: '',
    disks: plan.machine.disks.map((disk) => ({
      id: disk.id,
      name: disk.name,
      bytesDone: 0,
      bytesTotal: disk.allocatedSizeBytes ?? 0,
      status: 'waiting',
    })),
    places: [],
  };
}

/** The destination is offered again next time. */
async function remember(plans: readonly Plan[], { services, emit }: EffectContext): Promise<void> {
  const { product, settings } = plans[0]!.destination;
  if (!services.interactive || settings.folder === undefined) return;
  await services.preferences
    .update({ lastDestination: { product, folder: settings.folder } })
    .catch((error) => {
      const text = `the preferences could not be saved: ${toFailure(error).message}`;
      emit({ type: 'notice', notice: { level: 'warning', text } });
    });
}

export const pause: Effect<'pause'> = (command, { live, emit, getState }) => {
  if (live.away !== undefined) return live.away.send(command);
  if (live.run === undefined || getState().run?.status !== 'running') return;
  live.run.pause();
  emit({ type: 'run-status', status: 'paused', at: Date.now() });
};

export const resume: Effect<'resume'> = (command, { live, emit, getState }) => {
  if (live.away !== undefined) return live.away.send(command);
  if (live.run === undefined || getState().run?.status !== 'paused') return;
  live.run.resume();
  emit({ type: 'run-status', status: 'running', at: Date.now() });
};

export const cancel: Effect<'cancel'> = (command, { live, emit }) => {
  if (live.away !== undefined) return live.away.send(command);
  if (live.run === undefined) return;
  emit({ type: 'run-status', status: 'cancelling', at: Date.now() });
  live.run.cancel();
};

export const rate: Effect<'rate'> = (command, context) => {
  const { live } = context;
  if (live.away !== undefined) return live.away.send(command);
  if (live.run === undefined) throw new AppError('conflict', 'nothing runs');
  live.run.rate.setBytesPerSecond(command.bytesPerSecond);
  tellLimit(live.run, context);
};

export const shutDown: Effect<'shut-down'> = (command, { live, emit, getState }) => {
  if (live.away !== undefined) return live.away.send(command);
  const index = getState().run?.items.findIndex(({ status }) => status === 'running') ?? -1;
  if (live.run === undefined || getState().run?.items[index]?.plan.warm === undefined) {
    throw new AppError('conflict', 'no machine is being copied while it runs');
  }
  emit({ type: 'run-item', index, change: { goesDown: true } });
  live.run.giveWord();
};

export const another: Effect<'another'> = async (_, { emit, getState, perform, services }) => {
  if (isActive(getState().run)) throw new AppError('conflict', 'a conversion is running');
  emit({ type: 'run-cleared' });
  if (services.runs !== undefined) await perform({ type: 'runs' });
  await perform({ type: 'select', ids: [] });
  emit({ type: 'went', screen: getState().connection.status === 'connected' ? 'image' : 'environment' });
};

export const status: Effect<'status'> = (_, { emit, getState }) => {
  const { run, connection } = getState();
  const place = connection.status === 'connected' ? `connected to ${connection.label}` : 'not connected';
  const text =
    run === undefined
      ? `${place}; nothing runs`
      : `${place}; ${run.status}: ${formatBytes(run.bytesDone)} of ${formatBytes(run.bytesTotal)}`;
  emit({ type: 'status', text });
};
