import type { Command } from '../../state/commands.ts';
import type { DispatcherPort } from '../../state/port.ts';
import type { State } from '../../state/state.ts';
import { type KeyBinding, useKeys } from '../screen.ts';
import { continueReason, type MachineRow, type SortKey } from './image-view.ts';

/** What takes the place of the list. */
export type Mode = 'list' | 'details' | 'matrix' | 'path' | 'folders';

export interface ImageKeys {
  readonly port: DispatcherPort;
  readonly state: State;
  readonly row: MachineRow | undefined;
  readonly sort: SortKey;
  readonly mode: Mode;
  setMode(mode: Mode): void;
  turnSort(): void;
}

export function useImageKeys(keys: ImageKeys): void {
  const { row, mode, setMode } = keys;
  useKeys(listKeys(keys), { active: mode === 'list' });
  // Over the list's own space: a row that can't be chosen says why.
  const refused = row?.reason;
  useKeys([{ key: 'space', label: 'mark', reason: refused, run: nothing }], {
    level: 'list',
    active: mode === 'list' && refused !== undefined,
  });
  useKeys([{ key: ['i', 'esc'], shown: 'Esc', label: 'back to the list', run: () => setMode('list') }], {
    level: 'list',
    active: mode === 'details',
  });
}

const nothing = () => undefined;

function listKeys({ port, state, row, sort, setMode, turnSort }: ImageKeys): KeyBinding[] {
  const offline = state.connection.status === 'connected' ? undefined : 'no environment is open; press 2';
  const fields = environmentFields(state);
  const here = state.connection.status === 'none' || state.connection.environment === 'local';
  const listing = state.machines.status === 'listing';
  const checking = state.machines.items.some((item) => item.check?.status === 'busy');
  return [
    {
      key: 'enter',
      label: 'go on',
      help: 'configure the marked machines, or the one under the cursor when none is marked',
      reason: continueReason(state.selected, row),
      run: () => void goOn(port, state, row),
    },
    {
      key: 'i',
      label: 'details',
      help: 'everything known of the machine under the cursor',
      reason: row === undefined ? 'the list is empty' : undefined,
      run() {
        if (row !== undefined) void port.dispatch({ type: 'look-into', ids: [row.id] });
        setMode('details');
      },
    },
    {
      key: 'm',
      label: 'where it runs',
      help: 'what each destination says of the machine under the cursor, and what can be done about it',
      quiet: true,
      reason: row === undefined ? 'the list is empty' : undefined,
      run() {
        setMode('matrix');
        if (row !== undefined) void port.dispatch({ type: 'judge-machine', id: row.id });
      },
    },
    {
      key: 'p',
      label: here ? 'path' : 'name',
      help: here ? 'add an image or package by its path' : 'add a machine by its name or id',
      reason: offline,
      run: () => setMode('path'),
    },
    {
      key: 'f',
      label: fields.some((field) => field.kind === 'folders') ? 'folders' : 'settings',
      help: 'say where to look',
      reason: offline ?? (fields.length === 0 ? 'this environment has nothing to set' : undefined),
      run: () => setMode('folders'),
    },
    { key: 's', label: 'sort', help: `sort otherwise; by ${sort} now`, quiet: true, run: turnSort },
    {
      key: 'v',
      label: checking ? 'stop verifying' : 'verify',
      help: checking ? 'stop the check' : 'check the structure of its files; what is found is in the details',
      quiet: true,
      reason: offline ?? (row === undefined ? 'the list is empty' : undefined),
      run: () => void port.dispatch(checkCommand(checking, row)),
    },
    {
      key: 'r',
      label: listing ? 'stop' : 'refresh',
      help: listing ? 'stop looking for machines' : 'look for machines again',
      quiet: !listing,
      reason: offline,
      run: () => void port.dispatch({ type: listing ? 'stop-list' : 'list' }),
    },
  ];
}

const checkCommand = (checking: boolean, row: MachineRow | undefined): Command =>
  checking || row === undefined ? { type: 'stop-check' } : { type: 'check-machine', id: row.id, deep: false };

async function goOn(port: DispatcherPort, state: State, row: MachineRow | undefined): Promise<void> {
  if (state.selected.length === 0 && row !== undefined) void port.dispatch({ type: 'select', ids: [row.id] });
  await port.dispatch({ type: 'go', screen: 'configuration' });
}

/** What can be set of the connected environment; its secrets are on the Credentials screen. */
export function environmentFields({ connection, catalog }: State) {
  if (connection.status === 'none') return [];
  const environment = catalog.environments.find((e) => e.id === connection.environment);
  return environment?.fields.filter((field) => field.kind !== 'secret') ?? [];
}
