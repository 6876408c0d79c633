/** A run as rows: what is drawn of it, without how. Pure. */
import type { Plan } from '../../model/plan.ts';
import { formatBytes, formatDuration } from '../../model/units.ts';
import { type DiskProgress, isActive, type Run, type RunItem } from '../../state/state.ts';
import { waitingText } from '../../state/waiting-words.ts';
import { rateText, speedText } from '../speed.ts';
import { percentText, shareOf } from '../widgets/progress-bar.tsx';
import type { Tone } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

const statusWords = {
  running: 'Running',
  paused: 'PAUSED: p goes on',
  cancelling: 'CANCELLING: what was begun is being taken back',
  done: 'DONE',
  failed: 'FAILED',
  cancelled: 'CANCELLED: nothing was left behind',
} as const;
const statusTones = {
  waiting: 'warn',
  running: 'accent',
  paused: 'warn',
  cancelling: 'warn',
  done: 'ok',
  failed: 'error',
  cancelled: 'warn',
} as const;

export interface Headline {
  readonly text: string;
  readonly tone: Tone;
}

/** `Running, machine 2 of 3`, and what has ended already. */
export function headline(run: Run): Headline {
  const { items, status } = run;
  const count = (wanted: RunItem['status']) => items.filter((item) => item.status === wanted).length;
  const at = items.findIndex((item) => item.status === 'running');
  if (status === 'cancelled' && count('done') > 0) {
    return { text: `CANCELLED, ${count('done')} done; of the others nothing was left behind`, tone: 'warn' };
  }
  const parts = [
    status === 'waiting' ? `WAITING: ${waitingText(run.waiting ?? {})}` : statusWords[status],
    items.length > 1 && at >= 0 ? `machine ${at + 1} of ${items.length}` : undefined,
    items.length > 1 && count('done') > 0 ? `${count('done')} done` : undefined,
    items.length > 1 && count('failed') > 0 ? `${count('failed')} FAILED` : undefined,
  ].filter((part) => part !== undefined);
  return { text: parts.join(', '), tone: statusTones[status] };
}

/** Of one machine the time that its journal has; of several that of all of them. */
export function elapsedSeconds(run: Run, now: number): number {
  const [only, ...others] = run.items;
  if (only?.seconds !== undefined && others.length === 0) return only.seconds;
  return Math.max(0, ((run.endedAt ?? now) - run.startedAt) / 1000);
}

/** Until the last machine is done; what the state says is of the one under way. */
export function secondsLeft(run: Run): number | undefined {
  if (run.items.length === 1) return run.secondsLeft;
  return run.rate > 0 ? (run.bytesTotal - run.bytesDone) / run.rate : undefined;
}

/** `1.2 GiB of 3 GiB, 210 MiB/s, 0:09 left, 0:12 so far` as far as it is known. */
export function totalText(run: Run, now: number): string {
  const seconds = elapsedSeconds(run, now);
  const size = `${formatBytes(run.bytesDone)} of ${formatBytes(run.bytesTotal)}`;
  if (!isActive(run)) {
    return [size, `in ${formatDuration(seconds)}`, rateText(run.bytesDone, seconds)]
      .filter((part) => part !== undefined)
      .join(', ');
  }
  const moving = run.status === 'running';
  const left = secondsLeft(run);
  return [
    size,
    moving && run.rate > 0 ? `${formatBytes(run.rate)}/s` : undefined,
    run.limit === undefined ? undefined : `at most ${formatBytes(run.limit)}/s`,
    moving && left !== undefined ? `${formatDuration(left)} left` : undefined,
    `${formatDuration(Math.floor(seconds))} so far`,
  ]
    .filter((part) => part !== undefined)
    .join(', ');
}

/** A drawn line of the upper part. */
export type RunRow =
  | {
      readonly kind: 'item';
      readonly key: string;
      readonly title: string;
      readonly state: string;
      readonly tone: Tone;
      readonly live: boolean;
    }
  | {
      readonly kind: 'disk';
      readonly key: string;
      readonly name: string;
      readonly share: number;
      readonly size: string;
      readonly live: boolean;
    };

const itemTones = {
  waiting: 'dim',
  running: 'accent',
  done: 'ok',
  failed: 'error',
  cancelled: 'warn',
} as const;

export function runRows(run: Run): RunRow[] {
  return run.items.flatMap((item, i): RunRow[] => [
    {
      kind: 'item',
      key: `${i}`,
      title: titleOf(item),
      state: itemState(item, run),
      tone: itemTones[item.status],
      live: item.status === 'running',
    },
    ...item.disks.map((disk) => diskRow(item, disk, i)),
  ]);
}

/** An environment is named; a folder is in the plan, and would be cut off here. */
const titleOf = ({ title, plan, destination }: RunItem): string =>
  plan.destination.environment === 'local' ? title : `${title} to ${destination}`;

function itemState(item: RunItem, run: Run): string {
  switch (item.status) {
    case 'running':
      return run.status === 'running'
        ? item.step || 'running'
        : `${run.status}${item.step === '' ? '' : `: ${item.step}`}`;
    case 'failed':
      return `FAILED: ${item.failure?.message ?? 'the reason is not known'}`;
    case 'done':
      return item.warning !== undefined
        ? 'done, with a WARNING'
        : item.started === undefined
          ? 'done'
          : `done, ${item.started}`;
    default:
      return item.status;
  }
}

function diskRow(item: RunItem, disk: DiskProgress, i: number): RunRow {
  const whole = disk.status === 'done' || item.status === 'done';
  // A disk without data is nothing to do: whole only once it has had its turn.
  const share = whole ? 1 : disk.bytesTotal === 0 ? 0 : shareOf(disk.bytesDone, disk.bytesTotal);
  return {
    kind: 'disk',
    key: `${i}:${disk.id}`,
    name: disk.name,
    share,
    size: `${formatBytes(disk.bytesDone)} of ${formatBytes(disk.bytesTotal)}`,
    live: item.status === 'running' && disk.status === 'running',
  };
}

/** `share` drawn as text beside a bar. */
export const shareText = (share: number): string => percentText(share);

/**
 * The first row to draw in `room` lines so that what is under way is seen: the running disk, with its
 * machine's line above it where both fit.
 */
export function firstRunRow(rows: readonly RunRow[], room: number): number {
  if (rows.length <= room) return 0;
  const disk = rows.findIndex((row) => row.kind === 'disk' && row.live);
  const item = rows.findIndex((row) => row.kind === 'item' && row.live);
  const at = disk >= 0 ? disk : item;
  if (at < 0) return 0;
  const middle = at - Math.floor(room / 2);
  const from = item >= 0 && at - item < room ? Math.min(middle, item) : middle;
  return Math.max(0, Math.min(from, rows.length - room));
}

/** What became of each machine, in words, for when the run has ended. */
export function resultLines(run: Run, now: number): PaneLine[] {
  const seconds = elapsedSeconds(run, now);
  return run.items.flatMap((item): PaneLine[] => {
    switch (item.status) {
      case 'done':
        return [
          { text: `DONE ${item.title}`, tone: 'ok' },
          ...placeLines(item),
          ...passLines(item),
          ...speedLines(item, run.items.length === 1 ? seconds : item.seconds),
        ];
      case 'failed':
        return [{ text: `FAILED ${item.title}`, tone: 'error' }, ...failureLines(item)];
      case 'cancelled':
        return [{ text: `CANCELLED ${item.title}`, tone: 'warn' }];
      default:
        return [{ text: `NOT DONE ${item.title}`, tone: 'warn' }];
    }
  });
}

/** Where it is now; in an environment also whose, and whether it runs. */
function placeLines({ plan, destination, places, started, warning }: RunItem): PaneLine[] {
  const named = plan.destination.environment === 'local' ? [] : [{ text: `  at ${destination}` }];
  return [
    ...named,
    ...places.map((place) => ({ text: `  ${place}` })),
    ...(started === undefined ? [] : [{ text: `  started: ${started}`, tone: 'ok' as const }]),
    ...(warning === undefined ? [] : [{ text: `  WARNING: ${warning}`, tone: 'warn' as const, hang: 4 }]),
  ];
}

const passLines = ({ passes = [] }: RunItem): PaneLine[] =>
  passes.map(({ number, last, bytesRead, bytesChanged, seconds }) => {
    const which = last ? `pass ${number}, when it was off` : `pass ${number}`;
    const bytes = `${formatBytes(bytesChanged)} ${number === 1 ? 'copied' : 'changed'}, ${formatBytes(bytesRead)} read`;
    return { text: `  ${which}: ${bytes} in ${formatDuration(seconds)}` };
  });

/** Nothing where the time of this one among several is not known. */
const speedLines = (item: RunItem, seconds: number | undefined): PaneLine[] =>
  seconds === undefined ? [] : [{ text: `  ${speedText(bytesOf(item), seconds)}` }];

const bytesOf = (item: RunItem): number =>
  item.bytes ?? item.disks.reduce((sum, disk) => sum + disk.bytesDone, 0);

function failureLines({ failure }: RunItem): PaneLine[] {
  if (failure === undefined) return [];
  return [
    { text: `  ${failure.message}` },
    ...(failure.where === undefined ? [] : [{ text: `  where: ${failure.where}`, hang: 4 }]),
    ...(failure.hint === undefined ? [] : [{ text: `  what to do: ${failure.hint}`, hang: 4 }]),
  ];
}

const levels = {
  info: { word: '', tone: 'plain' },
  warning: { word: 'WARNING: ', tone: 'warn' },
  error: { word: 'ERROR: ', tone: 'error' },
} as const;

/** The log with the seconds since the start, which mean the same in every time zone. */
export const logLines = (run: Run): PaneLine[] =>
  run.log.map(({ at, level, text }) => {
    const since = formatDuration(Math.floor(Math.max(0, at - run.startedAt) / 1000)).padStart(5);
    return { text: `${since} ${levels[level].word}${text}`, tone: levels[level].tone, hang: 6 };
  });

export interface RunReasons {
  readonly pause?: string;
  readonly cancel?: string;
  readonly another?: string;
  readonly leave?: string;
}

/** Why a key can't be used now. */
export function runReasons(run: Run | undefined): RunReasons {
  if (run === undefined) {
    const none = 'nothing runs';
    return {
      pause: none,
      cancel: none,
      leave: none,
      another: 'nothing has run yet; press 2 to choose an environment',
    };
  }
  if (run.status === 'cancelling') {
    const reason = 'it is being cancelled';
    return { pause: reason, cancel: reason, another: `${reason}; wait for its end` };
  }
  if (isActive(run)) {
    const another = 'it still runs; wait for its end or cancel it';
    if (run.away === undefined)
      return { another, leave: 'it runs inside of this program, and would end with it' };
    const pause = run.status === 'waiting' ? { pause: 'it has not begun' } : {};
    return { ...pause, another: `${another}, or leave it to itself with d` };
  }
  return { pause: 'it has ended', cancel: 'it has ended', leave: 'it has ended' };
}

/** The machine under way, where it is copied while it runs. */
export const warmItem = (run: Run): RunItem | undefined =>
  run.items.find(({ status, plan }) => status === 'running' && plan.warm !== undefined);

/** Why the word for its end can't be given now. */
export function shutDownReason(item: RunItem): string | undefined {
  if (item.passes?.at(-1)?.last === true) return 'it is off';
  const going = item.goesDown === true || item.plan.warm?.shutDown === true;
  return going ? 'it is going to be shut down for the last pass' : undefined;
}

export const shutDownQuestion = (item: RunItem | undefined): string =>
  `Shut ${item?.title ?? 'it'} down?\n\nIts system is asked to shut down after the pass that is under way. What changed until then is read, and the copy is finished.`;

/** Plans that failed for nothing but files or machines of the same name, as they would be with leave to replace those. */
export function replacingPlans(run: Run | undefined): Plan[] {
  if (run === undefined || isActive(run)) return [];
  return run.items.flatMap(({ status, plan, blockedBy, failure }) => {
    const only = blockedBy?.every((rule) => rule.endsWith('.exists')) ?? failure?.kind === 'conflict';
    return status === 'failed' && only && !plan.force ? [{ ...plan, force: true }] : [];
  });
}

export function replaceQuestion(run: Run, plans: readonly Plan[]): string {
  const ids = new Set(plans.map((plan) => plan.source.machine));
  const failures = run.items.flatMap((item) =>
    ids.has(item.plan.source.machine) && item.failure !== undefined ? [item.failure] : [],
  );
  const texts = failures.map(({ message, where }) =>
    where === undefined ? message : `${where}: ${message}`,
  );
  return [
    ...texts,
    '',
    'Run again and replace what has the same name? It is replaced only when what is new is whole. Otherwise nothing is changed.',
  ].join('\n');
}

export interface RunAreas {
  readonly itemRows: number;
  readonly logRows: number;
}

/** Lines for the machines and for the log; the log gets what is left over, and a third at least. */
export function runAreas(rows: number, wanted: number): RunAreas {
  const free = Math.max(2, rows);
  const logLeast = Math.floor(free / 3);
  const itemRows = Math.max(1, Math.min(wanted, free - logLeast));
  return { itemRows, logRows: Math.max(0, free - itemRows) };
}
