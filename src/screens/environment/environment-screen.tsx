import { Box, Text } from 'ink';
import { useState } from 'react';
import type { LeftOutPlugin, State } from '../../state/state.ts';
import { formField } from '../credentials/credentials-view.ts';
import { type KeyBinding, type ScreenProps, useKeys, useRemembered } from '../screen.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { Form, type Values } from '../widgets/form.tsx';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { Spinner } from '../widgets/spinner.tsx';
import { type Tone, useTerminal } from '../widgets/terminal.ts';
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
  trustQuestion,
  whyNot,
} from './environment-view.ts';

const tones: Readonly<Record<string, Tone>> = {
  FAILED: 'error',
  BROKEN: 'error',
  CHANGED: 'error',
  'not trusted': 'warn',
  connected: 'ok',
  connecting: 'accent',
};

const columnsOf = (state: State): Column<Row>[] => [
  { title: 'Environment', width: { grow: 1, min: 27 }, cell: labelOf },
  {
    title: 'State',
    width: 15,
    cell: (row) => statusOf(row, state),
    tone: (row) => tones[statusOf(row, state)],
  },
  { title: 'What it can do', width: { grow: 2, min: 10 }, from: 60, cell: summaryOf, tone: () => 'dim' },
];

const detailRows = 6;

export function EnvironmentScreen({ port, state, rows, columns }: ScreenProps) {
  const { styles } = useTerminal();
  const [changing, setChanging] = useState<Row>();
  const [trusting, setTrusting] = useState<LeftOutPlugin>();
  // Typed once, they hold for this environment until the end.
  const [typed, setTyped] = useRemembered<Readonly<Record<string, Values>>>('environment settings', {});
  const { connection } = state;
  const list = useScrollList<Row>({
    // With another profile one wants to go elsewhere.
    name: `environments of ${state.profile ?? ''}`,
    rows: rowsOf(state),
    columns: columnsOf(state),
    keyOf: keyOfRow,
    height: Math.max(3, rows - detailRows - 1),
    noun: 'row',
    start: startRow(state),
    active: changing === undefined && trusting === undefined,
  });
  const row = list.current;
  const connecting = connection.status === 'connecting';
  const here =
    connection.status === 'connected' &&
    row?.kind === 'environment' &&
    row.environment.id === connection.environment;
  const cancel = () => void port.dispatch({ type: 'cancel-connect' });
  const settable = settableFields(row);
  const plugin = row?.kind === 'plugin' ? row.plugin : undefined;
  const connectKey: KeyBinding = {
    key: 'enter',
    label: here ? 'its machines' : row?.kind === 'sample' ? 'take the sample' : 'connect',
    help: 'connect and go to the machines',
    reason: connecting ? 'it is connecting; c cancels' : whyNot(row, state, row && typed[keyOfRow(row)]),
    run: () => {
      if (here) void port.dispatch({ type: 'go', screen: 'image' });
      else if (row !== undefined) void connectTo(port, row, typed[keyOfRow(row)]);
    },
  };
  const trustKey: KeyBinding = {
    key: 'enter',
    label: 'trust',
    help: 'say that you trust this plugin, and load it',
    reason: plugin?.status === 'broken' ? plugin.reason : undefined,
    run: () => setTrusting(plugin),
  };
  useKeys([
    plugin === undefined ? connectKey : trustKey,
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
  if (trusting !== undefined) {
    return (
      <Dialog
        title="Plugin"
        text={trustQuestion(trusting)}
        width={Math.min(columns, 76)}
        height={rows}
        yes="trust and load it"
        no="not now"
        onYes={() => {
          setTrusting(undefined);
          void port.dispatch({ type: 'trust-plugin', key: trusting.key });
        }}
        onNo={() => setTrusting(undefined)}
      />
    );
  }
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
