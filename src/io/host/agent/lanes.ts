/** Helpers at work for one host: one on each connection, the least busy is taken. */
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import { untilAborted } from '../abort-watch.ts';
import type { Host } from '../host.ts';
import type { SshLink } from '../ssh-link.ts';
import { startOverSsh } from '../ssh-running.ts';
import { type Agent, startAgent } from './agent.ts';
import { CompressionChoice } from './compression-choice.ts';

export type Spawn = Host['spawn'];
export type Become = (spawn: Spawn) => Spawn;

/** From this delay on one connection's window (TCP's, some MiB) is what limits. */
const farMs = 4;
const veryFarMs = 20;
const mostBefore = 12 * MiB;

export class Lanes {
  readonly compression = new CompressionChoice();
  readonly #link: SshLink;
  readonly #become: Become | undefined;
  readonly #agents: Agent[] = [];
  readonly #queue: (() => void)[] = [];
  #starting: Promise<Agent | undefined> | undefined;
  #widening: Promise<void> | undefined;
  #none = false;
  #closed = false;

  /** `become` says as whom the helper runs. */
  constructor(link: SshLink, become?: Become) {
    this.#link = link;
    this.#become = become;
  }

  /** See `SshLink`. */
  isFinal(error: unknown): boolean {
    return this.#link.isFinal(error);
  }

  get where(): string {
    return this.#link.name;
  }

  /** A helper; undefined when there is nothing there to run it. @throws AppError `unreachable`, … */
  async agent(signal?: AbortSignal): Promise<Agent | undefined> {
    if (this.#agents.length > 0) return this.#leastBusy();
    if (this.#none) return undefined;
    this.#starting ??= this.#first().finally(() => {
      this.#starting = undefined;
    });
    this.#starting.catch(() => undefined); // whoever waits is told
    return untilAborted(this.#starting, signal);
  }

  #leastBusy(): Agent {
    return this.#agents.reduce((best, agent) => (agent.outstanding < best.outstanding ? agent : best));
  }

  /**
   * Hands `bytes` of work to the helper that is least busy. What a helper has before it is bounded: who joins later
   * takes the rest. @throws AppError `unreachable` when there is none any more, and as `work`.
   */
  async using<T>(
    bytes: number,
    signal: AbortSignal | undefined,
    work: (agent: Agent) => Promise<T>,
  ): Promise<T> {
    let agent = await this.agent(signal);
    while (agent !== undefined && agent.outstanding > 0 && agent.outstanding + bytes > mostBefore) {
      await untilAborted(new Promise<void>((resolve) => this.#queue.push(resolve)), signal).catch((error) => {
        this.#wake(); // the turn of who gives up is another's
        throw error;
      });
      agent = await this.agent(signal);
    }
    if (agent === undefined) throw new AppError('unreachable', 'the helper there can not be started again');
    agent.outstanding += bytes;
    try {
      return await work(agent);
    } finally {
      agent.outstanding -= bytes;
      this.#wake();
    }
  }

  #wakeAll(): void {
    for (const go of this.#queue.splice(0)) go();
  }

  #wake(): void {
    this.#queue.shift()?.();
  }

  async #first(): Promise<Agent | undefined> {
    const agent = await this.#start(await this.#link.current());
    this.#none = agent === undefined;
    return agent;
  }

  async #start(connection: SshConnection): Promise<Agent | undefined> {
    const plain: Spawn = (args, { signal } = {}) =>
      startOverSsh(connection, ['env', 'LC_ALL=C', ...args], { name: args[0]!, signal, wide: true });
    const spawn = this.#become?.(plain) ?? plain;
    const agent = await startAgent((args) => spawn(args, {}), connection.name);
    if (agent === undefined) return undefined;
    if (this.#closed) {
      agent.close();
      return agent;
    }
    this.#agents.push(agent);
    this.#wakeAll();
    void agent.lost.then(() => {
      const at = this.#agents.indexOf(agent);
      if (at >= 0) this.#agents.splice(at, 1);
      this.#wakeAll();
    });
    return agent;
  }

  get count(): number {
    return this.#agents.length;
  }

  get roundTripMs(): number {
    return Math.min(...this.#agents.map((agent) => agent.roundTripMs), Number.MAX_VALUE);
  }

  /** Much is going to cross: further connections are made in the background where the delay is long. */
  widen(): void {
    const wanted = this.roundTripMs >= veryFarMs ? 4 : this.roundTripMs >= farMs ? 2 : 1;
    if (this.#widening !== undefined || this.#agents.length === 0) return;
    if (this.#agents.length >= wanted) return;
    this.#widening = this.#add(wanted - this.#agents.length);
  }

  async #add(count: number): Promise<void> {
    // Few enough for sshd, which refuses many who are not logged in yet (MaxStartups, 10).
    await Promise.all(
      Array.from({ length: count }, async () => {
        try {
          await this.#start(await this.#link.another());
        } catch (error) {
          // The host does not want more of us; those that stand do the work.
          toAppError(error);
        }
      }),
    );
  }

  /** Such as "python helper, 2 connections, zlib". */
  describe(): string {
    const [agent] = this.#agents;
    if (agent === undefined) return this.#none ? 'SFTP' : 'no helper yet';
    const connections = this.#agents.length === 1 ? '1 connection' : `${this.#agents.length} connections`;
    return `${agent.language} helper, ${connections}${this.compression.on ? ', zlib' : ''}`;
  }

  close(): void {
    this.#closed = true;
    for (const agent of [...this.#agents]) agent.close();
  }
}
