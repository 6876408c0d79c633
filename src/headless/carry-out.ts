/** Plans that are run: here, or in a process of their own. */
import type { Composed } from '../compose.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import type { Command } from '../state/commands.ts';
import { type AwayOptions, isAway, whenOf } from './away-options.ts';
import { followCommand } from './follow-run.ts';
import type { Output } from './output.ts';

/** Resolves to the exit code. `told`: findings that the user has read already. */
export async function carryOut(
  composed: Composed,
  plans: readonly Plan[],
  options: AwayOptions,
  output: Output,
  told: readonly Finding[] = [],
): Promise<number> {
  const when = whenOf(options);
  if (!isAway(options)) return followCommand(composed, { type: 'run', plans, when }, output, told);
  return beginAway(composed, { type: 'run-away', plans, when }, output);
}

/** A run that is left at once. */
export async function beginAway({ dispatcher }: Composed, command: Command, output: Output): Promise<number> {
  const unwatch = dispatcher.watch((event) => {
    if (event.type === 'run-left') tellAway(event.id, output);
  });
  await dispatcher.perform(command).finally(unwatch);
  return 0;
}

function tellAway(id: string, output: Output): void {
  if (output.json) return output.value({ type: 'run-left', id });
  output.line(id);
  output.remark(`it goes on in a process of its own; to see it: vmferry attach ${id}`);
}
