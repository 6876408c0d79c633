import type { ScreenId, State } from '../state/state.ts';
import { steps } from '../state/state.ts';
import { type KeyBinding, useKeys } from './screen.ts';
import { isReached, whyNotReached } from './widgets/header-view.ts';

export interface GlobalKeys {
  readonly state: State;
  readonly back: ScreenId | undefined;
  go(screen: ScreenId): void;
  help(): void;
  quit(): void;
  readonly suspend: (() => void) | undefined;
}

/** Keys that work on every screen. */
export function useGlobalKeys({ state, back, go, help, quit, suspend }: GlobalKeys): void {
  useKeys(
    [
      {
        key: 'esc',
        label: 'back',
        help: 'back to the step before',
        quiet: back === undefined,
        reason: back === undefined ? 'this is the first step; q ends' : undefined,
        run: () => back !== undefined && go(back),
      },
      ...steps.map(
        (step, i): KeyBinding => ({
          key: String(i + 1),
          label: `go to step ${i + 1}, ${step}`,
          quiet: true,
          reason: isReached(state, step) ? undefined : whyNotReached[step],
          run: () => go(step),
        }),
      ),
      { key: 'h', label: 'history', quiet: state.screen === 'history', run: () => go('history') },
      { key: '?', label: 'help', run: help },
      { key: 'q', label: 'quit', run: quit },
    ],
    { level: 'global' },
  );
  const always: KeyBinding[] = [{ key: 'ctrl+c', label: 'end', quiet: true, run: quit }];
  if (suspend !== undefined) {
    always.push({ key: 'ctrl+z', label: 'suspend; fg in the shell comes back', quiet: true, run: suspend });
  }
  useKeys(always, { level: 'always' });
}
