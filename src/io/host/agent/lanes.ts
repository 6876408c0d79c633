/** Helpers at work for one host: one on each connection, the least busy is taken. */
import { AppError, toAppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { Tell, Tries } from '../../retrying.ts';
import type { SshConnection } from '../../ssh/connection.ts';
import { untilAborted } from '../abort-watch.ts';
import type { Host } from '../host.ts';
import type { SshLink } from '../ssh-link.ts';
import { startOverSsh } from '../ssh-running.ts';
import { type Agent, startAgent } from './agent.ts';
import { CompressionChoice } from './compression-choice.ts';
import { LaneTrial } from './lane-trial.ts';

export type Spawn = Host['spawn'];
export type Become = (spawn: Spawn) => Spawn;

/** From this delay on one connection's window (TCP's, some MiB) is what limits. */
const farMs = 4;
const veryFarMs = 20;
const mostBefore = 12 * MiB;
/** From this share of its time on this process is what limits. */
const busyShare = 0.75;
/** Where a further connection was refused, or broke, another is not tried for so long. */
const refusedMs = 30_000;

export interface LanesOptions {
  /** As whom the helper runs. */
  readonly become?: Become | undefined;
  readonly tell?: Tell | undefined;
}

export class Lanes {
  readonly compression = new CompressionChoice();
  readonly #link: SshLink;
  readonly #options: LanesOptions;
  readonly #agents: Agent[] = [];
  /** Of those that were made for more throughput. */
  readonly #extra = new Map<Agent, SshConnection>();
  readonly #trial = new LaneTrial();
  /** By helpers that are gone. */
  #crossedBefore = 0;
  #load = performance.eventLoopUtilization();
  /** What is not used any more, and has still something to answer. */
  readonly #retiring = new Set<Agent>();
  /** The host wanted no further ones: not before then again. */
  #notBefore = 0;
  readonly #queue: (() => void)[] = [];
  #starting: Promise<Agent | undefined> | undefined;
  #widening = false;
  #none = false;
  #closed = false;

  constructor(link: SshLink, options: LanesOptions = {}) {
    this.#link = link;
    this.#options = options;
  }

  /** See `SshLink`. */
  tries(): Tries {
    return this.#link.tries();
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
    this.#trial.begin();
    try {
      return await work(agent);
    } finally {
      this.#trial.end();
      agent.outstanding -= bytes;
      this.#closeIdle(agent);
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
    const spawn = this.#options.become?.(plain) ?? plain;
    const agent = await startAgent((args) => spawn(args, {}), connection.name);
    if (agent === undefined) return undefined;
    if (this.#closed) {
      agent.close();
      return agent;
    }
    this.#agents.push(agent);
    this.#wakeAll();
    void agent.lost.then((why) => {
      this.#leave(agent);
      const left = this.#agents.length;
      if (why.kind === 'unreachable' && left > 0)
        this.#options.tell?.(`${this.where}: ${why.message}; ${left} of its connections go on`);
    });
    return agent;
  }

  #leave(agent: Agent): void {
    const at = this.#agents.indexOf(agent);
    if (at >= 0) {
      this.#agents.splice(at, 1);
      this.#crossedBefore += agent.crossed;
    }
    const connection = this.#extra.get(agent);
    this.#extra.delete(agent);
    if (connection !== undefined) void this.#link.drop(connection);
    this.#wakeAll();
  }

  get count(): number {
    return this.#agents.length;
  }

  get roundTripMs(): number {
    return Math.min(...this.#agents.map((agent) => agent.roundTripMs), Number.MAX_VALUE);
  }

  /**
   * Much is going to cross: further connections are made in the background where the delay is long, or where they turn
   * out to carry more. Asked again and again.
   */
  widen(): void {
    const lanes = this.#agents.length;
    if (this.#widening || lanes === 0 || this.#closed) return;
    const byDelay = this.roundTripMs >= veryFarMs ? 4 : this.roundTripMs >= farMs ? 2 : 1;
    const byTrial = this.#trial.wanted({ lanes, crossed: this.#crossed, idle: () => this.#isIdle() });
    const wanted = Math.max(byDelay, byTrial);
    if (wanted > lanes && performance.now() >= this.#notBefore) void this.#add(wanted - lanes);
    else if (wanted < lanes) this.#retire(lanes - wanted);
  }

  get #crossed(): number {
    return this.#agents.reduce((sum, agent) => sum + agent.crossed, this.#crossedBefore);
  }

  #isIdle(): boolean {
    const before = this.#load;
    this.#load = performance.eventLoopUtilization();
    return performance.eventLoopUtilization(this.#load, before).utilization < busyShare;
  }

  async #add(count: number): Promise<void> {
    this.#widening = true;
    // Few enough for sshd, which refuses many who are not logged in yet (MaxStartups, 10).
    await Promise.all(
      Array.from({ length: count }, async () => {
        try {
          const connection = await this.#link.another();
          const agent = await this.#start(connection);
          if (agent !== undefined) this.#extra.set(agent, connection);
        } catch (error) {
          // The host does not want more of us; those that stand do the work.
          const isFinal = toAppError(error).kind === 'unsupported';
          this.#notBefore = isFinal ? Number.POSITIVE_INFINITY : performance.now() + refusedMs;
        }
      }),
    );
    this.#widening = false;
  }

  /** Those that brought nothing: closed when they have answered what they were asked. */
  #retire(count: number): void {
    for (const agent of [...this.#extra.keys()].slice(0, count)) {
      this.#retiring.add(agent);
      this.#agents.splice(this.#agents.indexOf(agent), 1);
      this.#crossedBefore += agent.crossed;
      this.#closeIdle(agent);
    }
  }

  #closeIdle(agent: Agent): void {
    if (agent.outstanding > 0 || !this.#retiring.delete(agent)) return;
    agent.close();
    this.#leave(agent);
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
    for (const agent of [...this.#agents, ...this.#retiring]) agent.close();
  }
}
