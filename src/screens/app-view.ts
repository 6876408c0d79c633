/** What the frame says and where keys lead: pure. */
import { isActive, type Notice, type ScreenId, type State, steps } from '../state/state.ts';
import type { KeySummary } from './keyboard.ts';
import { keysOfBinding, shownKey } from './keyboard.ts';
import { fitTo, wrap } from './widgets/fit-text.ts';
import { headerRows } from './widgets/header.tsx';
import type { PaneLine } from './widgets/text-pane-view.ts';

export const smallest = { columns: 40, rows: 10 };
const noticeRowsMax = 3;
const footRows = 1;

/** The step before the one shown; from the history, the step it was opened from. */
export function stepBack(screen: ScreenId, before: ScreenId): ScreenId | undefined {
  if (screen === 'history') return before === 'history' ? 'credentials' : before;
  return steps[steps.indexOf(screen) - 1];
}

export interface NoticeLine {
  readonly level: Notice['level'];
  readonly text: string;
}

const words: Record<Notice['level'], string> = { info: '', warning: 'Warning: ', error: 'Error: ' };

/** The line above the keys: why a key does nothing, else the last thing to tell. */
export function noticeLines(state: State, summary: KeySummary, columns: number): NoticeLine[] {
  const notice: Notice | undefined =
    summary.refused !== undefined
      ? { level: 'warning', text: summary.refused }
      : state.terminating
        ? { level: 'info', text: 'Ending (Ctrl+C again: at once)' }
        : state.notice;
  if (notice === undefined || (notice === state.notice && isTold(state))) return [];
  const word = summary.refused === undefined ? words[notice.level] : 'Not now: ';
  return wrap(word + notice.text, columns)
    .slice(0, noticeRowsMax)
    .map((text) => ({ level: notice.level, text }));
}

/** A failure that stands on the screen already, with what to do. */
function isTold({ screen, run, connection, destination, notice }: State): boolean {
  const told =
    screen === 'environment' && connection.status === 'failed'
      ? [connection.failure]
      : screen === 'configuration' && destination.status === 'failed'
        ? [destination.failure]
        : screen === 'run' && run?.status === 'failed'
          ? run.items.map((item) => item.failure)
          : [];
  return told.some((failure) => failure !== undefined && notice?.text.includes(failure.message));
}

/** Lines left for the screen. */
export const bodyRows = (rows: number, notices: number): number =>
  Math.max(1, rows - headerRows - Math.max(1, notices) - footRows);

/** All keys, those at the foot first, with the reason of each that can't be used now. */
export function helpLines(summary: KeySummary): PaneLine[] {
  const fixed: PaneLine[] = [
    { text: '' },
    {
      text: 'Steps: 1 to 5 go there; what was entered stays. Esc goes one back, or closes what is open.',
      tone: 'dim',
    },
    { text: 'Nothing is written to a source, and nothing is replaced unless asked for.', tone: 'dim' },
  ];
  const line = (key: string, text: string, reason?: string): PaneLine =>
    reason === undefined
      ? { text: `${fitTo(key, 12)} ${text}`, hang: 13 }
      : { text: `${fitTo(key, 12)} ${text} (not now: ${reason})`, tone: 'dim', hang: 13 };
  const shown = [...summary.bindings].sort((a, b) => Number(a.quiet ?? false) - Number(b.quiet ?? false));
  return [
    ...shown
      .filter((b) => !keysOfBinding(b).includes('ctrl+c') && b.key !== '?')
      .map((b) => line(shownKey(b), b.help ?? b.label, b.reason)),
    line('Ctrl+C', 'end; asks first while something runs'),
    ...fixed,
  ];
}

export function quitQuestion({ run }: State): string | undefined {
  if (!isActive(run)) return undefined;
  if (run?.away === undefined) return 'A conversion is running. Stop it and quit?';
  return `A conversion is running, in a process of its own. Leave it running?\n\nIt is found again on the Run screen, and by: vmferry attach ${run.away}\n\nTo stop it takes back what was written so far. Ctrl+C once more leaves it, too.`;
}
