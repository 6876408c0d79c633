/** One machine of a run: its journal, what its conversion is handed, and how its end is told. */

import { KeptChanges } from '../../convert/kept-changes.ts';
import { isFolder } from '../../convert/make-plan.ts';
import type { ConversionEvent, RunContext } from '../../convert/run-context.ts';
import type { Outcome, RunEnd, RunMember } from '../../convert/run-plan.ts';
import { AppError, describeFailure, type Failure, toFailure } from '../../model/errors.ts';
import { describeLeftover } from '../../model/leftover.ts';
import type { Plan } from '../../model/plan.ts';
import { formatBytes, formatDuration } from '../../model/units.ts';
import type { EffectContext } from '../dispatcher.ts';
import { aboutOf } from '../history/about.ts';
import { RunRecorder } from '../history/recorder.ts';
import type { RunControl } from '../run-control.ts';
import { placeName, type RunItem, type State } from '../state.ts';
import type { Left } from '../stores/history.ts';
import { bootId, ResumeWriter } from '../stores/resume-lines.ts';
import { connectorFor } from './connection.ts';
import { ask } from './questions.ts';

export interface BegunItem {
  readonly member: RunMember;
  /** Resolves to why it failed, if it did. */
  ended(end: RunEnd): Promise<Failure | undefined>;
}

/** `left`: what an earlier run has left, with which this one goes on. */
export async function beginItem(
  plan: Plan,
  index: number,
  control: RunControl,
  context: EffectContext,
  left: Left | undefined,
): Promise<BegunItem> {
  const { services, emit } = context;
  const { redactor } = services;
  const begun = Date.now();
  const named = await withProfiles(plan, context);
  const title = titleOf(plan, named);
  const journal = await services.history.open(title, plan, aboutOf(plan, named), left?.partsOf);
  const digests = services.history.digestFile(journal.id);
  const recorder = new RunRecorder(journal, (data) => redactor.redactData(data));
  const change = (part: Partial<Omit<RunItem, 'plan'>>) => emit({ type: 'run-item', index, change: part });
  const log = (level: 'info' | 'warning' | 'error', text: string) => {
    const line = { at: Date.now(), level, text: redactor.redact(text) };
    recorder.log(line);
    emit({ type: 'run-log', line });
  };
  let clean = true;
  change({ status: 'running', step: 'starting', historyId: journal.id });
  log('info', title);
  const before =
    left === undefined
      ? undefined
      : { resumption: left.resumption, claim: () => services.history.claim(left.id, journal.id) };
  const record = new ResumeWriter(journal, await bootId(), before);
  const own: RunContext = {
    connect: connectorFor(
      context,
      (step) => change({ step }),
      (text) => log('warning', text),
    ),
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
      if (event.type === 'leftovers') clean = false;
      tell(event, index, context, log);
    },
    password: (user) => newPassword(user, plan, context, control.signal),
    keepUndo: (undo) =>
      services.history.keepUndo(journal.id, undo).catch((error) => {
        const why = toFailure(error).message;
        log('warning', `the guest's changes can not be taken back later: ${why}`);
      }),
    undoOf: (run) => services.history.undoOf(run),
    digests,
    record,
    keptChanges: new KeptChanges(services.history.changesFolder(left?.partsOf ?? journal.id)),
    ...(left === undefined
      ? {}
      : {
          resumption: left.resumption,
          partsOf: left.partsOf,
          earlierDigests: () => services.history.digestsOf(left.id),
        }),
  };
  if (left !== undefined)
    log('info', `goes on with ${left.id}: ${formatBytes(left.bytes)} are there already`);
  const done = async (outcome: Outcome): Promise<undefined> => {
    const { bytes, bytesWritten, places, started, warning } = outcome;
    const after = {
      ...(started === undefined ? {} : { started }),
      ...(warning === undefined ? {} : { warning }),
    };
    const seconds = secondsSince(begun);
    log('info', doneInWords(outcome, seconds));
    change({ status: 'done', step: '', places, bytes, seconds, ...redactor.redactData(after) });
    recorder.end();
    await digests.close();
    await journal.close({ outcome: 'done', bytes, bytesWritten, seconds, places, ...after });
  };
  const failedWith = async (error: AppError): Promise<Failure> => {
    const failure = redactor.redactData(toFailure(error));
    const cancelled = failure.kind === 'cancelled';
    log(
      cancelled ? 'warning' : 'error',
      failure.message === 'cancelled' && clean
        ? 'cancelled; nothing is left behind'
        : describeFailure(failure),
    );
    const disks = context.getState().run?.items[index]?.disks ?? [];
    const bytes = disks.reduce((sum, disk) => sum + disk.bytesDone, 0);
    const seconds = secondsSince(begun);
    change({ status: cancelled ? 'cancelled' : 'failed', step: '', failure, bytes, seconds });
    recorder.end();
    await digests.close();
    await journal.close({ outcome: cancelled ? 'cancelled' : 'failed', bytes, seconds, failure });
    return failure;
  };
  return {
    member: { plan, context: own },
    ended: (end) => ('error' in end ? failedWith(end.error) : done(end.outcome)),
  };
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
    case 'leftovers':
      for (const left of event.leftovers) log('warning', describeLeftover(left));
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

/** Who has no screen has not loaded the profiles, whose names are those of the places. */
async function withProfiles(plan: Plan, { services, getState }: EffectContext): Promise<State> {
  const state = getState();
  const { source, destination } = plan;
  if (state.profiles.length > 0 || (source.profile ?? destination.profile) === undefined) return state;
  return { ...state, profiles: await services.profiles.list().catch(() => []) };
}

export function titleOf(plan: Plan, state: State): string {
  const { format, container } = plan.destination;
  const what = container === 'disks' ? format : container.toUpperCase();
  return `${plan.machine.name} to ${isFolder(plan) ? what : placeName(state, plan.destination)}`;
}
