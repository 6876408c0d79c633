/** Runs: one plan after the other, each with a journal of its own. */

import { isFolder, packageFileName } from '../../convert/make-plan.ts';
import type { ConversionEvent } from '../../convert/run-context.ts';
import { type Outcome, runPlan } from '../../convert/run-plan.ts';
import { AppError, describeFailure, type Failure, failureError, toFailure } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import { formatBytes, formatDuration } from '../../model/units.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { aboutOf } from '../history/about.ts';
import { RunRecorder } from '../history/recorder.ts';
import { RunControl } from '../run-control.ts';
import { isActive, placeName, type RunItem, type RunStatus, type State } from '../state.ts';
import { runThere } from './away.ts';
import { connectorFor } from './connection.ts';
import { ask } from './questions.ts';

export const run: Effect<'run'> = async ({ plans, when }, context) => {
  const { emit, getState, live, services, signal } = context;
  if (isActive(getState().run)) {
    throw new AppError('conflict', 'a conversion is running', { hint: 'wait for it, or cancel it first' });
  }
  if (plans.length === 0)
    throw new AppError('usage', 'there is nothing to run', { hint: 'choose a machine first' });
  if (services.interactive && services.runs !== undefined) {
    await remember(plans, context);
    return runThere(plans, when, context);
  }
  const control = new RunControl(when?.bytesPerSecond);
  live.run = control;
  const stop = () => control.cancel();
  signal.addEventListener('abort', stop, { once: true });
  emit({
    type: 'run-started',
    id: services.own?.id ?? `run-${Date.now()}`,
    at: Date.now(),
    items: plans.map((plan) => itemOf(plan, getState())),
  });
  if (when?.bytesPerSecond !== undefined) tellLimit(control, context);
  let failed: Failure | undefined;
  try {
    await ownTurn(control, context);
    for (const [index, plan] of plans.entries()) {
      if (control.signal.aborted) {
        emit({ type: 'run-item', index, change: { status: 'cancelled', step: '' } });
        continue;
      }
      const failure = await runOne(plan, index, control, context);
      // The other machines are not held up by one that fails.
      if (failure !== undefined && failure.kind !== 'cancelled') failed ??= failure;
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
  if (status === 'cancelled') throw new AppError('cancelled', 'cancelled');
  if (failed !== undefined) throw failureError(failed);
};

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

async function runOne(
  plan: Plan,
  index: number,
  control: RunControl,
  context: EffectContext,
): Promise<Failure | undefined> {
  const { services, emit } = context;
  const { redactor } = services;
  const begun = Date.now();
  const title = titleOf(plan, context.getState());
  const journal = await services.history.open(title, plan, aboutOf(plan, context.getState()));
  const recorder = new RunRecorder(journal, (data) => redactor.redactData(data));
  const change = (part: Partial<Omit<RunItem, 'plan'>>) => emit({ type: 'run-item', index, change: part });
  const log = (level: 'info' | 'warning' | 'error', text: string) => {
    const line = { at: Date.now(), level, text: redactor.redact(text) };
    recorder.log(line);
    emit({ type: 'run-log', line });
  };
  change({ status: 'running', step: 'starting', historyId: journal.id });
  log('info', title);
  try {
    const outcome = await runPlan(plan, {
      connect: connectorFor(context, (step) => change({ step })),
      runId: journal.id,
      signal: control.signal,
      gate: control.gate,
      take: (bytes) => control.rate.take(bytes, control.signal),
      word: control.nextWord(),
      holding: (held) => {
        context.live.held += held ? 1 : -1;
      },
      emit: (event) => {
        recorder.take(event);
        tell(event, index, context, log);
      },
      password: (user) => newPassword(user, plan, context, control.signal),
      keepUndo: (undo) =>
        services.history.keepUndo(journal.id, undo).catch((error) => {
          const why = toFailure(error).message;
          log('warning', `the guest's changes can not be taken back later: ${why}`);
        }),
      undoOf: (run) => services.history.undoOf(run),
    });
    const { bytes, bytesWritten, places, started, warning } = outcome;
    const after = {
      ...(started === undefined ? {} : { started }),
      ...(warning === undefined ? {} : { warning }),
    };
    const seconds = secondsSince(begun);
    log('info', doneInWords(outcome, seconds));
    change({ status: 'done', step: '', places, bytes, seconds, ...redactor.redactData(after) });
    recorder.end();
    await journal.close({ outcome: 'done', bytes, bytesWritten, seconds, places, ...after });
    return undefined;
  } catch (error) {
    const failure = redactor.redactData(toFailure(error));
    const cancelled = failure.kind === 'cancelled';
    log(
      cancelled ? 'warning' : 'error',
      cancelled ? 'cancelled; nothing is left behind' : describeFailure(failure),
    );
    const disks = context.getState().run?.items[index]?.disks ?? [];
    const bytes = disks.reduce((sum, disk) => sum + disk.bytesDone, 0);
    const seconds = secondsSince(begun);
    change({ status: cancelled ? 'cancelled' : 'failed', step: '', failure, bytes, seconds });
    recorder.end();
    await journal.close({ outcome: cancelled ? 'cancelled' : 'failed', bytes, seconds, failure });
    return failure;
  }
}

type Log = (level: 'info' | 'warning' | 'error', text: string) => void;

/** What a conversion says, as events and lines of the log. */
function tell(
  event: ConversionEvent,
  index: number,
  { emit, getState, services }: EffectContext,
  log: Log,
): void {
  switch (event.type) {
    case 'step':
      log('info', event.text);
      return emit({ type: 'run-item', index, change: { step: event.text } });
    case 'log':
      return log(event.level, event.text);
    case 'disks':
    case 'verifying': {
      const disks = event.disks.map((disk) => ({ ...disk, bytesDone: 0, status: 'waiting' as const }));
      return emit({ type: 'run-item', index, change: { disks } });
    }
    case 'disk': {
      const disks = getState().run?.items[index]?.disks ?? [];
      const next = disks.map((disk) => {
        if (disk.id !== event.id) return disk;
        const bytesDone = event.status === 'done' ? disk.bytesTotal : disk.bytesDone;
        return { ...disk, status: event.status, bytesDone };
      });
      return emit({ type: 'run-item', index, change: { disks: next } });
    }
    case 'findings':
    case 'digest':
      return;
    case 'blocked':
      return emit({ type: 'run-item', index, change: { blockedBy: event.rules } });
    case 'changes': {
      const changes = services.redactor.redactData(event.changes);
      return emit({ type: 'run-item', index, change: { changes } });
    }
    case 'progress':
      return emit({ ...event, index });
    case 'pass': {
      const passes = [...(getState().run?.items[index]?.passes ?? []), event.pass];
      return emit({ type: 'run-item', index, change: { passes } });
    }
  }
}

/** Named `password-of:USER` among the secrets, else asked for; twice, as nobody sees what is typed. */
async function newPassword(
  user: string,
  plan: Plan,
  context: EffectContext,
  signal: AbortSignal,
): Promise<string> {
  const { givenSecrets, redactor, canAnswer } = context.services;
  const given = await givenSecrets.get(`password-of:${user}`)?.();
  if (given !== undefined) {
    redactor.add(given);
    return given;
  }
  if (!canAnswer) {
    throw new AppError('auth', `there is no new password for ${user}`, {
      hint: `give it with --secret password-of:${user}=env:NAME`,
    });
  }
  const from = plan.machine.name;
  const typed = await ask(context, { text: `New password for ${user}`, from, hidden: true }, signal);
  const again = await ask(context, { text: 'The same once more', from, hidden: true }, signal);
  if (typed === again) return typed;
  throw new AppError('auth', `the two passwords for ${user} are not the same`, { hint: 'start it again' });
}

/** At least a millisecond: a rate is made of it. */
const secondsSince = (started: number): number => Math.max(1, Date.now() - started) / 1000;

function doneInWords(outcome: Outcome, seconds: number): string {
  const rate = formatBytes(outcome.bytes / seconds);
  return `done: ${formatBytes(outcome.bytes)} read, ${formatBytes(outcome.bytesWritten)} written in ${formatDuration(seconds)} (${rate}/s)`;
}

function titleOf(plan: Plan, state: State): string {
  const { format, container } = plan.destination;
  const what = container === 'disks' ? format : container.toUpperCase();
  return `${plan.machine.name} to ${isFolder(plan) ? what : placeName(state, plan.destination)}`;
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

export const another: Effect<'another'> = async (_, { emit, getState, perform }) => {
  if (isActive(getState().run)) throw new AppError('conflict', 'a conversion is running');
  emit({ type: 'run-cleared' });
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
