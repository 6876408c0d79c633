import { Box, Text } from 'ink';
import { useEffect, useState } from 'react';
import { formatBytes, formatDuration } from '../../model/units.ts';
import { type HistorySummary, isActive } from '../../state/state.ts';
import { type ScreenProps, useKeys } from '../screen.ts';
import { rateText } from '../speed.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { truncate } from '../widgets/fit-text.ts';
import { Panel, panelInside } from '../widgets/panel.tsx';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { dateText, entryLines, newestFirst, outcomeTone } from './history-view.ts';

const listColumns: Column<HistorySummary>[] = [
  { title: 'When', width: 16, cell: (e) => dateText(e.startedAt) },
  { title: 'Outcome', width: 11, cell: (e) => e.outcome, tone: (e) => outcomeTone[e.outcome] },
  { title: 'What', width: { grow: 1, min: 12 }, cell: (e) => e.title, cut: 'middle' },
  { title: 'Time', width: 8, align: 'right', from: 56, cell: (e) => formatDuration(e.seconds) },
  { title: 'Data', width: 9, align: 'right', from: 66, cell: (e) => formatBytes(e.bytes) },
  { title: 'Rate', width: 11, align: 'right', from: 100, cell: (e) => rateText(e.bytes, e.seconds) ?? '' },
  { title: 'Where', width: { grow: 1, min: 12 }, from: 120, cut: 'start', cell: (e) => e.places.join(', ') },
];

export function HistoryScreen({ port, state, rows, columns }: ScreenProps) {
  const { styles, glyphs } = useTerminal();
  const [opened, setOpened] = useState<string>();
  const [removing, setRemoving] = useState<HistorySummary>();
  useEffect(() => void port.dispatch({ type: 'history' }), [port]);
  const entry = state.historyEntry?.id === opened ? state.historyEntry : undefined;
  const list = useScrollList<HistorySummary>({
    name: 'history',
    rows: newestFirst(state.history),
    columns: listColumns,
    keyOf: (e) => e.id,
    textOf: (e) => [e.title, e.outcome, dateText(e.startedAt), ...e.places].join(' '),
    height: rows - 1,
    noun: 'conversion',
    active: entry === undefined,
  });
  const row = entry ?? list.current;
  const none = row === undefined ? 'there is nothing in the list' : undefined;
  const rerun = () => row !== undefined && void port.dispatch({ type: 'history-rerun', id: row.id });
  const busy = isActive(state.run)
    ? 'a conversion is running'
    : row?.outcome === 'running'
      ? 'it is still running'
      : undefined;
  useKeys([
    ...(entry === undefined
      ? [{ key: 'enter', label: 'open', help: 'show its plan and log', reason: none, run: () => open(row) }]
      : [{ key: 'esc', label: 'the list', run: () => setOpened(undefined) }]),
    { key: 'r', label: 'run again', help: 'run its plan again as it was', reason: none ?? busy, run: rerun },
    {
      key: 'd',
      label: 'remove',
      help: 'remove it from the history; its result stays',
      reason: none ?? (row?.outcome === 'running' ? 'it is still running' : undefined),
      run: () => setRemoving(row),
    },
  ]);
  const open = (of: HistorySummary | undefined) => {
    if (of === undefined) return;
    setOpened(of.id);
    void port.dispatch({ type: 'history-open', id: of.id });
  };
  if (removing !== undefined) {
    return (
      <Dialog
        title="Remove"
        text={`Remove "${removing.title}" of ${dateText(removing.startedAt)} from the history? What it made stays where it is.`}
        yes="remove"
        no="keep"
        width={Math.min(columns, 76)}
        height={rows}
        onYes={() => {
          void port.dispatch({ type: 'history-remove', ids: [removing.id] });
          setRemoving(undefined);
          setOpened(undefined);
        }}
        onNo={() => setRemoving(undefined)}
      />
    );
  }
  if (entry !== undefined) {
    const inside = panelInside(columns, rows);
    return (
      <Panel title={entry.title} width={columns} height={rows} focused>
        <TextPane
          key={entry.id}
          name={`history ${entry.id}`}
          lines={entryLines(entry, state.catalog)}
          width={inside.columns}
          height={inside.rows}
        />
      </Panel>
    );
  }
  const where = row === undefined || row.places.length === 0 ? '' : `Result: ${row.places.join(', ')}`;
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <ScrollList list={list} width={columns} empty="nothing has been converted yet" />
      <Text {...styles.dim} wrap="truncate">
        {truncate(where, columns, { ellipsis: glyphs.ellipsis, cut: 'middle' })}
      </Text>
    </Box>
  );
}
