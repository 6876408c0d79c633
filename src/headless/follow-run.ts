/** Runs plans and tells how it goes: a line on a terminal, events with --json. */
import type { Composed } from '../compose.ts';
import { toFailure } from '../model/errors.ts';
import { type Finding, logText } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes, formatDuration } from '../model/units.ts';
import type { Command } from '../state/commands.ts';
import type { Event } from '../state/events.ts';
import { isActive, type Run, type RunItem } from '../state/state.ts';
import { waitingText } from '../state/waiting-words.ts';
import { exitCode } from './exit-codes.ts';
import type { Output } from './output.ts';

/** Resolves to the exit code. `told`: findings that the user has read already. */
export const followRun = (
  composed: Composed,
  plans: readonly Plan[],
  output: Output,
  told: readonly Finding[] = [],
): Promise<number> => followCommand(composed, { type: 'run', plans }, output, told);

/** The same for a command that shows a run: its own, or one that lives elsewhere. */
export async function followCommand(
  { dispatcher }: Composed,
  command: Command,
  output: Output,
  told: readonly Finding[] = [],
): Promise<number> {
  const known = new Set(told.map(logText));
  const unwatch = dispatcher.watch((event) => {
    if (event.type === 'run-log' && !output.json && known.has(event.line.text)) return;
    const { run, question } = dispatcher.getState();
    tell(event, run, output, question !== undefined);
  });
  try {
    await dispatcher.perform(command);
  } catch (error) {
    const failure = toFailure(error);
    output.progressDone();
    // Of several some may be there.
    tellPlaces(dispatcher.getState().run, output);
    output.error(failure);
    return exitCode(failure);
  } finally {
    unwatch();
    output.progressDone();
  }
  tellPlaces(dispatcher.getState().run, output);
  return 0;
}

function tellPlaces(run: Run | undefined, output: Output): void {
  for (const item of run?.items ?? []) {
    for (const place of item.places)
      output.json ? output.value({ type: 'place', place }) : output.line(place);
    if (item.started !== undefined) output.remark(`started: ${item.started}`);
  }
}

const printed = new Set<Event['type']>([
  'run-started',
  'run-entered',
  'run-waiting',
  'run-limit',
  'run-status',
  'run-item',
  'progress',
  'run-log',
]);

/** `asking`: the line of the progress is a question's now. */
function tell(event: Event, run: Run | undefined, output: Output, asking: boolean): void {
  if (!printed.has(event.type)) return;
  if (output.json) return output.value(forMachines(event));
  // Of several machines each says why it failed; of one the command does so at its end.
  const { level } = event.type === 'run-log' ? event.line : { level: 'info' };
  const toTell = level === 'warning' || (level === 'error' && (run?.items.length ?? 0) > 1);
  if (event.type === 'run-log' && toTell) output.remark(`${level}: ${event.line.text}`);
  if (event.type === 'run-log' && /^(done: |note: |kept: |pass \d+[:,] )/.test(event.line.text))
    output.remark(event.line.text);
  if (isActive(run) && !asking) output.progress(progressLine(run!));
}

/** The plans were printed once, or are the caller's own. */
function forMachines(event: Event): unknown {
  if (event.type === 'run-started') return { ...event, items: event.items.map(withoutPlan) };
  if (event.type !== 'run-entered') return event;
  return { ...event, run: { ...event.run, items: event.run.items.map(withoutPlan) } };
}

const withoutPlan = ({ plan: _, ...item }: RunItem) => item;

/** ` 42% 1.2 GiB of 2.8 GiB  320 MiB/s  0:05 left  writing disk.qcow2` */
export function progressLine(run: Run): string {
  const { bytesDone, bytesTotal, rate, secondsLeft } = run;
  const share = bytesTotal === 0 ? 0 : bytesDone / bytesTotal;
  const step = run.items.find((item) => item.status === 'running')?.step ?? '';
  return [
    `${String(Math.floor(share * 100)).padStart(3)}%`,
    `${formatBytes(bytesDone)} of ${formatBytes(bytesTotal)}`,
    rate > 0 ? ` ${formatBytes(Math.round(rate))}/s` : '',
    secondsLeft === undefined ? '' : ` ${formatDuration(secondsLeft)} left`,
    ` ${run.status === 'running' ? step : run.status === 'waiting' ? waitingText(run.waiting ?? {}) : run.status}`,
  ]
    .filter((part) => part !== '')
    .join(' ');
}
