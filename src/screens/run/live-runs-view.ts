/** Runs in processes of their own, as rows: pure. */
import { localTime } from '../../model/start-time.ts';
import { formatBytes } from '../../model/units.ts';
import type { LiveRun } from '../../state/state.ts';
import { waitingText } from '../../state/waiting-words.ts';
import { percentText, shareOf } from '../widgets/progress-bar.tsx';
import type { Column } from '../widgets/scroll-list.tsx';
import type { Tone } from '../widgets/terminal.ts';

export function liveState({ asks, status, waiting }: LiveRun): string {
  if (asks) return 'ASKS';
  return waiting === undefined ? status : waitingText(waiting);
}

const toneOf = ({ asks, status }: LiveRun): Tone =>
  asks || status === 'silent' ? 'warn' : status === 'running' ? 'accent' : 'plain';

const doneText = ({ bytesDone, bytesTotal, status }: LiveRun): string =>
  status === 'silent' || bytesTotal === 0 ? '' : percentText(shareOf(bytesDone, bytesTotal)).trim();

const rateText = ({ rate, status }: LiveRun): string =>
  status === 'running' && rate > 0 ? `${formatBytes(Math.round(rate))}/s` : '';

export const liveColumns: Column<LiveRun>[] = [
  { title: 'What', width: { grow: 1, min: 12 }, cell: ({ title }) => title, cut: 'middle' },
  { title: 'State', width: 23, cell: liveState, tone: toneOf },
  { title: 'Done', width: 5, align: 'right', cell: doneText },
  { title: 'Rate', width: 11, align: 'right', from: 66, cell: rateText },
  { title: 'Since', width: 16, from: 90, cell: ({ startedAt }) => localTime(startedAt) },
  { title: 'Id', width: 20, from: 110, cell: ({ id }) => id },
];
