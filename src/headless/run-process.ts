/**
 * The process of one run, begun by `away/away-runs.ts`: all that it needs comes over the pipe, and whoever is at the
 * other end of that is the first to look at it.
 */
import { Socket } from 'node:net';
import { onLines, sayLine } from '../away/lines.ts';
import { liveMarks, type RunMark, removeMark, writeMark } from '../away/marks.ts';
import { type Handover, longestSaid, protocolVersion } from '../away/messages.ts';
import { RunServer } from '../away/run-server.ts';
import { ensureRuns } from '../away/socket-place.ts';
import { takeTurn } from '../away/turn.ts';
import { type Composed, compose } from '../compose.ts';
import { AppError, type Failure, toFailure } from '../model/errors.ts';
import { titleOf } from '../state/effects/run-item.ts';
import { aboutOf } from '../state/history/about.ts';
import type { Waiting } from '../state/state.ts';
import { storePaths } from '../state/stores/paths.ts';
import { ownMark } from '../state/stores/process-mark.ts';
import { exitCode } from './exit-codes.ts';

/** Of `away-runs.ts`: the fourth of the child's streams. */
const pipeDescriptor = 3;
const endPatienceMs = 10_000;

/** Resolves to the exit code, which nobody looks at. */
export async function runProcess(id: string): Promise<number> {
  process.on('SIGHUP', () => undefined);
  const pipe = new Socket({ fd: pipeDescriptor });
  pipe.on('error', () => undefined); // who began it has left
  const { runs } = storePaths();
  let begun: Begun;
  try {
    begun = await begin(await handedOver(pipe, id), runs);
  } catch (error) {
    sayLine(pipe, { type: 'failed', failure: toFailure(error) });
    await new Promise<void>((resolve) => pipe.end(() => resolve()));
    return exitCode(toFailure(error));
  }
  const { composed, server, handover, mark } = begun;
  const release = guard(composed);
  server.adopt(pipe);
  const { plans, when } = handover.request;
  const failure = await composed.dispatcher.perform({ type: 'run', plans, when }).then(
    () => undefined,
    (error) => toFailure(error),
  );
  if (failure !== undefined) await leaveTrace(begun, failure);
  await composed.dispatcher.perform({ type: 'terminate' });
  await removeMark(runs, mark).catch(() => undefined); // who looks next sees that we are gone, and removes it
  await server.close();
  release();
  return exitCode(failure);
}

/** What ended before its first journal was begun would be in no list: cancelled while it waited, or a mistake of ours. */
async function leaveTrace({ composed, handover, mark }: Begun, failure: Failure): Promise<void> {
  const { dispatcher, services } = composed;
  if (dispatcher.getState().run?.items.some(({ historyId }) => historyId !== undefined)) return;
  const journal = await services.history.open(mark.title, handover.request.plans[0]);
  await journal.close({ outcome: failure.kind === 'cancelled' ? 'cancelled' : 'failed', failure });
}

interface Begun {
  readonly composed: Composed;
  readonly server: RunServer;
  readonly handover: Handover;
  readonly mark: RunMark;
}

function handedOver(pipe: Socket, id: string): Promise<Handover> {
  return new Promise((resolve, reject) => {
    const none = () =>
      reject(new AppError('usage', 'nothing was handed over', { hint: 'use "vmferry run --detach"' }));
    pipe.once('close', none);
    onLines(pipe, longestSaid, (value) => {
      const handover = value as Handover;
      pipe.off('close', none);
      pipe.removeAllListeners('data');
      if (handover.version === protocolVersion && handover.id === id) resolve(handover);
      else
        reject(
          new AppError('unsupported', 'the program has become another version meanwhile', {
            hint: 'start it anew',
          }),
        );
    });
  });
}

/** @throws AppError when the run could not be found again: where nothing can be written, or no socket be made. */
async function begin(handover: Handover, runs: string): Promise<Begun> {
  const { id, request } = handover;
  const { plans, secrets, profiles } = request;
  await ensureRuns(runs);
  let begun: Begun | undefined;
  const composed = await compose({
    canAsk: false,
    // Whoever looks at it answers; until then a question waits.
    canAnswer: true,
    say: (text) => begun?.server.tell({ type: 'notice', notice: { level: 'warning', text } }),
    own: { id, secrets, profiles, turn: (signal, tell) => turn(begun!, runs, signal, tell) },
  });
  const { dispatcher } = composed;
  const server = new RunServer({
    id,
    getState: dispatcher.getState,
    perform: (wish) => dispatcher.perform(wish),
  });
  dispatcher.watch((event) => server.tell(event));
  const socket = await server.listen(runs);
  const names = plans.map((plan) => plan.machine.name).join(', ');
  const mark = {
    ...{ version: 1 as const, id, ...(await ownMark()), socket },
    ...{ turn: 'waiting' as const, due: Date.now(), title: names.slice(0, 200) },
  };
  await writeMark(runs, mark);
  begun = { composed, server, handover, mark };
  return begun;
}

/** While it waits it is in the history already: killed then, it is not forgotten, and can be run again. */
async function turn(
  { composed, handover, mark }: Begun,
  runs: string,
  signal: AbortSignal,
  tell: (waiting: Waiting) => void,
): Promise<void> {
  const { services, dispatcher } = composed;
  const { plans, when } = handover.request;
  let begun = when.resumes !== undefined;
  await takeTurn(
    {
      own: mark,
      atOnce: when.atOnce ?? (await services.preferences.load()).runsAtOnce,
      at: when.at,
      marks: () => liveMarks(runs),
      write: (next) => writeMark(runs, next),
      tell(waiting) {
        const state = dispatcher.getState();
        if (!begun) services.history.begin(titleOf(plans[0]!, state), plans[0], aboutOf(plans[0]!, state));
        begun = true;
        tell(waiting);
      },
      now: Date.now,
      pause,
    },
    signal,
  );
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end, { once: true });
  });
}

/** A computer that goes down sends a signal: what can be gone on with stays. It does so, too, after a mistake of ours. */
function guard({ dispatcher, outside }: Composed): () => void {
  const end = (code: number) => {
    void dispatcher.perform({ type: 'terminate', keep: true });
    setTimeout(() => process.exit(code), endPatienceMs).unref();
  };
  const stop = () => end(130);
  const thrown = (error: unknown) => {
    if (outside.strays.ownerOf(error) === undefined) end(1);
  };
  const signals = ['SIGINT', 'SIGTERM'] as const;
  for (const signal of signals) process.on(signal, stop);
  process.on('uncaughtException', thrown);
  process.on('unhandledRejection', thrown);
  return () => {
    for (const signal of signals) process.off(signal, stop);
  };
}
