/** Runs that live in processes of their own, as effects see them. Made by `away/away-runs.ts`. */
import type { Plan } from '../model/plan.ts';
import type { Command } from './commands.ts';
import type { Event } from './events.ts';
import type { LiveRun, Profile, Waiting } from './state.ts';

/** When and how fast. */
export interface RunWhen {
  /** Not before; milliseconds since 1970. */
  readonly at?: number;
  /** It begins when fewer than so many run. Default: the preference. */
  readonly atOnce?: number;
  readonly bytesPerSecond?: number;
  /** The only plan goes on where this run was cut. */
  readonly resumes?: string;
}

/** Secrets that a run may need, opened: they go to its process by a pipe, and nowhere else. */
export interface RunSecrets {
  /** As `Services.givenSecrets`. */
  readonly given: Readonly<Record<string, string>>;
  /** Of profiles, by the account of their store. */
  readonly kept: Readonly<Record<string, string>>;
}

export interface RunRequest {
  readonly plans: readonly Plan[];
  readonly when: RunWhen;
  readonly secrets: RunSecrets;
  /** Their names are what the run calls its places. */
  readonly profiles: readonly Profile[];
}

/** What may be said to a run from outside of its process. */
export type RunWish = Extract<
  Command,
  { readonly type: 'pause' | 'resume' | 'cancel' | 'shut-down' | 'answer' | 'rate' }
>;

export const runWishes: readonly RunWish['type'][] = [
  'pause',
  'resume',
  'cancel',
  'shut-down',
  'answer',
  'rate',
];

export interface RunLink {
  readonly id: string;
  /** Resolves when the run has ended, or was left. @throws AppError `io`: its process has ended without a word. */
  readonly ended: Promise<void>;
  send(wish: RunWish): void;
  /** Leaves it; what was sent is still said. */
  readonly close: () => void;
}

export interface Runs {
  /** Resolves once its process has taken everything. @throws AppError when there can be no such process. */
  start(request: RunRequest, hear: (event: Event) => void): Promise<RunLink>;
  /** The first event is `run-entered`. @throws AppError `not-found`, `unreachable`. */
  attach(id: string, hear: (event: Event) => void): Promise<RunLink>;
  list(): Promise<LiveRun[]>;
}

/** For a dispatcher that is the process of one run. */
export interface OwnRun {
  readonly id: string;
  /** Resolves when it may begin; `tell` says meanwhile what it waits for. @throws AppError `cancelled`. */
  turn(signal: AbortSignal, tell: (waiting: Waiting) => void): Promise<void>;
}
