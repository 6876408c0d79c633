/** A list's state and its arithmetic: pure. The cursor is a row's key, so that rows that arrive do not move it. */
import { clean, type FitOptions, fitTo, widthOf } from './fit-text.ts';
import type { Tone } from './terminal.ts';

export interface ListState {
  /** Key of the row under the cursor; absent: the first. */
  readonly cursor?: string;
  /** Index of the first drawn row among those that pass the filter. */
  readonly top: number;
  readonly filter: string;
  /** The filter is being typed. */
  readonly filtering: boolean;
}
export const initialList: ListState = { top: 0, filter: '', filtering: false };

export type Move = 'up' | 'down' | 'pageup' | 'pagedown' | 'home' | 'end';

/** Rows of which one cell contains every word of the filter, whatever its case. */
export function filterRows<T>(rows: readonly T[], filter: string, textOf: (row: T) => string): readonly T[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return rows;
  return rows.filter((row) => {
    const text = textOf(row).toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

/** Index of the cursor; the first row when it is gone; -1 in an empty list. */
export function cursorIndex(keys: readonly string[], cursor: string | undefined): number {
  if (keys.length === 0) return -1;
  return cursor === undefined ? 0 : Math.max(0, keys.indexOf(cursor));
}

export function moved(index: number, count: number, page: number, move: Move): number {
  const step = { up: -1, down: 1, pageup: -page, pagedown: page, home: -count, end: count }[move];
  return Math.min(Math.max(0, index + step), Math.max(0, count - 1));
}

/** The first row to draw so that the cursor is seen and no line is wasted at the end. */
export function scrolled(top: number, index: number, count: number, page: number): number {
  const seen = Math.min(Math.max(top, index - page + 1), Math.max(0, index));
  return Math.max(0, Math.min(seen, count - page));
}

export function countText(shown: number, total: number, noun: string): string {
  const named = total === 1 ? noun : `${noun}s`;
  return shown === total ? `${total} ${named}` : `${shown} of ${total} ${named}`;
}

export interface Column<T> {
  readonly title?: string;
  /** Cells, or a share of what the fixed columns leave. */
  readonly width: number | { readonly grow: number; readonly min: number };
  readonly align?: 'left' | 'right';
  readonly cut?: FitOptions['cut'];
  /** Left out, the last such column first, while the list is narrower than this. */
  readonly from?: number;
  cell(row: T): string;
  tone?(row: T): Tone | undefined;
}

export interface LaidColumn<T> {
  readonly column: Column<T>;
  readonly width: number;
}

/** Columns with their widths: they and a space between each come to `available` at most. */
export function layOut<T>(columns: readonly Column<T>[], available: number): LaidColumn<T>[] {
  const used = columns.filter((c) => c.from === undefined || available >= c.from);
  const widths = shareOut(used, available - Math.max(0, used.length - 1));
  let left = available;
  return used.flatMap((column, i) => {
    const width = Math.min(widths[i] ?? 0, left);
    left -= width + 1;
    return width > 0 ? [{ column, width }] : [];
  });
}

/** Fixed columns first, then those whose share would be under their minimum, then the others by their shares. */
function shareOut<T>(columns: readonly Column<T>[], room: number): number[] {
  const widths = columns.map((c) => (typeof c.width === 'number' ? c.width : undefined));
  for (;;) {
    const open = columns.flatMap((c, i) =>
      widths[i] === undefined && typeof c.width !== 'number' ? [{ i, ...c.width }] : [],
    );
    const free = room - widths.reduce<number>((sum, width) => sum + (width ?? 0), 0);
    const shares = open.reduce((sum, o) => sum + o.grow, 0);
    const share = (o: { grow: number }) => Math.floor((free * o.grow) / shares);
    const tight = open.filter((o) => share(o) < o.min);
    for (const o of tight.length > 0 ? tight : open) widths[o.i] = tight.length > 0 ? o.min : share(o);
    if (tight.length === 0) return widths.map((width) => width ?? 0);
  }
}

/** One cell, exactly as wide as its column. */
export function cellText<T>(laid: LaidColumn<T>, row: T, ellipsis: string): string {
  const { align, cut } = laid.column;
  return fitTo(laid.column.cell(row), laid.width, { ellipsis, ...(align && { align }), ...(cut && { cut }) });
}

export const titleText = <T>(laid: LaidColumn<T>, ellipsis: string): string =>
  fitTo(laid.column.title ?? '', laid.width, {
    ellipsis,
    ...(laid.column.align && { align: laid.column.align }),
  });

/** Where the drawn part lies: cells of a scroll bar that are filled, `undefined` when all is seen. */
export function scrollBar(
  top: number,
  page: number,
  count: number,
): { from: number; to: number } | undefined {
  if (count <= page || page < 1) return undefined;
  const size = Math.max(1, Math.round((page * page) / count));
  const from = Math.min(page - size, Math.round((top * (page - size)) / (count - page)));
  return { from, to: from + size };
}

/** The filter line at the foot of the list: `/text_` while it is typed. */
export function filterText(state: ListState): string | undefined {
  if (state.filtering) return `/${state.filter}_`;
  return state.filter === '' ? undefined : `/${state.filter}`;
}

/** The foot of the list: the filter at the left, how many of how many at the right. */
export function listFoot(
  state: ListState,
  shown: number,
  total: number,
  noun: string,
  width: number,
): string {
  const right = countText(shown, total, noun);
  const left = clean(filterText(state) ?? '');
  const room = width - widthOf(right) - 1;
  return room < 1 ? fitTo(right, width) : `${fitTo(left, room, { cut: 'start', ellipsis: '' })} ${right}`;
}
