/** `runs`: those that live in processes of their own, and a word to one of them. */
import { AppError } from '../model/errors.ts';
import { localTime } from '../model/start-time.ts';
import { formatBytes, formatDuration, parseRate } from '../model/units.ts';
import type { Dispatcher } from '../state/dispatcher.ts';
import type { RunWish } from '../state/runs.ts';
import type { LiveRun } from '../state/state.ts';
import { waitingText } from '../state/waiting-words.ts';
import type { CommonOptions } from './common-options.ts';
import { type Output, table, terminalOutput } from './output.ts';
import { withDispatcher } from './session.ts';

export interface RunsOptions extends CommonOptions {
  readonly cancel?: string;
  readonly pause?: string;
  readonly continue?: string;
  readonly limit?: string;
}

export async function runs(options: RunsOptions): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  const wishes = wishesOf(options);
  return withDispatcher(options, async ({ dispatcher }) => {
    for (const { id, wish } of wishes) await dispatcher.perform({ type: 'steer-run', id, wish });
    if (wishes.length === 0) tellAll(await liveRuns(dispatcher), output);
    return 0;
  });
}

export async function liveRuns(dispatcher: Dispatcher): Promise<readonly LiveRun[]> {
  await dispatcher.perform({ type: 'runs' });
  return dispatcher.getState().liveRuns;
}

/** @throws AppError `usage`. */
function wishesOf({ cancel, pause, continue: on, limit }: RunsOptions): { id: string; wish: RunWish }[] {
  return [
    ...(limit === undefined ? [] : [limitOf(limit)]),
    ...(pause === undefined ? [] : [{ id: pause, wish: { type: 'pause' } as const }]),
    ...(on === undefined ? [] : [{ id: on, wish: { type: 'resume' } as const }]),
    ...(cancel === undefined ? [] : [{ id: cancel, wish: { type: 'cancel' } as const }]),
  ];
}

function limitOf(text: string): { id: string; wish: RunWish } {
  const [id = '', rate] = text.split('=', 2);
  if (id === '' || rate === undefined)
    throw new AppError('usage', '--limit takes RUN=BYTES', { hint: 'such as ID=20M, or ID=none' });
  return { id, wish: { type: 'rate', ...(rate === 'none' ? {} : { bytesPerSecond: parseRate(rate) }) } };
}

const head = ['ID', 'SINCE', 'STATE', 'DONE', 'RATE', 'LEFT', 'WHAT'];

function tellAll(found: readonly LiveRun[], output: Output): void {
  if (output.json) for (const run of found) output.value(run);
  else if (found.length === 0) output.remark('no run lives in a process of its own');
  else for (const line of table([head, ...found.map(rowOf)])) output.line(line);
}

const rowOf = (run: LiveRun): string[] => [
  run.id,
  localTime(run.startedAt),
  stateText(run),
  `${formatBytes(run.bytesDone)} of ${formatBytes(run.bytesTotal)}`,
  [
    run.status === 'running' && run.rate > 0 ? `${formatBytes(Math.round(run.rate))}/s` : '',
    run.limit === undefined ? '' : `(at most ${formatBytes(run.limit)}/s)`,
  ]
    .join(' ')
    .trim(),
  run.secondsLeft === undefined ? '' : formatDuration(run.secondsLeft),
  run.title,
];

function stateText({ status, waiting, asks }: LiveRun): string {
  if (asks) return 'asks something';
  return waiting === undefined ? status : waitingText(waiting);
}
