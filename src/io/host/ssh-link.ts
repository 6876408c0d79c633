/** The way to a host: its connection, made again when it was lost, and further ones for more throughput. */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import type { SshConnection } from '../ssh/connection.ts';
import { untilAborted } from './abort-watch.ts';

/** Before each try, milliseconds: about half a minute in all. */
const pausesMs = [0, 500, 1000, 2000, 4000, 8000, 12_000];

export class SshLink {
  readonly name: string;
  #main: SshConnection;
  #lost: AppError | undefined;
  #again: Promise<SshConnection> | undefined;
  readonly #extra = new Set<SshConnection>();
  readonly #closing = new AbortController();

  constructor(connection: SshConnection) {
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

  async #reconnect(why: AppError): Promise<SshConnection> {
    const { signal } = this.#closing;
    let last = why;
    for (const pause of pausesMs) {
      await wait(pause, undefined, { signal }).catch((error) => {
        throw toAppError(error);
      });
      try {
        const connection = await this.#main.another(signal);
        this.#main = connection;
        this.#lost = undefined;
        this.#watch(connection);
        return connection;
      } catch (error) {
        last = toAppError(error);
        if (last.kind !== 'unreachable') throw last;
      }
    }
    throw new AppError('unreachable', `${why.message}; and it could not be made again: ${last.message}`, {
      where: this.name,
      hint: last.hint ?? 'check the host and the network, then try again',
      cause: last,
    });
  }

  /** One more. It is closed with the link. */
  async another(): Promise<SshConnection> {
    const { signal } = this.#closing;
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
