/** The side of who looks at a run. */
import { connect, type Socket } from 'node:net';
import { AppError, failureError, toFailure } from '../model/errors.ts';
import type { Event } from '../state/events.ts';
import type { RunLink } from '../state/runs.ts';
import { onLines, sayLine } from './lines.ts';
import { isTold, longestSaid, protocolVersion, type Said } from './messages.ts';

/** A process that is there answers at once, unless it is stopped. */
const usualPatienceMs = 5000;

/** @throws AppError `unreachable`. */
export function connectTo(path: string, id: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => resolve(socket));
    socket.once('error', (cause) =>
      reject(
        new AppError('unreachable', `the process of run ${id} can't be reached`, { where: path, cause }),
      ),
    );
  });
}

/**
 * Resolves when the run has said who it is.
 * @throws AppError `unreachable`, `unsupported`, and what the run itself says why it can't be begun.
 */
export function linkOver(
  socket: Socket,
  id: string,
  hear: (event: Event) => void,
  patienceMs = usualPatienceMs,
): Promise<RunLink> {
  let left = false;
  let over = false;
  const close = () => {
    left = true;
    // What was wished is still said.
    socket.destroySoon();
  };
  return new Promise((greeted, refused) => {
    const timer = setTimeout(
      () => fail(new AppError('unreachable', `run ${id} does not answer`)),
      patienceMs,
    );
    const fail = (error: unknown) => {
      clearTimeout(timer);
      refused(error);
      socket.destroy();
    };
    const ended = new Promise<void>((done, lost) => {
      let reason: Error | undefined;
      socket.on('error', (error) => {
        reason = error;
      });
      socket.on('close', () => {
        clearTimeout(timer);
        if (left || over) done();
        else lost(withoutAWord(id, reason));
      });
    });
    ended.catch(refused); // once it was greeted this does nothing
    onLines(socket, longestSaid, (value) => {
      const said = value as Said;
      if (left) return;
      if (said.type === 'hello') {
        if (said.version !== protocolVersion) return fail(otherVersion(id));
        clearTimeout(timer);
        greeted({ id, ended, close, send: (wish) => sayLine(socket, { type: 'wish', wish }) });
      }
      if (said.type === 'failed') fail(failureError(said.failure));
      if (said.type === 'ended') over = true;
      for (const event of eventsOf(said)) hear(event);
    });
  });
}

function eventsOf(said: Said): Event[] {
  if (said.type === 'event') return isTold(said.event) ? [said.event] : [];
  if (said.type !== 'state') return [];
  const { run, question } = said;
  return [
    { type: 'run-entered', run },
    ...(question === undefined ? [] : [{ type: 'question', question } as const]),
  ];
}

function withoutAWord(id: string, cause: Error | undefined): AppError {
  return new AppError('io', `the process of run ${id} has ended without a word`, {
    ...{
      hint: `it was killed, or the computer ran out of memory; see "vmferry history ${id}" and "vmferry resume"`,
    },
    ...(cause === undefined ? {} : { cause: toFailure(cause) }),
  });
}

const otherVersion = (id: string): AppError =>
  new AppError('unsupported', `run ${id} was begun by another version of vmferry`, {
    hint: 'look at it with that one, or wait for its end',
  });
