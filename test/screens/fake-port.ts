/** A dispatcher that only remembers what it was told, and does the plain state changes. */
import type { Command } from '../../src/state/commands.ts';
import type { Event } from '../../src/state/events.ts';
import type { DispatcherPort } from '../../src/state/port.ts';
import { reduce } from '../../src/state/reduce.ts';
import type { State } from '../../src/state/state.ts';

export interface FakePort extends DispatcherPort {
  readonly sent: Command[];
  emit(event: Event): void;
}

export function fakePort(initial: State): FakePort {
  let state = initial;
  const listeners = new Set<() => void>();
  const sent: Command[] = [];
  const emit = (event: Event) => {
    state = reduce(state, event);
    for (const listener of listeners) listener();
  };
  return {
    sent,
    emit,
    getState: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    async dispatch(command) {
      sent.push(command);
      for (const event of plainEvents(state, command)) emit(event);
    },
  };
}

function plainEvents(state: State, command: Command): Event[] {
  switch (command.type) {
    case 'go':
      return [{ type: 'notice' }, { type: 'went', screen: command.screen }];
    case 'dismiss':
      return [{ type: 'notice' }];
    case 'choose-profile':
      return [
        command.id === undefined ? { type: 'profile-chosen' } : { type: 'profile-chosen', id: command.id },
      ];
    case 'connect':
      return [{ type: 'connected', environment: command.environment, label: command.environment }];
    case 'cancel-connect':
      return [{ type: 'disconnected' }];
    case 'connect-destination': {
      const { type: _, settings: __, ...of } = command;
      const label = state.profiles.find((p) => p.id === of.profile)?.name ?? of.environment;
      return [
        { type: 'destination', destination: { ...of, label, status: 'connecting', step: 'signing in' } },
      ];
    }
    case 'leave-destination':
      return [{ type: 'destination', destination: { status: 'folder' } }];
    case 'answer':
      return [{ type: 'question' }];
    case 'select':
      return [{ type: 'selected', ids: command.ids }];
    case 'draft':
      return [{ type: 'drafted', change: command.change }];
    case 'edit-machine':
      return [{ type: 'machine-edited', id: command.id, change: command.change }];
    case 'pause':
      return [{ type: 'run-status', status: 'paused', at: 0 }];
    case 'resume':
      return [{ type: 'run-status', status: 'running', at: 0 }];
    case 'cancel':
      return [{ type: 'run-status', status: 'cancelled', at: 0 }];
    case 'another':
      return [{ type: 'run-cleared' }, { type: 'went', screen: 'environment' }];
    case 'history-remove':
      return [{ type: 'history', entries: state.history.filter(({ id }) => !command.ids.includes(id)) }];
    case 'delete-profile':
      return [{ type: 'profiles', profiles: state.profiles.filter((p) => p.id !== command.id) }];
    case 'terminate':
      return [{ type: 'terminating' }];
    default:
      return [];
  }
}
