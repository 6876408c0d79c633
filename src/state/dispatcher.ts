/**
 * The one in-process event loop. Commands are wishes: each starts an effect. Effects emit events: facts. `reduce`
 * makes the next state of each fact, and subscribers are told. Nothing here knows a screen.
 */
import type { Session } from '../env-plugins/plugin.ts';
import { AppError, describeFailure, failureError, toAppError, toFailure } from '../model/errors.ts';
import type { Command } from './commands.ts';
import { effects } from './effects/index.ts';
import type { PendingQuestion } from './effects/questions.ts';
import type { Event } from './events.ts';
import type { DispatcherPort } from './port.ts';
import { initialState, reduce } from './reduce.ts';
import type { RunControl } from './run-control.ts';
import type { RunLink } from './runs.ts';
import type { Services } from './services.ts';
import type { State } from './state.ts';

export interface LiveSession {
  readonly session: Session;
  readonly environment: string;
  readonly profile?: string;
  readonly settings: Readonly<Record<string, string>>;
}

/** What effects hold between two commands: never part of the state. */
export interface Live {
  session?: LiveSession;
  destination?: LiveSession;
  run?: RunControl;
  /** The run on the screen, where it lives in a process of its own. */
  away?: RunLink;
  /** Machines of a source that something was done to that must be undone. */
  held: number;
  /** In the order of their asking; the first one is on the screen. */
  readonly questions: Map<number, PendingQuestion>;
  nextQuestion: number;
}

export interface EffectContext {
  readonly services: Services;
  readonly live: Live;
  /** Aborted when a newer command of the same lane comes, and at the end. */
  readonly signal: AbortSignal;
  getState(): State;
  emit(event: Event): void;
  /** Another command as part of this one. @throws AppError what that one throws. */
  perform(command: Command): Promise<void>;
  /** Ends what runs in a lane, as a newer command would. */
  abort(lane: Lane): void;
}

/** Commands of one lane replace each other: the latest wins. */
export type Lane =
  | 'connect'
  | 'destination'
  | 'list'
  | 'watch'
  | 'check'
  | 'judge'
  | 'serve'
  | 'plan'
  | 'test'
  | 'runs'
  | 'run';

export type Effect<T extends Command['type'] = Command['type']> = (
  command: Extract<Command, { type: T }>,
  context: EffectContext,
) => Promise<void> | void;

/** How long a terminate waits for effects to let go, milliseconds. */
const patience = 5000;

export class Dispatcher implements DispatcherPort {
  readonly #services: Services;
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<(event: Event) => void>();
  readonly #running = new Set<Promise<void>>();
  readonly #lanes = new Map<Lane, AbortController>();
  readonly #ended = new AbortController();
  readonly #live: Live = { questions: new Map(), nextQuestion: 1, held: 0 };
  #state: State;
  #ending: Promise<void> | undefined;

  /** `known`: what somebody else has looked up already. */
  constructor(services: Services, known: Partial<Pick<State, 'profiles'>> = {}) {
    this.#services = services;
    this.#state = { ...initialState, catalog: services.catalog, ...known };
  }

  getState = (): State => this.#state;

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Every event, for the journal of `--json` and for tests. */
  watch(watcher: (event: Event) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** For screens: a failure becomes a notice. */
  async dispatch(command: Command): Promise<void> {
    try {
      if (command.type !== 'go' && command.type !== 'runs') this.#clearNotice();
      await this.perform(command);
    } catch (error) {
      const failure = toFailure(error);
      if (failure.kind === 'cancelled') return;
      const text = this.#services.redactor.redact(describeFailure(failure));
      this.#emit({ type: 'notice', notice: { level: 'error', text } });
    }
  }

  /** For the command line and for effects. @throws AppError */
  async perform(command: Command): Promise<void> {
    if (this.#state.terminating && command.type !== 'terminate') {
      throw new AppError('cancelled', 'the program is ending');
    }
    if (command.type === 'terminate') return this.#terminate(command);
    const { run, lane } = effects[command.type];
    const signal = lane === undefined ? this.#ended.signal : this.#enter(lane);
    const context: EffectContext = {
      services: this.#services,
      live: this.#live,
      signal,
      getState: this.getState,
      emit: (event) => this.#emit(event),
      perform: (next) => this.perform(next),
      abort: (other) => this.#lanes.get(other)?.abort(),
    };
    const work = (async () => (run as Effect)(command as never, context))();
    const settled = work.catch(() => undefined);
    this.#running.add(settled);
    try {
      await work;
    } catch (error) {
      throw this.#redacted(toAppError(error));
    } finally {
      this.#running.delete(settled);
    }
  }

  #enter(lane: Lane): AbortSignal {
    this.#lanes.get(lane)?.abort();
    const controller = new AbortController();
    this.#lanes.set(lane, controller);
    return AbortSignal.any([controller.signal, this.#ended.signal]);
  }

  #redacted(error: AppError): AppError {
    const failure = toFailure(error);
    const clean = this.#services.redactor.redactData(failure);
    const same =
      clean.message === failure.message && clean.where === failure.where && clean.hint === failure.hint;
    // Its cause would still tell.
    return same ? error : failureError(clean);
  }

  /** Nothing is left running: effects are cancelled and awaited, the session closed, the keychain let go. */
  #terminate(how: Extract<Command, { type: 'terminate' }>): Promise<void> {
    this.#ending ??= this.#end(how);
    return this.#ending;
  }

  async #end({ stop, keep }: Extract<Command, { type: 'terminate' }>): Promise<void> {
    this.#emit({ type: 'terminating' });
    if (stop) await this.#stopAway();
    if (keep) this.#live.run?.suspend();
    else this.#live.run?.cancel();
    // A question that nobody has answered here is not one that was answered by no.
    this.#live.away?.close();
    this.#ended.abort(new AppError('cancelled', 'the program is ending'));
    for (const { settle } of [...this.#live.questions.values()]) settle({ yes: false });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    const all = Promise.all(this.#running);
    await Promise.race([all, late]);
    clearTimeout(timer);
    // A snapshot left behind would grow until it fills the source's storage.
    if (this.#live.held > 0) await all;
    await this.#live.session?.session.close();
    await this.#live.destination?.session.close();
    delete this.#live.session;
    delete this.#live.destination;
    await this.#services.secrets.close();
  }

  /** What it has begun it takes back by itself; that is waited for, not for ever. */
  async #stopAway(): Promise<void> {
    const { away } = this.#live;
    if (away === undefined) return;
    away.send({ type: 'cancel' });
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, patience);
    });
    await Promise.race([away.ended.catch(() => undefined), late]);
    clearTimeout(timer);
  }

  #clearNotice(): void {
    if (this.#state.notice !== undefined) this.#emit({ type: 'notice' });
  }

  #emit(event: Event): void {
    this.#state = reduce(this.#state, event);
    for (const watcher of this.#watchers) watcher(event);
    for (const listener of this.#listeners) listener();
  }
}
