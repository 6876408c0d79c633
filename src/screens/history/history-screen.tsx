import { Box, Text } from 'ink';
import { useEffect, useState } from 'react';
import { formatBytes, formatDuration } from '../../model/units.ts';
import type { HistorySummary } from '../../state/state.ts';
import { type ScreenProps, useRemembered } from '../screen.ts';
import { rateText } from '../speed.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { truncate } from '../widgets/fit-text.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { entryLines } from './entry-lines.ts';
import { ExportForm } from './export-form.tsx';
import {
  dateText,
  emptyText,
  leftText,
  newestFirst,
  type OutcomeFilter,
  outcomeTone,
  removeText,
  searched,
} from './history-view.ts';
import { keptBy, removeKeptText } from './kept-view.ts';
import { useHistoryKeys } from './use-history-keys.ts';

const listColumns: Column<HistorySummary>[] = [
  { title: 'When', width: 16, cell: (e) => dateText(e.startedAt) },
  { title: 'Outcome', width: 11, cell: (e) => e.outcome, tone: (e) => outcomeTone[e.outcome] },
  { title: 'What', width: { grow: 1, min: 12 }, cell: (e) => e.title, cut: 'middle' },
  { title: 'Time', width: 8, align: 'right', from: 56, cell: (e) => formatDuration(e.seconds) },
  { title: 'Data', width: 9, align: 'right', from: 66, cell: (e) => formatBytes(e.bytes) },
  { title: 'Rate', width: 11, align: 'right', from: 100, cell: (e) => rateText(e.bytes, e.seconds) ?? '' },
  { title: 'Where', width: { grow: 1, min: 12 }, from: 120, cut: 'start', cell: (e) => e.places.join(', ') },
];

type Asked = 'remove' | 'remove-kept' | 'export' | 'discard';

export function HistoryScreen({ port, state, rows, columns }: ScreenProps) {
  const { styles, glyphs } = useTerminal();
  const [opened, setOpened] = useState<string>();
  const [asked, setAsked] = useState<{ what: Asked; of: readonly HistorySummary[] }>();
  const [outcome, setOutcome] = useRemembered<OutcomeFilter>('history:outcome', 'all');
  const [marks, setMarks] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    void port.dispatch({ type: 'history' });
    void port.dispatch({ type: 'resumable' });
  }, [port]);
  const entry = state.historyEntry?.id === opened ? state.historyEntry : undefined;
  const listed = newestFirst(state.history).filter((e) => outcome === 'all' || e.outcome === outcome);
  const list = useScrollList<HistorySummary>({
    name: 'history',
    rows: listed,
    columns: listColumns,
    keyOf: (e) => e.id,
    textOf: searched,
    height: rows - 1,
    noun: outcome === 'all' ? 'conversion' : `${outcome} conversion`,
    marks,
    onMark: (keys) => setMarks(new Set(keys)),
    active: entry === undefined,
  });
  const marked = listed.filter(({ id }) => marks.has(id));
  const row = entry ?? list.current;
  useHistoryKeys({
    ...{ port, state, outcome, opened: entry !== undefined },
    chosen: entry === undefined && marked.length > 0 ? marked : row === undefined ? [] : [row],
    open(of) {
      setOpened(of.id);
      void port.dispatch({ type: 'kept' });
      void port.dispatch({ type: 'history-open', id: of.id });
    },
    close: () => setOpened(undefined),
    show: setOutcome,
    remove: (of) => setAsked({ what: 'remove', of }),
    removeKept: (of) => setAsked({ what: 'remove-kept', of: [of] }),
    discard: (of) => setAsked({ what: 'discard', of: [of] }),
    exportThese: (of) => setAsked({ what: 'export', of }),
  });
  const width = Math.min(columns, 76);
  if (asked?.what === 'remove') {
    const ids = asked.of.map(({ id }) => id);
    const left = state.resumable.filter(({ id }) => ids.includes(id)).length;
    return (
      <Dialog
        title="Remove"
        text={removeText(asked.of, left)}
        yes="remove"
        no="keep"
        width={width}
        height={rows}
        onYes={() => {
          void port.dispatch({ type: 'history-remove', ids, force: left > 0 });
          setMarks(new Set());
          setAsked(undefined);
          setOpened(undefined);
        }}
        onNo={() => setAsked(undefined)}
      />
    );
  }
  if (asked?.what === 'discard') {
    const [{ id, title }] = asked.of as readonly [HistorySummary];
    return (
      <Dialog
        title="Give up"
        text={`Remove what "${title}" has left at its destination? It can't be gone on with then.`}
        yes="remove"
        no="keep"
        width={width}
        height={rows}
        onYes={() => {
          void port.dispatch({ type: 'discard-run', id });
          setAsked(undefined);
        }}
        onNo={() => setAsked(undefined)}
      />
    );
  }
  if (asked?.what === 'remove-kept') {
    const copies = keptBy(asked.of[0]!.id, state.kept);
    return (
      <Dialog
        title="Remove kept copies"
        text={removeKeptText(copies)}
        yes="remove"
        no="keep"
        width={width}
        height={rows}
        onYes={() => {
          void port.dispatch({ type: 'kept-remove', ids: copies.map(({ id }) => id) });
          setAsked(undefined);
        }}
        onNo={() => setAsked(undefined)}
      />
    );
  }
  if (asked?.what === 'export') {
    const ids = asked.of.map(({ id }) => id);
    return (
      <ExportForm port={port} ids={ids} width={width} height={rows} onClose={() => setAsked(undefined)} />
    );
  }
  if (entry !== undefined) {
    const inside = panelInside(columns, rows);
    return (
      <Panel title={entry.title} width={columns} height={rows} focused>
        <TextPane
          key={entry.id}
          name={`history ${entry.id}`}
          lines={entryLines(entry, state.catalog, state.kept)}
          width={inside.columns}
          height={inside.rows}
        />
      </Panel>
    );
  }
  const left = state.resumable.find(({ id }) => id === row?.id);
  const result = row === undefined || row.places.length === 0 ? '' : `Result: ${row.places.join(', ')}`;
  const where = left === undefined ? result : leftText(left);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <ScrollList list={list} width={columns} empty={emptyText(outcome)} />
      <Text {...styles.dim} wrap="truncate">
        {truncate(where, columns, { ellipsis: glyphs.ellipsis, cut: 'middle' })}
      </Text>
    </Box>
  );
}
