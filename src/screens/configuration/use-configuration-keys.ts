import type { Command } from '../../state/commands.ts';
import type { State } from '../../state/state.ts';
import { type KeyBinding, useKeys } from '../screen.ts';
import { type Move, moved } from '../widgets/scroll-list-view.ts';
import { type Glyphs, useTerminal } from '../widgets/terminal.ts';
import { startReason } from './configuration-view.ts';
import { type ConfigField, turned } from './field.ts';
import { addNic, type MachineContext, nicIndexOf, removeNic } from './machine-fields.ts';
import { reconnectCommand } from './place-fields.ts';

export interface ConfigurationKeys {
  readonly state: State;
  readonly fields: readonly ConfigField[];
  readonly field: ConfigField;
  readonly machine: MachineContext | undefined;
  /** Which part has the keys; `none` while something else is drawn. */
  readonly part: 'fields' | 'plan' | 'none';
  readonly page: number;
  dispatch(command: Command): void;
  focus(key: string): void;
  edit(): void;
  /** Opens the list of the field's choices. */
  pick(): void;
  /** Shows or hides what the field holds. */
  fold(): void;
  /** Opens the list of the guest's changes. */
  changes(): void;
  switchPart(): void;
  nextMachine(step: 1 | -1): void;
  start(): void;
}

export function useConfigurationKeys(keys: ConfigurationKeys): void {
  const { part } = keys;
  const { glyphs } = useTerminal();
  useKeys([...moveKeys(keys), ...fieldKeys(keys, glyphs)], { level: 'list', active: part === 'fields' });
  useKeys(screenKeys(keys), { active: part !== 'none' });
}

function moveKeys({ fields, field, focus, page }: ConfigurationKeys): KeyBinding[] {
  const go = (move: Move) => () => {
    const at = moved(fields.indexOf(field), fields.length, page, move);
    focus(fields[at]?.key ?? field.key);
  };
  return [
    { key: ['up', 'ctrl+p'], shown: 'Up', label: 'the row above', quiet: true, run: go('up') },
    { key: ['down', 'ctrl+n'], shown: 'Down', label: 'the row below', quiet: true, run: go('down') },
    { key: 'pageup', label: 'a page up', quiet: true, run: go('pageup') },
    { key: 'pagedown', label: 'a page down', quiet: true, run: go('pagedown') },
    { key: 'home', label: 'to the first field', quiet: true, run: go('home') },
    { key: 'end', label: 'to the last field', quiet: true, run: go('end') },
  ];
}

function fieldKeys(
  { field, dispatch, edit, pick, fold, start }: ConfigurationKeys,
  glyphs: Glyphs,
): KeyBinding[] {
  const turn = (step: 1 | -1) => () => {
    if (field.kind !== 'choice') return;
    const applied = field.apply(turned(field.choices, field.value, step));
    if ('command' in applied) dispatch(applied.command);
  };
  const { reason } = field;
  switch (field.kind) {
    case 'choice':
      return [
        {
          key: ['right', 'space', 'enter'],
          shown: glyphs.leftRight,
          label: 'change',
          help: 'the next choice',
          reason,
          run: turn(1),
        },
        { key: 'left', label: 'back', help: 'the choice before', quiet: true, reason, run: turn(-1) },
      ];
    case 'pick':
      return [{ key: ['enter', 'space'], shown: 'Enter', label: 'choose', reason, run: pick }];
    case 'text':
      return [{ key: ['enter', 'space'], shown: 'Enter', label: 'edit', reason, run: edit }];
    case 'fold':
      return [{ key: ['enter', 'space'], shown: 'Enter', label: 'show or hide', reason, run: fold }];
    case 'start':
      return [{ key: ['enter', 'space'], shown: 'Enter', label: 'start', reason, run: start }];
  }
}

/** Of the connection to the destination. */
function placeKeys({ state: { destination }, dispatch }: ConfigurationKeys): KeyBinding[] {
  const again = reconnectCommand(destination);
  if (again === undefined) return [];
  if (destination.status === 'connecting') {
    const leave = () => dispatch({ type: 'leave-destination' });
    return [{ key: 'c', label: 'give up', help: 'stop connecting; a folder here again', run: leave }];
  }
  const failed = destination.status === 'failed';
  return [
    {
      key: 'r',
      label: failed ? 'try again' : 'connect again',
      help: 'connect to the destination again, and ask what it offers',
      quiet: !failed,
      run: () => dispatch(again),
    },
  ];
}

function changesKeys({ state, machine, changes }: ConfigurationKeys): KeyBinding[] {
  // The key is that of giving up then.
  if (state.destination.status === 'connecting') return [];
  const reason =
    machine === undefined
      ? 'no machine is chosen'
      : machine.guestChanges === undefined
        ? 'nothing is changed inside the guest; see Guest changes'
        : undefined;
  const help = 'the changes inside the guest, each with its reason and diff; some can be left out';
  return [{ key: 'c', label: 'changes', help, quiet: reason !== undefined, reason, run: changes }];
}

function screenKeys(keys: ConfigurationKeys): KeyBinding[] {
  const { state, field, machine, part, dispatch, switchPart, nextMachine, start } = keys;
  const nic = nicIndexOf(field.key);
  const several = state.selected.length > 1 ? undefined : 'only one machine is chosen';
  const none = machine === undefined ? 'no machine is chosen' : undefined;
  const always: KeyBinding[] = [
    {
      key: 'g',
      label: 'start',
      help: 'show the plan once more and start',
      reason: startReason(state),
      run: start,
    },
    {
      key: '+',
      shown: '+',
      label: 'also',
      help: 'set this destination aside for the same run, and choose one more: the source is read once for all',
      quiet: state.also.length === 0,
      reason: startReason(state),
      run: () => dispatch({ type: 'also' }),
    },
    {
      key: '-',
      label: 'not also',
      help: 'forget the destination that was set aside last',
      quiet: state.also.length === 0,
      reason: state.also.length === 0 ? 'no destination is set aside' : undefined,
      run: () => dispatch({ type: 'drop-also' }),
    },
    {
      key: 'tab',
      label: part === 'plan' ? 'fields' : 'plan',
      help: 'between the fields and the findings with the plan',
      run: switchPart,
    },
  ];
  always.push(...changesKeys(keys), ...placeKeys(keys));
  // What changes fields stays away: the plan may hide them.
  if (part !== 'fields') return [...always, { key: 'esc', label: 'fields', quiet: true, run: switchPart }];
  return [
    ...always,
    {
      key: ']',
      shown: '[ ]',
      label: 'machine',
      help: 'fields of the next chosen machine, or of the one before',
      quiet: several !== undefined,
      reason: several,
      run: () => nextMachine(1),
    },
    { key: '[', label: 'the machine before', quiet: true, reason: several, run: () => nextMachine(-1) },
    {
      key: 'a',
      label: 'adapter',
      help: 'add a network adapter',
      quiet: nic === undefined,
      reason: none,
      run: () => machine !== undefined && dispatch(addNic(machine)),
    },
    {
      key: 'x',
      label: 'remove',
      help: 'remove the network adapter under the cursor',
      quiet: nic === undefined,
      reason: none ?? (nic === undefined ? 'the cursor is not on an adapter' : undefined),
      run: () => machine !== undefined && nic !== undefined && dispatch(removeNic(machine, nic)),
    },
  ];
}
