import { Box, Text } from 'ink';
import { useState } from 'react';
import type { State } from '../../state/state.ts';
import { formField } from '../credentials/credentials-view.ts';
import { type ScreenProps, useKeys, useRemembered } from '../screen.ts';
import { Form, type Values } from '../widgets/form.tsx';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { Spinner } from '../widgets/spinner.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { paneLines } from '../widgets/text-pane-view.ts';
import { connectTo } from './connect.ts';
import {
  detailLines,
  keyOfRow,
  labelOf,
  profileOf,
  type Row,
  rowsOf,
  settableFields,
  startRow,
  statusOf,
  summaryOf,
  whyNot,
} from './environment-view.ts';

const columnsOf = (state: State): Column<Row>[] => [
  { title: 'Environment', width: { grow: 1, min: 20 }, cell: labelOf },
  {
    title: 'State',
    width: 15,
    cell: (row) => statusOf(row, state),
    tone: (row) =>
      ({ FAILED: 'error', connected: 'ok', connecting: 'accent' })[statusOf(row, state)] as 'ok' | undefined,
  },
  { title: 'What it can do', width: { grow: 2, min: 10 }, from: 60, cell: summaryOf, tone: () => 'dim' },
];

const detailRows = 6;

export function EnvironmentScreen({ port, state, rows, columns }: ScreenProps) {
  const { styles } = useTerminal();
  const [changing, setChanging] = useState<Row>();
  // Typed once, they hold for this environment until the end.
  const [typed, setTyped] = useRemembered<Readonly<Record<string, Values>>>('environment settings', {});
  const { connection } = state;
  const list = useScrollList<Row>({
    name: 'environments',
    rows: rowsOf(state),
    columns: columnsOf(state),
    keyOf: keyOfRow,
    height: Math.max(3, rows - detailRows - 1),
    noun: 'row',
    start: startRow(state),
    active: changing === undefined,
  });
  const row = list.current;
  const connecting = connection.status === 'connecting';
  const here =
    connection.status === 'connected' &&
    row?.kind === 'environment' &&
    row.environment.id === connection.environment;
  const cancel = () => void port.dispatch({ type: 'cancel-connect' });
  const settable = settableFields(row);
  useKeys([
    {
      key: 'enter',
      label: here ? 'its machines' : row?.kind === 'sample' ? 'take the sample' : 'connect',
      help: 'connect and go to the machines',
      reason: connecting ? 'it is connecting; c cancels' : whyNot(row, state, row && typed[keyOfRow(row)]),
      run: () => {
        if (here) void port.dispatch({ type: 'go', screen: 'image' });
        else if (row !== undefined) void connectTo(port, row, typed[keyOfRow(row)]);
      },
    },
    {
      key: 'e',
      label: 'settings',
      help: 'connect with other settings, such as the folders to look in',
      reason:
        settable.length === 0 ? 'it has no settings' : connecting ? 'it is connecting; c cancels' : undefined,
      run: () => setChanging(row),
    },
    {
      key: 'r',
      label: 'connect again',
      quiet: !here,
      reason: here ? undefined : 'it is not connected',
      run: () => row && void connectTo(port, row, typed[keyOfRow(row)]),
    },
    ...(connecting
      ? [
          { key: 'c', label: 'cancel', run: cancel },
          { key: 'esc', label: 'cancel', quiet: true, run: cancel },
        ]
      : []),
  ]);
  if (changing !== undefined) {
    const settings = { ...profileOf(changing, state)?.settings, ...typed[keyOfRow(changing)] };
    return (
      <Form
        title={`Settings: ${labelOf(changing)}`}
        fields={settableFields(changing).map((field) => formField(field, settings))}
        width={Math.min(columns, 76)}
        height={rows}
        submitLabel="connect"
        onSubmit={(values) => {
          setChanging(undefined);
          setTyped((now) => ({ ...now, [keyOfRow(changing)]: values }));
          void connectTo(port, changing, values);
        }}
        onCancel={() => setChanging(undefined)}
      />
    );
  }
  const details = paneLines(detailLines(row, state), columns).slice(0, detailRows);
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      <ScrollList list={list} width={columns} empty="no environment is installed" />
      <Box height={1} />
      {connection.status === 'connecting' ? (
        <Spinner label={`connecting: ${connection.step}`} />
      ) : (
        details.map((line, i) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
          <Text key={i} {...styles[line.tone ?? 'plain']} wrap="truncate">
            {line.text}
          </Text>
        ))
      )}
    </Box>
  );
}
