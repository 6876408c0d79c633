/** One listener on a signal for all who wait under it: Node warns of more than ten. */
import { AppError } from '../../model/errors.ts';

const watches = new WeakMap<AbortSignal, Set<() => void>>();

/** Calls `act` once when the signal is aborted; what it returns ends that. */
export function onAbort(signal: AbortSignal | undefined, act: () => void): () => void {
  if (signal === undefined) return () => undefined;
  const acts = watches.get(signal) ?? watch(signal);
  const once = () => act();
  acts.add(once);
  return () => void acts.delete(once);
}

function watch(signal: AbortSignal): Set<() => void> {
  const acts = new Set<() => void>();
  watches.set(signal, acts);
  signal.addEventListener(
    'abort',
    () => {
      for (const act of [...acts]) act();
    },
    { once: true },
  );
  return acts;
}

export const cancelledBy = (signal: AbortSignal | undefined): AppError =>
  new AppError('cancelled', 'cancelled', { cause: signal?.reason });

/** The promise, or the end of waiting for it. What it is about goes on. */
export function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    if (signal.aborted) return reject(cancelledBy(signal));
    const unwatch = onAbort(signal, () => reject(cancelledBy(signal)));
    promise.then(resolve, reject).finally(unwatch);
  });
}
