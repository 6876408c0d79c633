import { useCallback, useSyncExternalStore } from 'react';
import type { DispatcherPort } from '../state/port.ts';
import type { State } from '../state/state.ts';

const intervalMs = 100;

/**
 * The dispatcher's state. A thousand machines found in a second are ten drawings, not a thousand; what a key
 * has led to is drawn at once, so that the next key meets the screen that it is meant for.
 */
export function useDispatcherState(port: DispatcherPort): State {
  const subscribe = useCallback(
    (listener: () => void) => {
      let timer: NodeJS.Timeout | undefined;
      let lastAt = 0;
      let told = port.getState();
      const tell = () => {
        clearTimeout(timer);
        timer = undefined;
        lastAt = Date.now();
        told = port.getState();
        listener();
      };
      const end = port.subscribe(() => {
        const wait = lastAt + intervalMs - Date.now();
        if (wait <= 0 || !onlyMoreOfTheSame(told, port.getState())) tell();
        else timer ??= setTimeout(tell, wait);
      });
      return () => {
        clearTimeout(timer);
        end();
      };
    },
    [port],
  );
  return useSyncExternalStore(subscribe, () => port.getState());
}

/** Nothing but what comes in floods: machines that are found, a run that goes on. */
export function onlyMoreOfTheSame(before: State, now: State): boolean {
  const names = new Set([...Object.keys(before), ...Object.keys(now)]) as Set<keyof State>;
  names.delete('machines');
  names.delete('run');
  return [...names].every((name) => before[name] === now[name]) && before.run?.status === now.run?.status;
}
