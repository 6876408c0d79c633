/** Runs in processes of their own: begun, entered, left, listed, steered. */
import { AppError, describeFailure, failureError, toFailure } from '../../model/errors.ts';
import type { Plan } from '../../model/plan.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { Event } from '../events.ts';
import type { RunLink, RunRequest, RunSecrets, Runs, RunWhen } from '../runs.ts';
import { profileAccount } from '../secrets/secret-store.ts';
import { isActive, type Profile, type Question, type Run } from '../state.ts';
import { put } from './questions.ts';

export const runAway: Effect<'run-away'> = async ({ plans, when }, context) => {
  const link = await runsOf(context).start(await requestFor(plans, when, context), () => undefined);
  link.close();
  context.emit({ type: 'run-left', id: link.id });
};

export const attach: Effect<'attach'> = async ({ id }, context) => {
  if (isActive(context.getState().run)) {
    throw new AppError('conflict', 'another run is on the screen', { hint: 'leave it first' });
  }
  await stay(await enter((hear) => runsOf(context).attach(id, hear), context), context);
};

export const detach: Effect<'detach'> = async (_, { live, emit, perform }) => {
  if (live.away === undefined) {
    throw new AppError('conflict', 'it runs inside of this program, and ends with it');
  }
  const { id, close } = live.away;
  close();
  // It is among them where it was.
  await perform({ type: 'runs' });
  emit({ type: 'run-left', id });
  const text = `it goes on by itself; it is entered again here, or by: vmferry attach ${id}`;
  emit({ type: 'notice', notice: { level: 'info', text } });
};

export const list: Effect<'runs'> = async (_, context) => {
  context.emit({ type: 'live-runs', runs: (await context.services.runs?.list()) ?? [] });
};

export const steer: Effect<'steer-run'> = async ({ id, wish }, context) => {
  const link = await runsOf(context).attach(id, () => undefined);
  link.send(wish);
  link.close();
};

/**
 * Begins a run and stays with it. False: there can be no process for it, as where nothing can be written to the folder of
 * the journals; the log says why.
 * @throws AppError how it ended, as a run in here would.
 */
export async function runThere(
  plans: readonly Plan[],
  when: RunWhen | undefined,
  context: EffectContext,
): Promise<boolean> {
  const { emit, services, signal } = context;
  const request = await requestFor(plans, when, context);
  let entered: Entered;
  try {
    entered = await enter((hear) => runsOf(context).start(request, hear), context);
  } catch (error) {
    const why = services.redactor.redact(describeFailure(toFailure(error)));
    const text = `it runs inside of this program, and ends with it: ${why}`;
    emit({ type: 'run-log', line: { at: Date.now(), level: 'warning', text } });
    return false;
  }
  // The program ended before the run had begun.
  if (signal.aborted) entered.link.send({ type: 'cancel' });
  await stay(entered, context);
  return true;
}

function runsOf({ services }: EffectContext): Runs {
  if (services.runs !== undefined) return services.runs;
  throw new AppError('unsupported', 'runs have no processes of their own here');
}

interface Entered {
  readonly link: RunLink;
  readonly questions: ReturnType<typeof questionsOf>;
}

/** From here on what the run tells is told here, too. */
async function enter(
  open: (hear: (event: Event) => void) => Promise<RunLink>,
  context: EffectContext,
): Promise<Entered> {
  let link: RunLink | undefined;
  const questions = questionsOf(context, () => link);
  link = await open((event) => {
    if (event.type === 'question') questions.show(event.question);
    else context.emit(event);
  });
  return { link, questions };
}

/** Until it ends or is left. @throws AppError how it ended, as a run in here would. */
async function stay({ link, questions }: Entered, context: EffectContext): Promise<void> {
  const { live, getState, signal, services } = context;
  live.away = link;
  signal.addEventListener('abort', link.close, { once: true });
  if (signal.aborted) link.close();
  try {
    await link.ended;
  } catch (error) {
    if (isActive(getState().run)) lost(error, context);
    throw error;
  } finally {
    signal.removeEventListener('abort', link.close);
    questions.show(undefined);
    if (live.away === link) delete live.away;
    if (!signal.aborted && services.interactive) await context.perform({ type: 'history' });
  }
  const { run } = getState();
  if (run?.away === link.id) throwOutcome(run);
}

/** @throws AppError of the first machine that failed. */
function throwOutcome({ status, items }: Run): void {
  if (status === 'cancelled') throw new AppError('cancelled', 'cancelled');
  const failed = items.find((item) => item.status === 'failed');
  if (status === 'failed' && failed?.failure !== undefined) throw failureError(failed.failure);
}

/** Its process has ended without a word: the run is over, and this is what is known of it. */
function lost(error: unknown, { emit, getState }: EffectContext): void {
  const failure = toFailure(error);
  for (const [index, { status }] of (getState().run?.items ?? []).entries()) {
    if (status === 'running')
      emit({ type: 'run-item', index, change: { status: 'failed', step: '', failure } });
  }
  emit({ type: 'run-status', status: 'failed', at: Date.now() });
}

/** A question of the run is put as if it were one of our own; its answer goes back to it. */
function questionsOf(context: EffectContext, link: () => RunLink | undefined) {
  let withdrawn = new AbortController();
  return {
    show(question: Question | undefined): void {
      withdrawn.abort();
      if (question === undefined) return;
      withdrawn = new AbortController();
      const { signal } = withdrawn;
      const { id, ...asked } = question;
      void put(context, asked, signal).then(({ yes, text }) => {
        if (signal.aborted) return;
        if (text !== undefined) context.services.redactor.add(text);
        link()?.send({ type: 'answer', id, yes, ...(text === undefined ? {} : { text }) });
      });
    },
  };
}

async function requestFor(
  plans: readonly Plan[],
  when: RunWhen = {},
  context: EffectContext,
): Promise<RunRequest> {
  if (plans.length === 0)
    throw new AppError('usage', 'there is nothing to run', { hint: 'choose a machine first' });
  const named = new Set(profilesIn(plans));
  const profiles = (await context.services.profiles.list())
    .filter(({ id }) => named.has(id))
    .map(({ createdAt: _, ...profile }): Profile => profile);
  return { plans, when, profiles, secrets: await secretsFor(profiles, context) };
}

/** Wherever a plan names one. */
function profilesIn(data: unknown): string[] {
  if (typeof data !== 'object' || data === null) return [];
  return Object.entries(data).flatMap(([key, value]) =>
    key === 'profile' && typeof value === 'string' ? [value] : profilesIn(value),
  );
}

/** What can't be opened now is left out: the run's process asks its own store, and says why it can't either. */
async function secretsFor(profiles: readonly Profile[], { services }: EffectContext): Promise<RunSecrets> {
  const given: Record<string, string> = {};
  for (const [field, read] of services.givenSecrets) given[field] = await read();
  const kept: Record<string, string> = {};
  for (const { id, secretFields } of profiles) {
    for (const field of secretFields) {
      const secret = await services.secrets.get(id, field).catch(() => undefined);
      if (secret !== undefined) kept[profileAccount(id, field)] = secret;
    }
  }
  return { given, kept };
}
