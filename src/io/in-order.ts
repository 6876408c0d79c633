/** Work on several items at once, results in the order of the items: reading ahead, compressing in parallel. */
import { AppError } from '../model/errors.ts';

/** @throws AppError `cancelled` when the signal is aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
}

/**
 * `work(item)` for each item, at most `width` under way, yielded in order. After an error or an early return
 * no work is left running.
 */
export async function* inOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<R> {
  const pending: Promise<R>[] = [];
  try {
    for await (const item of items) {
      throwIfAborted(signal);
      const running = work(item);
      running.catch(() => undefined); // its error is thrown where it is awaited in order
      pending.push(running);
      if (pending.length >= width) yield await pending.shift()!;
    }
    while (pending.length > 0) {
      yield await pending.shift()!;
      throwIfAborted(signal);
    }
  } finally {
    await Promise.allSettled(pending);
  }
}
