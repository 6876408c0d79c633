/**
 * A run's turn, without anybody who hands turns out: each looks at the marks of the others. Who waits for the longest
 * goes first.
 *
 * Two that look at the same moment must not both begin. So whoever finds room first says that it is `taking` it, and
 * looks once more: a file that is written before the others' are read is seen by one of two at least. Of two that take
 * at once the later one steps back, and the earlier one waits until it has.
 */
import { throwIfAborted } from '../io/in-order.ts';
import type { Waiting } from '../state/state.ts';
import { byTurn, type RunMark } from './marks.ts';

export interface TurnOptions {
  readonly own: RunMark;
  /** So many may run. */
  readonly atOnce: number;
  /** Start time, milliseconds since 1970. */
  readonly at: number | undefined;
  /** Those of the living, also our own. */
  marks(): Promise<readonly RunMark[]>;
  write(mark: RunMark): Promise<void>;
  tell(waiting: Waiting): void;
  now(): number;
  /** Resolves after so long, or when the signal is aborted. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void>;
}

const lookMs = 500;
const lookAgainMs = 20;
/** The clock may be set meanwhile, and a computer may sleep. */
const longestSleepMs = 10_000;

/** Resolves when the run may begin; its mark says `running` then. @throws AppError `cancelled`. */
export async function takeTurn(options: TurnOptions, signal: AbortSignal): Promise<void> {
  await startTime(options, signal);
  const own = { ...options.own, due: options.now() };
  for (;;) {
    await put({ ...own, turn: 'waiting' }, options);
    await room(own, options, signal);
    await put({ ...own, turn: 'taking' }, options);
    if (await taken(own, options, signal)) return put({ ...own, turn: 'running' }, options);
  }
}

async function startTime({ own, at, write, tell, now, pause }: TurnOptions, signal: AbortSignal) {
  if (at === undefined || at <= now()) return;
  await write({ ...own, turn: 'later', due: at });
  tell({ until: at });
  while (now() < at) {
    await pause(Math.min(longestSleepMs, at - now()), signal);
    throwIfAborted(signal);
  }
}

/** Waits until so many run and wait before us that there is room for one more. */
async function room(own: RunMark, { atOnce, marks, tell, pause }: TurnOptions, signal: AbortSignal) {
  let told: number | undefined;
  for (;;) {
    throwIfAborted(signal);
    const others = (await marks()).filter(({ id }) => id !== own.id);
    const before = others.filter(
      (other) => other.turn !== 'later' && (other.turn === 'running' || byTurn(other, own) < 0),
    ).length;
    if (before < atOnce) return;
    if (told !== before) tell({ before: before - atOnce + 1 });
    told = before;
    await pause(lookMs, signal);
  }
}

async function taken(own: RunMark, { atOnce, marks, pause }: TurnOptions, signal: AbortSignal) {
  for (;;) {
    throwIfAborted(signal);
    const others = (await marks()).filter(({ id }) => id !== own.id);
    const taking = others.filter(({ turn }) => turn === 'taking');
    if (taking.some((other) => byTurn(other, own) < 0)) return false;
    if (others.filter(({ turn }) => turn === 'running').length >= atOnce) return false;
    if (taking.length === 0) return true;
    await pause(lookAgainMs, signal);
  }
}

const put = (mark: RunMark, { write }: TurnOptions): Promise<void> => write(mark);
