/** Whether a machine that runs is copied meanwhile. Pure. */
import type { State } from '../../state/state.ts';
import type { ConfigField } from './field.ts';

const choices = [
  { value: 'no', label: 'no, read it once' },
  { value: 'wait', label: 'yes, and wait until it is shut down' },
  { value: 'shut-down', label: 'yes, and shut it down for the last of it' },
] as const;

/** None where no chosen machine runs. */
export function warmFields({ draft, machines, selected }: State): ConfigField[] {
  const runs = machines.items.some(
    ({ machine }) => machine.state === 'running' && selected.includes(machine.id),
  );
  if (!runs && draft.warm === undefined) return [];
  const value = draft.warm === undefined ? 'no' : draft.warm.shutDown ? 'shut-down' : 'wait';
  return [
    {
      group: 'Writing',
      kind: 'choice',
      key: 'warm',
      label: 'While it runs',
      help: 'copy all of it while it runs, then what changed, again and again; it is down only for the last changes',
      value,
      shown: choices.find((choice) => choice.value === value)!.label,
      choices,
      changed: value !== 'no',
      apply: (next) => ({
        command: {
          type: 'draft',
          change: {
            warm:
              next === 'no'
                ? undefined
                : { ...draft.warm, shutDown: next === 'shut-down', turnOn: draft.warm?.turnOn ?? false },
          },
        },
      }),
    },
  ];
}
