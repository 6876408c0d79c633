/**
 * How a screen is made.
 *
 * A screen is a component `XScreen(props: ScreenProps)` in `screens/x/x-screen.tsx`. It fills exactly
 * `columns` × `rows` cells: the frame around it (header, notice, keys at the foot) is the app's. It draws
 * `state`, sends commands with `port.dispatch`, and does no work of its own.
 *
 * Keys: a screen declares them as data with `useKeys(bindings)` in `use-x-keys.ts` or the screen itself. The
 * same bindings make the foot, the help of `?` and the reason that is shown when a disabled key is pressed:
 *
 *   useKeys([
 *     { key: 'a', label: 'add', run: () => open('add') },
 *     { key: 'd', label: 'delete', reason: row === undefined ? 'no profile is chosen' : undefined, run: remove },
 *   ]);
 *
 * Names of keys: a printable character itself (`a`, `/`, `?`), `enter esc tab shift+tab space backspace up down
 * left right pageup pagedown home end ctrl+x`. Taken by the app on every screen: `1`…`5`, `h`, `q`, `?`, `esc`
 * (back one step) and `ctrl+c`. A screen may bind `esc` itself while it has something to close.
 *
 * Levels: `screen` (the default), `list` (before the screen; used by lists), `entry` and `dialog`. The last two
 * are exclusive: while one is mounted, keys below it do nothing, and the foot shows its keys alone. Text is
 * typed into the topmost layer that has `onText`. Use `Form`, `Dialog`, `useScrollList`, which do all that.
 *
 * Local state that should outlive a visit to another screen (a cursor, a filter): `useRemembered(key, initial)`.
 */
import { createContext, useCallback, useContext, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { DispatcherPort } from '../state/port.ts';
import type { State } from '../state/state.ts';
import { type KeyBinding, Keyboard, type KeyLevel, type Layer } from './keyboard.ts';

export type { KeyBinding, KeyLevel } from './keyboard.ts';

export interface ScreenProps {
  readonly port: DispatcherPort;
  readonly state: State;
  /** The area that is the screen's, in cells. */
  readonly rows: number;
  readonly columns: number;
}

export const KeyboardContext = createContext<Keyboard>(new Keyboard());
export const useKeyboard = (): Keyboard => useContext(KeyboardContext);

export interface KeyOptions {
  readonly level?: KeyLevel;
  /** False takes the keys away for now. */
  readonly active?: boolean;
  /** Takes printable text; then single characters are not looked up in bindings of this layer. */
  readonly onText?: (text: string) => void;
}

/** Declares keys for as long as the component is mounted. */
export function useKeys(bindings: readonly KeyBinding[], options: KeyOptions = {}): void {
  const keyboard = useKeyboard();
  const { level = 'screen', active = true, onText } = options;
  const layer = useRef<Layer | undefined>(undefined);
  useLayoutEffect(() => {
    if (!active) return;
    const own = keyboard.add(level);
    layer.current = own;
    return () => {
      layer.current = undefined;
      keyboard.remove(own);
    };
  }, [keyboard, level, active]);
  useLayoutEffect(() => {
    if (layer.current !== undefined) keyboard.update(layer.current, bindings, onText);
  });
}

const MemoryContext = createContext<Map<string, unknown>>(new Map());
export const MemoryProvider = MemoryContext.Provider;

/** `useState` that finds its value again when the component is mounted anew under the same key. */
export function useRemembered<T>(key: string, initial: T): [T, (next: T | ((now: T) => T)) => void] {
  const memory = useContext(MemoryContext);
  const [value, setValue] = useState<T>(() => (memory.has(key) ? (memory.get(key) as T) : initial));
  const set = useCallback(
    (next: T | ((now: T) => T)) => {
      setValue((now) => {
        const value = typeof next === 'function' ? (next as (now: T) => T)(now) : next;
        memory.set(key, value);
        return value;
      });
    },
    [memory, key],
  );
  return useMemo(() => [value, set], [value, set]);
}
