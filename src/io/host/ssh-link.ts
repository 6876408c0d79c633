/** The way to a host: its connection, made again when it was lost, and further ones for more throughput. */
import { AppError, toAppError } from '../../model/errors.ts';
import { type Persistence, type Tell, Tries, usualPersistence } from '../retrying.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { untilAborted } from './abort-watch.ts';

export interface LinkOptions extends Partial<Persistence> {
  /** Once all tries were in vain: a single one, for whoever has something to tidy up. Default 5 s. */
  readonly laterMs?: number;
  readonly tell?: Tell | undefined;
}

/** What works on it is lost without anything having come from it: so often it is started again. */
const pausesOfPiece = [0, 0, 200, 1000, 3000, 10_000];

export class SshLink {
  readonly name: string;
  #main: SshConnection;
  #lost: AppError | undefined;
  #again: Promise<SshConnection> | undefined;
  /** What the last round of tries ended with; undefined while a connection stands. */
  #gaveUp: AppError | undefined;
  readonly #options: LinkOptions;
  readonly #extra = new Set<SshConnection>();
  readonly #closing = new AbortController();

  constructor(connection: SshConnection, options: LinkOptions = {}) {
    this.#options = options;
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

  /**
   * For one piece of work that any connection can do. That the link itself is lost is told, and worked for, in `current`.
   */
  tries(): Tries {
    return new Tries({
      pausesMs: pausesOfPiece,
      again: (error) => error.kind === 'unreachable' && !this.isFinal(error),
    });
  }

  async #reconnect(why: AppError): Promise<SshConnection> {
    const { laterMs = 5_000, tell, ...persistence } = this.#options;
    const roundMs = this.#gaveUp === undefined ? (persistence.roundMs ?? usualPersistence.roundMs) : laterMs;
    // A host that drops packets lets each try wait: all together are bounded.
    const limit = AbortSignal.timeout(roundMs);
    const signal = AbortSignal.any([this.#closing.signal, limit]);
    const tries = new Tries({ ...persistence, tell: (text) => tell?.(`${this.name}: ${text}`) });
    let failed = why;
    try {
      if (this.#gaveUp !== undefined) return this.#stands(await this.#main.another(signal));
      for (;;) {
        await tries.failed(failed, signal);
        try {
          const connection = this.#stands(await this.#main.another(signal));
          tries.progress();
          return connection;
        } catch (error) {
          if (signal.aborted) throw error;
          failed = toAppError(error);
        }
      }
    } catch (error) {
      const last = toAppError(error);
      if (this.#closing.signal.aborted || !(limit.aborted || last.kind === 'unreachable')) throw error;
      throw this.#inVain(why, limit.aborted ? failed : last, roundMs);
    }
  }

  #stands(connection: SshConnection): SshConnection {
    this.#main = connection;
    this.#lost = undefined;
    this.#gaveUp = undefined;
    this.#watch(connection);
    return connection;
  }

  #inVain(why: AppError, last: AppError, roundMs: number): AppError {
    const then = last === why ? `the host did not answer for ${Math.ceil(roundMs / 1000)} s` : last.message;
    this.#gaveUp = new AppError('unreachable', `${why.message}; and it could not be made again: ${then}`, {
      where: this.name,
      hint: last.hint ?? 'check the host and the network, then try again',
      cause: last,
    });
    return this.#gaveUp;
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

  /** Closes one of those. Never throws. */
  async drop(connection: SshConnection): Promise<void> {
    this.#extra.delete(connection);
    await connection.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([this.#main, ...this.#extra].map((connection) => connection.close()));
  }
}
