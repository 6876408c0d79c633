/** A watch of a plugin from outside: what it tells is checked, and what is wrong ends it. */
import type { WatchOptions } from './plugin.ts';
import { checkedMachine } from './shapes.ts';

/** Ends well when the signal is aborted. @throws AppError `bug`, and what `run` throws. */
export async function watchChecked(
  { signal, found, gone }: WatchOptions,
  who: string,
  run: (checked: WatchOptions) => Promise<unknown>,
): Promise<void> {
  const ended = new AbortController();
  let wrong: unknown;
  try {
    await run({
      signal: AbortSignal.any([signal, ended.signal]),
      found(machine) {
        if (wrong !== undefined) return;
        try {
          found(checkedMachine(machine, who));
        } catch (error) {
          wrong = error;
          ended.abort(error);
        }
      },
      gone: (id) => (wrong === undefined ? gone(String(id)) : undefined),
    });
  } catch (error) {
    if (!signal.aborted) throw wrong ?? error;
  }
  if (wrong !== undefined) throw wrong;
}
