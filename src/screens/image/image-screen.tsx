/** Step 3: the machines of the environment, with what is in them; one or more are chosen. */
import { Box, Text } from 'ink';
import { useEffect, useMemo, useState } from 'react';
import { describeFailure } from '../../model/errors.ts';
import { type ScreenProps, useRemembered } from '../screen.ts';
import { truncate } from '../widgets/fit-text.ts';
import { ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { Spinner } from '../widgets/spinner.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { DetailPage, DetailPane } from './detail-pane.tsx';
import { FoldersForm, PathForm } from './image-forms.tsx';
import {
  areas,
  chosenIds,
  emptyText,
  isSearching,
  machineColumns,
  machineRows,
  nextSort,
  type SortKey,
  statusText,
} from './image-view.ts';
import { MatrixPage } from './matrix-page.tsx';
import { type Mode, useImageKeys } from './use-image-keys.ts';

export function ImageScreen({ port, state, rows, columns }: ScreenProps) {
  const { glyphs, styles } = useTerminal();
  const { machines, selected } = state;
  const [wanted, setMode] = useState<Mode>('list');
  const mode = (wanted === 'details' || wanted === 'matrix') && machines.items.length === 0 ? 'list' : wanted;
  const [sort, setSort] = useRemembered<SortKey>('image:sort', 'name');
  const sorted = useMemo(() => machineRows(machines.items, sort), [machines.items, sort]);
  const marks = useMemo(() => new Set(selected), [selected]);
  const area = areas(columns, rows);
  const failed = machines.status === 'failed' && machines.failure !== undefined;
  const list = useScrollList({
    name: 'image',
    rows: sorted,
    columns: machineColumns,
    keyOf: (row) => row.id,
    textOf: (row) => `${row.name} ${row.system} ${row.format} ${row.id}`,
    height: area.listRows - (failed ? 2 : 1),
    noun: 'machine',
    marks,
    onMark: (ids) => void port.dispatch({ type: 'select', ids: chosenIds(ids, machines.items) }),
    active: mode === 'list',
  });
  const row = list.current;
  // While it is searched for, the first one is under the cursor; what comes later by itself moves nothing.
  const settled = machines.status === 'done';
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the search has ended
  useEffect(() => {
    if (settled && row !== undefined) list.select(row.id);
  }, [settled]);
  useImageKeys({ port, state, row, sort, mode, setMode, turnSort: () => setSort(nextSort) });

  const item = machines.items.find((i) => i.machine.id === row?.id);
  const form = { port, state, width: Math.min(columns, 76), height: rows, onClose: () => setMode('list') };
  if (mode === 'path') return <PathForm {...form} onAdded={list.select} />;
  if (mode === 'folders') return <FoldersForm {...form} />;
  if (mode === 'details' && item !== undefined)
    return <DetailPage item={item} width={columns} height={rows} />;
  if (mode === 'matrix' && item !== undefined)
    return <MatrixPage {...{ port, item, width: columns, height: rows }} onClose={() => setMode('list')} />;

  const status = truncate(statusText(machines, selected.length, sort), area.listColumns - 2, glyphs);
  return (
    <Box flexDirection={area.beside ? 'row' : 'column'} width={columns} height={rows} overflow="hidden">
      <Box flexDirection="column" width={area.listColumns} height={area.listRows}>
        {isSearching(machines) ? <Spinner label={status} /> : <Text wrap="truncate">{status}</Text>}
        {failed && machines.failure !== undefined && (
          <Text {...styles.error} wrap="truncate">
            {truncate(`ERROR: ${describeFailure(machines.failure)}`, area.listColumns, glyphs)}
          </Text>
        )}
        <ScrollList
          list={list}
          width={area.listColumns}
          empty={emptyText(machines, state.connection.status === 'connected')}
        />
      </Box>
      {area.beside && <Box width={1} />}
      {area.paneRows > 0 && <DetailPane item={item} width={area.paneColumns} height={area.paneRows} />}
    </Box>
  );
}
