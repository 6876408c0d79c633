/** `resume`: going on with a conversion that was cut. */
import { AppError } from '../model/errors.ts';
import { formatBytes } from '../model/units.ts';
import type { ResumableRun } from '../state/state.ts';
import { type AwayOptions, isAway, whenOf } from './away-options.ts';
import { beginAway } from './carry-out.ts';
import type { CommonOptions } from './common-options.ts';
import { followCommand } from './follow-run.ts';
import { type Output, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export interface ResumeOptions extends CommonOptions, AwayOptions {
  readonly discard?: boolean;
}

export async function resume(id: string | undefined, options: ResumeOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: options.quiet === true });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    if (id === undefined) {
      if (options.discard) throw new AppError('usage', 'which one is missing', { hint: 'give its id' });
      await dispatcher.perform({ type: 'resumable' });
      tellAll(dispatcher.getState().resumable, output);
      return 0;
    }
    if (options.discard) {
      const stop = dispatcher.watch((event) => {
        if (event.type !== 'discarded') return;
        if (output.json) output.value(event);
        for (const { what, command } of event.leftovers)
          output.remark(`warning: ${what}${command === undefined ? '' : `; remove it with: ${command}`}`);
      });
      await dispatcher.perform({ type: 'discard-run', id }).finally(stop);
      return 0;
    }
    const command = { type: 'resume-run', id, when: whenOf(options) } as const;
    if (isAway(options)) return beginAway(composed, { ...command, away: true }, output);
    return followCommand(composed, command, output);
  });
}

function tellAll(runs: readonly ResumableRun[], output: Output): void {
  if (output.json) for (const run of runs) output.value(run);
  else if (runs.length === 0) output.remark('there is nothing to go on with');
  else {
    for (const line of table([['ID', 'WHEN', 'THERE', 'LEFT TO LOOK THROUGH', 'WHAT'], ...runs.map(row)]))
      output.line(line);
  }
}

function row({ id, title, startedAt, bytes, disks }: ResumableRun): string[] {
  const left = disks.reduce((sum, { sizeBytes, doneBelow }) => sum + sizeBytes - doneBelow, 0);
  const when = new Date(startedAt).toISOString().slice(0, 16).replace('T', ' ');
  return [id, when, formatBytes(bytes), formatBytes(left), title];
}
