import { useCallback, useSyncExternalStore } from 'react';
import type { DispatcherPort } from '../state/port.ts';
import type { State } from '../state/state.ts';

const intervalMs = 100;

/** The dispatcher's state. A thousand machines found in a second are ten drawings, not a thousand. */
export function useDispatcherState(port: DispatcherPort): State {
  const subscribe = useCallback(
    (listener: () => void) => {
      let timer: NodeJS.Timeout | undefined;
      let lastAt = 0;
      const tell = () => {
        timer = undefined;
        lastAt = Date.now();
        listener();
      };
      const end = port.subscribe(() => {
        if (timer !== undefined) return;
        const wait = lastAt + intervalMs - Date.now();
        if (wait <= 0) tell();
        else timer = setTimeout(tell, wait);
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
