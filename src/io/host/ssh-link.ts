/** The way to a host: its connection, made again when it was lost, and further ones for more throughput. */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { untilAborted } from './abort-watch.ts';

/** How long a lost connection is worked for. */
export interface Persistence {
  /** Before each try, milliseconds. */
  readonly pausesMs: readonly number[];
  /** All tries together; a host that drops packets lets each one wait. */
  readonly roundMs: number;
  /** Once a round was in vain: a single try, for whoever has something to tidy up. */
  readonly laterMs: number;
}

const usual: Persistence = {
  pausesMs: [0, 500, 1000, 2000, 4000, 8000, 12_000],
  roundMs: 30_000,
  laterMs: 5_000,
};

export class SshLink {
  readonly name: string;
  #main: SshConnection;
  #lost: AppError | undefined;
  #again: Promise<SshConnection> | undefined;
  /** What the last round of tries ended with; undefined while a connection stands. */
  #gaveUp: AppError | undefined;
  readonly #persistence: Persistence;
  readonly #extra = new Set<SshConnection>();
  readonly #closing = new AbortController();

  constructor(connection: SshConnection, persistence: Persistence = usual) {
    this.#persistence = persistence;
    this.name = connection.name;
    this.#main = connection;
    this.#watch(connection);
  }

  #watch(connection: SshConnection): void {
    void connection.lost.then((why) => {
      if (this.#main === connection) this.#lost = why;
    });
  }

  /** A connection that stands, as far as is known. @throws AppError `unreachable`, `auth`, `cancelled`. */
  async current(signal?: AbortSignal): Promise<SshConnection> {
    if (this.#lost === undefined || this.#closing.signal.aborted) return this.#main;
    this.#again ??= this.#reconnect(this.#lost).finally(() => {
      this.#again = undefined;
    });
    this.#again.catch(() => undefined); // whoever waits is told
    return untilAborted(this.#again, signal);
  }

  /** It is the error of a host that could not be reached again: another try now is in vain. */
  isFinal(error: unknown): boolean {
    return error === this.#gaveUp;
  }

  async #reconnect(why: AppError): Promise<SshConnection> {
    const { pausesMs, roundMs, laterMs } = this.#persistence;
    const isLater = this.#gaveUp !== undefined;
    const limit = AbortSignal.timeout(isLater ? laterMs : roundMs);
    const signal = AbortSignal.any([this.#closing.signal, limit]);
    let last = why;
    for (const pause of isLater ? [0] : pausesMs) {
      try {
        await wait(pause, undefined, { signal });
        const connection = await this.#main.another(signal);
        this.#main = connection;
        this.#lost = undefined;
        this.#gaveUp = undefined;
        this.#watch(connection);
        return connection;
      } catch (error) {
        const failed = toAppError(error);
        if (limit.aborted && !this.#closing.signal.aborted) break;
        last = failed;
        if (last.kind !== 'unreachable') throw last;
      }
    }
    const then = last === why ? 'the host does not answer' : last.message;
    this.#gaveUp = new AppError('unreachable', `${why.message}; and it could not be made again: ${then}`, {
      where: this.name,
      hint: last.hint ?? 'check the host and the network, then try again',
      cause: last,
    });
    throw this.#gaveUp;
  }

  /** One more. It is closed with the link. @throws AppError `unsupported` where somebody would be asked for it. */
  async another(): Promise<SshConnection> {
    const { signal } = this.#closing;
    if (this.#main.asks) {
      throw new AppError('unsupported', 'a further connection would be asked for', { where: this.name });
    }
    const connection = await this.#main.another(signal);
    if (signal.aborted) await connection.close();
    this.#extra.add(connection);
    void connection.lost.then(() => this.#extra.delete(connection));
    return connection;
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#main, ...this.#extra].map((connection) => connection.close()));
  }
}
