/** A list with columns, a cursor, marks, a filter. `useScrollList` holds it, `ScrollList` draws it. */
import { Box, Text } from 'ink';
import { useMemo } from 'react';
import { type KeyBinding, useKeys, useRemembered } from '../screen.ts';
import {
  type Column,
  cellText,
  cursorIndex,
  filterRows,
  initialList,
  type ListState,
  layOut,
  listFoot,
  type Move,
  moved,
  scrollBar,
  scrolled,
  titleText,
} from './scroll-list-view.ts';
import { useTerminal } from './terminal.ts';

export type { Column } from './scroll-list-view.ts';

export interface ListOptions<T> {
  /** Names the list, so that its cursor and filter outlive a visit to another screen. */
  readonly name: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  keyOf(row: T): string;
  /** What the filter looks at; absent: all cells. */
  textOf?(row: T): string;
  /** Lines that the list has, its title and foot included. */
  readonly height: number;
  readonly noun: string;
  /** With marks, `space` and `ctrl+a` are bound and every row carries a box. */
  readonly marks?: ReadonlySet<string>;
  onMark?(keys: readonly string[]): void;
  /** Where the cursor is before it was ever moved; absent: the first row. */
  readonly start?: string | undefined;
  /** False while another part of the screen has the keys. */
  readonly active?: boolean;
}

export interface ScrollListModel<T> {
  readonly options: ListOptions<T>;
  readonly state: ListState;
  /** Rows that pass the filter. */
  readonly shown: readonly T[];
  readonly index: number;
  readonly current: T | undefined;
  readonly page: number;
  /** Moves the cursor to a row, such as one just added. */
  select(key: string): void;
}

export function useScrollList<T>(options: ListOptions<T>): ScrollListModel<T> {
  const [state, setState] = useRemembered<ListState>(`list:${options.name}`, initialList);
  const { rows, columns, keyOf, active = true } = options;
  const textOf = options.textOf ?? ((row: T) => columns.map((c) => c.cell(row)).join(' '));
  // biome-ignore lint/correctness/useExhaustiveDependencies: textOf is made anew at each drawing and only reads the row
  const shown = useMemo(() => filterRows(rows, state.filter, textOf), [rows, state.filter]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: as above
  const keys = useMemo(() => shown.map(keyOf), [shown]);
  const titled = columns.some((c) => c.title !== undefined);
  const page = Math.max(1, options.height - 1 - (titled ? 1 : 0));
  const index = cursorIndex(keys, state.cursor ?? options.start);
  const top = scrolled(state.top, index, shown.length, page);

  const go = (move: Move) => () =>
    setState((now) => {
      const at = moved(cursorIndex(keys, now.cursor ?? options.start), keys.length, page, move);
      const key = keys[at];
      return key === undefined ? now : { ...now, cursor: key, top: scrolled(top, at, keys.length, page) };
    });
  const moves: KeyBinding[] = [
    { key: ['up', 'ctrl+p'], shown: 'Up', label: 'the row above', quiet: true, run: go('up') },
    { key: ['down', 'ctrl+n'], shown: 'Down', label: 'the row below', quiet: true, run: go('down') },
    { key: 'pageup', label: 'a page up', quiet: true, run: go('pageup') },
    { key: 'pagedown', label: 'a page down', quiet: true, run: go('pagedown') },
    { key: 'home', label: 'to the first', quiet: true, run: go('home') },
    { key: 'end', label: 'to the last', quiet: true, run: go('end') },
  ];
  useKeys([...moves, ...filterKeys(state, setState), ...markKeys(options, shown, shown[index])], {
    level: 'list',
    active,
  });
  useKeys(
    [
      ...moves.slice(0, 4),
      {
        key: 'enter',
        label: 'keep the filter',
        run: () => setState((now) => ({ ...now, filtering: false })),
      },
      {
        key: 'esc',
        label: 'no filter',
        run: () => setState((now) => ({ ...now, filtering: false, filter: '' })),
      },
      {
        key: 'backspace',
        label: 'delete',
        quiet: true,
        run: () => setState((now) => ({ ...now, filter: [...now.filter].slice(0, -1).join('') })),
      },
    ],
    {
      level: 'entry',
      active: active && state.filtering,
      onText: (text) => setState((now) => ({ ...now, filter: now.filter + text, top: 0 })),
    },
  );
  return {
    options,
    state: { ...state, top },
    shown,
    index,
    current: shown[index],
    page,
    select: (key) => setState((now) => ({ ...now, cursor: key })),
  };
}

type SetList = (next: (now: ListState) => ListState) => void;

function filterKeys(state: ListState, setState: SetList): KeyBinding[] {
  const open: KeyBinding = {
    key: '/',
    label: 'filter',
    help: 'show only rows with these words, in any order; Esc shows all again',
    run: () => setState((now) => ({ ...now, filtering: true })),
  };
  if (state.filter === '' || state.filtering) return [open];
  return [
    open,
    { key: 'esc', label: 'no filter', run: () => setState((now) => ({ ...now, filter: '', top: 0 })) },
  ];
}

function markKeys<T>(options: ListOptions<T>, shown: readonly T[], current: T | undefined): KeyBinding[] {
  const { marks, onMark, keyOf } = options;
  if (marks === undefined || onMark === undefined) return [];
  const all = shown.map(keyOf);
  const reason = current === undefined ? 'the list is empty' : undefined;
  const toggle = (key: string) => (marks.has(key) ? [...marks].filter((k) => k !== key) : [...marks, key]);
  const marked = all.every((key) => marks.has(key));
  return [
    {
      key: 'space',
      label: 'mark',
      help: 'choose the row under the cursor, or not any more; several can be chosen',
      reason,
      run: () => current !== undefined && onMark(toggle(keyOf(current))),
    },
    {
      key: 'ctrl+a',
      label: marked ? 'mark none' : 'mark all',
      quiet: true,
      reason,
      run: () =>
        onMark(marked ? [...marks].filter((k) => !all.includes(k)) : [...new Set([...marks, ...all])]),
    },
  ];
}

export interface ScrollListProps<T> {
  readonly list: ScrollListModel<T>;
  readonly width: number;
  /** Drawn when there is no row at all. */
  readonly empty?: string;
}

export function ScrollList<T>({ list, width, empty }: ScrollListProps<T>) {
  const { glyphs, styles } = useTerminal();
  const { options, state, shown, page } = list;
  const before = 2 + (options.marks === undefined ? 0 : 4);
  const laid = layOut(options.columns, width - before - 2);
  const titled = options.columns.some((c) => c.title !== undefined);
  const bar = scrollBar(state.top, page, shown.length);
  const drawn = shown.slice(state.top, state.top + page);
  const nothing =
    shown.length > 0 ? undefined : options.rows.length > 0 ? 'nothing passes the filter' : empty;
  return (
    <Box flexDirection="column" width={width} height={options.height} overflow="hidden">
      {titled && (
        <Text {...styles.dim} wrap="truncate">
          {' '.repeat(before) + laid.map((l) => titleText(l, glyphs.ellipsis)).join(' ')}
        </Text>
      )}
      <Box flexDirection="column" height={page}>
        {nothing !== undefined && (
          <Text {...styles.dim} wrap="truncate">
            {`  ${nothing}`}
          </Text>
        )}
        {drawn.map((row, i) => {
          const at = state.top + i;
          const here = at === list.index && options.active !== false;
          const key = options.keyOf(row);
          const mark =
            options.marks === undefined ? '' : `${options.marks.has(key) ? glyphs.markOn : glyphs.markOff} `;
          const slot =
            bar === undefined ? '' : i >= bar.from && i < bar.to ? glyphs.barFull : glyphs.separator;
          return (
            <Text key={key} wrap="truncate">
              <Text
                {...(here ? styles.selected : {})}
              >{`${at === list.index ? glyphs.cursor : ' '} ${mark}`}</Text>
              {laid.map((l, c) => (
                <Text
                  key={l.column.title ?? c}
                  {...(here ? styles.selected : styles[l.column.tone?.(row) ?? 'plain'])}
                >
                  {cellText(l, row, glyphs.ellipsis) + (c < laid.length - 1 ? ' ' : '')}
                </Text>
              ))}
              <Text {...styles.dim}>{slot === '' ? '' : ` ${slot}`}</Text>
            </Text>
          );
        })}
      </Box>
      <Text {...(state.filtering ? styles.accent : styles.dim)} wrap="truncate">
        {listFoot(state, shown.length, options.rows.length, options.noun, width)}
      </Text>
    </Box>
  );
}
