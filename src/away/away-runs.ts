/** `Runs` as the program has it: processes of its own program, found by their marks. */
import { spawn } from 'node:child_process';
import type { Socket } from 'node:net';
import { AppError, toAppError } from '../model/errors.ts';
import type { Event } from '../state/events.ts';
import type { RunLink, RunRequest, Runs } from '../state/runs.ts';
import type { LiveRun, Question, Run } from '../state/state.ts';
import { newRunId } from '../state/stores/run-id.ts';
import { sayLine } from './lines.ts';
import { liveMarks, type RunMark } from './marks.ts';
import { type Handover, protocolVersion } from './messages.ts';
import { connectTo, linkOver } from './run-link.ts';

export interface AwayOptions {
  /** Of the journals. */
  readonly folder: string;
  /** The program and its arguments, such that the id of a run after them begins that run. */
  readonly program: readonly [string, ...string[]];
}

/** A computer that is busy takes long to start a program. */
const startPatienceMs = 60_000;

/** The hidden command of the program. */
export const runProcessCommand = 'run-process';

export function awayRuns({ folder, program }: AwayOptions): Runs {
  const attach = async (id: string, hear: (event: Event) => void) => {
    const { socket, id: own } = await findRun(folder, id);
    return linkOver(await connectTo(socket, own), own, hear);
  };
  return {
    start: (request, hear) => start(program, request, hear),
    attach,
    async list() {
      return Promise.all((await liveMarks(folder)).map(look));
    },
  };
}

function start(
  [command, ...args]: readonly [string, ...string[]],
  request: RunRequest,
  hear: (event: Event) => void,
): Promise<RunLink> {
  const id = newRunId();
  // A session of its own: the end of the terminal is not told to it. Nothing goes by its arguments or environment.
  const child = spawn(command, [...args, id], {
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  child.unref();
  const pipe = child.stdio[3] as Socket;
  return new Promise((resolve, reject) => {
    child.once('error', (error) => reject(toAppError(error)));
    // When it ends at once, so does its pipe. One that does not answer must not begin after all.
    linkOver(pipe, id, hear, startPatienceMs).then(resolve, (error) => {
      child.kill('SIGKILL');
      reject(error);
    });
    sayLine(pipe, { type: 'handover', version: protocolVersion, id, request } satisfies Handover);
  });
}

/** By its id, or that of one of its machines in the history. */
async function findRun(folder: string, id: string): Promise<RunMark> {
  const marks = await liveMarks(folder);
  const own = marks.find((mark) => mark.id === id);
  if (own !== undefined) return own;
  for (const mark of marks) {
    const { history } = await look(mark);
    if (history.includes(id)) return mark;
  }
  throw new AppError('not-found', 'no run of this id lives in a process of its own', {
    where: id,
    hint: 'see "vmferry runs" for those that do, and "vmferry history" for those that have ended',
  });
}

/** What it says of itself now. */
async function look(mark: RunMark): Promise<LiveRun> {
  const seen: { run?: Run; question?: Question } = {};
  let link: RunLink | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      connectTo(mark.socket, mark.id)
        .then((socket) =>
          linkOver(socket, mark.id, (event) => {
            if (event.type === 'run-entered') seen.run = event.run;
            if (event.type === 'question' && event.question !== undefined) seen.question = event.question;
            // Its question comes with it.
            if (event.type === 'run-entered') setImmediate(resolve);
          }),
        )
        .then((opened) => {
          link = opened;
          return opened.ended;
        })
        .then(resolve, reject);
    });
  } catch {
    return silent(mark);
  } finally {
    link?.close();
  }
  return seen.run === undefined ? silent(mark) : liveRun(mark, seen.run, seen.question !== undefined);
}

const silent = ({ id, title, due }: RunMark): LiveRun => ({
  ...{ id, title, status: 'silent', startedAt: due, asks: false, history: [] },
  ...{ bytesDone: 0, bytesTotal: 0, rate: 0 },
});

function liveRun({ id, title }: RunMark, run: Run, asks: boolean): LiveRun {
  const { status, startedAt, bytesDone, bytesTotal, rate, secondsLeft, waiting, limit } = run;
  return {
    ...{ id, title, status, startedAt, bytesDone, bytesTotal, rate, asks },
    ...(secondsLeft === undefined ? {} : { secondsLeft }),
    ...(waiting === undefined ? {} : { waiting }),
    ...(limit === undefined ? {} : { limit }),
    history: run.items.flatMap(({ historyId }) => historyId ?? []),
  };
}
