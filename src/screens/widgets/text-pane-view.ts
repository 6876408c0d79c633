/** Scrolling through lines of text: pure. */

import { wrap } from './fit-text.ts';
import type { Move } from './scroll-list-view.ts';
import type { Tone } from './terminal.ts';

export interface PaneLine {
  readonly text: string;
  readonly tone?: Tone;
  /** Indentation of the lines that follow when it is too long for one; absent: its own. */
  readonly hang?: number;
}

export const paneLines = (lines: readonly (PaneLine | string)[], width: number): PaneLine[] =>
  lines.flatMap((line) => {
    if (typeof line === 'string') return wrap(line, width).map((text) => ({ text }));
    const { text, ...rest } = line;
    return wrap(text, width, line.hang).map((part) => ({ ...rest, text: part }));
  });

/** `undefined` stands for "the end, and stay there while lines arrive". */
export function paneTop(top: number | undefined, count: number, page: number): number {
  const last = Math.max(0, count - page);
  return top === undefined ? last : Math.min(Math.max(0, top), last);
}

export function paneMoved(
  top: number | undefined,
  count: number,
  page: number,
  move: Move,
  follow: boolean,
): number | undefined {
  const step = { up: -1, down: 1, pageup: -page, pagedown: page, home: -count, end: count }[move];
  const next = paneTop(paneTop(top, count, page) + step, count, page);
  return follow && next >= Math.max(0, count - page) ? undefined : next;
}
