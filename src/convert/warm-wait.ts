/** Between two passes: at once the next one, or a wait for the machine's end. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Tracking } from '../env-plugins/plugin.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, describeFailure, toAppError, toFailure } from '../model/errors.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { Warm } from '../model/plan.ts';
import type { RunContext } from './run-context.ts';
import { defaultIntervalSeconds, isSettled } from './warm-when.ts';

export interface Wait {
  readonly warm: Warm;
  readonly passes: readonly PassReport[];
  readonly tracking: Pick<Tracking, 'shutDown' | 'state'>;
}

/** How often the machine's state is asked for. */
const lookMilliseconds = 2000;

/**
 * Resolves when the next pass is due: at once as long as each is smaller than the one before; then when the machine is
 * off, which it is asked to be once somebody has given the word; or after the interval, so that the last one is small.
 */
export async function untilNextPass(
  { warm, passes, tracking }: Wait,
  context: Pick<RunContext, 'signal' | 'emit' | 'word' | 'lookMilliseconds'>,
): Promise<void> {
  const { signal, word, emit } = context;
  const given = () => warm.shutDown || word?.aborted === true;
  if (!isSettled(passes, warm) && word?.aborted !== true) return;
  const due = performance.now() + (warm.intervalSeconds ?? defaultIntervalSeconds) * 1000;
  emit({ type: 'step', text: 'waiting until the machine is off: shut it down, or give the word for it' });
  let asked = false;
  let goesDown = false;
  for (;;) {
    throwIfAborted(signal);
    if (given() && !asked) {
      asked = true;
      goesDown = await shutDown(tracking, context);
    }
    const state = await patiently('asking for its state', context, () => tracking.state(signal));
    if (state === 'off') return;
    // Once it goes down, one more pass would only make it wait.
    if (!goesDown && performance.now() >= due) return;
    await pause(context.lookMilliseconds ?? lookMilliseconds, signal, asked ? undefined : word);
  }
}

/** A run of hours is not given up for a server that is started again: so often it is tried, this long apart. */
const tries = 20;
const looksBetweenTries = 15;

/** What can be done again is, while the source can't be reached. @throws AppError what it ends with. */
export async function patiently<T>(
  what: string,
  context: Pick<RunContext, 'signal' | 'emit' | 'lookMilliseconds'>,
  work: () => Promise<T>,
): Promise<T> {
  for (let left = tries; ; left--) {
    try {
      return await work();
    } catch (error) {
      if (left === 0 || toAppError(error).kind !== 'unreachable') throw error;
      const text = `${what} is tried again: ${describeFailure(toFailure(error))}`;
      context.emit({ type: 'log', level: 'warning', text });
      const milliseconds = (context.lookMilliseconds ?? lookMilliseconds) * looksBetweenTries;
      await pause(milliseconds, context.signal, undefined);
    }
  }
}

/** Whether it was asked. Where it can't be, the operator shuts it down, and is told so. */
async function shutDown(
  tracking: Pick<Tracking, 'shutDown'>,
  { signal, emit }: Pick<RunContext, 'signal' | 'emit'>,
): Promise<boolean> {
  emit({ type: 'step', text: 'asking its system to shut down' });
  try {
    await tracking.shutDown(signal);
    emit({ type: 'step', text: 'waiting until the machine is off' });
    return true;
  } catch (error) {
    if (toAppError(error).kind === 'cancelled') throw error;
    const text = `it can't be asked to shut down: ${describeFailure(toFailure(error))}; shut it down yourself`;
    emit({ type: 'log', level: 'warning', text });
    emit({ type: 'step', text: 'waiting until the machine is off: shut it down' });
    return false;
  }
}

/** Ends early on a cancel, which throws, and on the word. */
async function pause(
  milliseconds: number,
  signal: AbortSignal,
  word: AbortSignal | undefined,
): Promise<void> {
  const early = word === undefined ? signal : AbortSignal.any([signal, word]);
  await wait(milliseconds, undefined, { signal: early }).catch(() => undefined);
  if (signal.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
}
