/**
 * What is said between a run's process and who looks at it, a line of JSON each (`docs/away.md`).
 *
 *   to whoever begins it, over the pipe that it was begun with:  first `Handover` comes in, then as over the socket
 *   the run:    `hello`, `state`, then `event`s; `ended` when it has ended
 *               `failed` instead of `hello`: it can't be begun
 *   the other:  `wish`
 */
import type { Failure } from '../model/errors.ts';
import type { Event } from '../state/events.ts';
import type { RunRequest, RunWish } from '../state/runs.ts';
import { runWishes } from '../state/runs.ts';
import type { Question, Run } from '../state/state.ts';

export const protocolVersion = 1;

/** A run's state holds its plans, and those may be long; what is wished is short, but for an answer with a key. */
export const longestSaid = 256 * 1024 * 1024;
export const longestWished = 1024 * 1024;

export interface Handover {
  readonly type: 'handover';
  readonly version: number;
  readonly id: string;
  readonly request: RunRequest;
}

export type Said =
  | { readonly type: 'hello'; readonly version: number; readonly id: string }
  | { readonly type: 'failed'; readonly failure: Failure }
  | { readonly type: 'state'; readonly run: Run; readonly question?: Question }
  | { readonly type: 'event'; readonly event: Event }
  | { readonly type: 'ended' };

export interface Wished {
  readonly type: 'wish';
  readonly wish: RunWish;
}

const told: readonly Event['type'][] = [
  'run-started',
  'run-status',
  'run-item',
  'run-log',
  'run-waiting',
  'run-limit',
  'progress',
  'question',
  'notice',
];

/** Only these leave the process, and only these are taken from one. */
export const isTold = (event: Event): boolean => told.includes(event.type);

/** Undefined: it is none. */
export function wishOf(value: unknown): RunWish | undefined {
  const wish = (value as Partial<Wished> | null)?.wish as Record<string, unknown> | undefined;
  const known = runWishes.some((type) => type === wish?.type);
  const fits = wish?.type !== 'answer' || isAnswer(wish);
  return known && fits ? (wish as unknown as RunWish) : undefined;
}

const isAnswer = ({ id, yes, text }: Record<string, unknown>): boolean =>
  typeof id === 'number' && typeof yes === 'boolean' && (text === undefined || typeof text === 'string');
