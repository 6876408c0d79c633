/** What the screens and the command line see of the dispatcher. */
import type { Command } from './commands.ts';
import type { State } from './state.ts';

export interface DispatcherPort {
  getState(): State;
  /** Calls the listener after each change; returns what ends that. */
  subscribe(listener: () => void): () => void;
  /** Resolves when the command's own work has ended; failures become state, it does not reject. */
  dispatch(command: Command): Promise<void>;
}
