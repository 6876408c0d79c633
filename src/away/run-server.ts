/** The side of the run: tells everybody who is attached, and hears their wishes. */
import { createServer, type Server, type Socket } from 'node:net';
import { AppError, describeFailure, toAppError, toFailure } from '../model/errors.ts';
import type { Event } from '../state/events.ts';
import type { RunWish } from '../state/runs.ts';
import type { State } from '../state/state.ts';
import { onLines, sayLine } from './lines.ts';
import { isTold, longestWished, protocolVersion, type Said, wishOf } from './messages.ts';
import { removePlace, socketPlaces } from './socket-place.ts';

/** Who reads slowly is not told each step of a bar. */
const behindBytes = 256 * 1024;
/** How long those who are attached are waited for when all is said. */
const patienceMs = 2000;

export interface ServedRun {
  readonly id: string;
  getState(): State;
  /** @throws AppError */
  perform(wish: RunWish): Promise<void>;
}

export class RunServer {
  readonly #run: ServedRun;
  readonly #attached = new Set<Socket>();
  #server: Server | undefined;

  constructor(run: ServedRun) {
    this.#run = run;
  }

  /** Resolves to the socket's path. @throws AppError when there is no place for one. */
  async listen(runs: string): Promise<string> {
    let failed: unknown;
    for (const place of await socketPlaces(runs, this.#run.id)) {
      let path = '';
      try {
        path = await place();
        this.#server = await listening(path, (socket) => this.adopt(socket));
        return path;
      } catch (error) {
        // Such as a file system without sockets: there are other places.
        await removePlace(path, this.#run.id);
        failed = error;
      }
    }
    throw toAppError(failed);
  }

  /** Tells the whole state first. */
  adopt(socket: Socket): void {
    const { id } = this.#run;
    this.#attached.add(socket);
    socket.on('error', () => undefined); // it has left
    socket.on('close', () => this.#attached.delete(socket));
    onLines(socket, longestWished, (value) => this.#hear(value, socket));
    say(socket, { type: 'hello', version: protocolVersion, id });
    const { run, question } = this.#run.getState();
    if (run !== undefined)
      say(socket, {
        ...{ type: 'state', run: { ...run, away: id } },
        ...(question === undefined ? {} : { question }),
      });
  }

  tell(event: Event): void {
    if (!isTold(event) || this.#attached.size === 0) return;
    // Who is attached since before its beginning.
    if (event.type === 'run-started') return this.#tellAll();
    for (const socket of this.#attached) {
      if (event.type === 'progress' && socket.writableLength > behindBytes) continue;
      say(socket, { type: 'event', event });
    }
  }

  #tellAll(): void {
    const { run } = this.#run.getState();
    for (const socket of this.#attached)
      if (run !== undefined) say(socket, { type: 'state', run: { ...run, away: this.#run.id } });
  }

  #hear(value: unknown, socket: Socket): void {
    const wish = wishOf(value);
    const done =
      wish === undefined
        ? Promise.reject(new AppError('unsupported', 'this wish is not known to the run'))
        : this.#run.perform(wish);
    done.catch((error) => {
      const text = describeFailure(toFailure(error));
      say(socket, { type: 'event', event: { type: 'notice', notice: { level: 'warning', text } } });
    });
  }

  /** Says that it has ended, and waits until that is read; not for ever. */
  async close(): Promise<void> {
    this.#server?.close();
    const closed = [...this.#attached].map(
      (socket) => new Promise<void>((resolve) => socket.once('close', () => resolve())),
    );
    for (const socket of this.#attached) {
      say(socket, { type: 'ended' });
      socket.end();
    }
    const late = new Promise<void>((resolve) => setTimeout(resolve, patienceMs).unref());
    await Promise.race([Promise.all(closed), late]);
    for (const socket of this.#attached) socket.destroy();
  }
}

const say = (socket: Socket, said: Said): void => sayLine(socket, said);

/** The socket is made with mode 0600: it is bound within `listen`, under this mask alone. */
function listening(path: string, connected: (socket: Socket) => void): Promise<Server> {
  const server = createServer(connected);
  return new Promise((resolve, reject) => {
    const mask = process.umask(0o177);
    try {
      server.once('error', reject);
      server.listen(path, () => resolve(server));
    } finally {
      process.umask(mask);
    }
  });
}
