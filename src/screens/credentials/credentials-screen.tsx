import { Box, Text } from 'ink';
import { useEffect, useRef, useState } from 'react';
import type { Command } from '../../state/commands.ts';
import type { State } from '../../state/state.ts';
import { type ScreenProps, useKeys } from '../screen.ts';
import { type Column, ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { Spinner } from '../widgets/spinner.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { paneLines } from '../widgets/text-pane-view.ts';
import { type Asked, CredentialsDialog } from './credentials-dialog.tsx';
import {
  adviceLines,
  environmentOf,
  keyOfRow,
  nameOfRow,
  type Row,
  rowsOf,
  settingsText,
  statusOfRow,
  storeLines,
  testLines,
  whyLocked,
} from './credentials-view.ts';

const columnsOf = (state: State): Column<Row>[] => [
  { title: 'Profile', width: { grow: 2, min: 29 }, cell: nameOfRow },
  {
    title: 'Environment',
    width: 20,
    from: 60,
    cell: (row) =>
      row === undefined ? '' : (environmentOf(state, row.environment)?.label ?? row.environment),
  },
  {
    title: 'Settings',
    width: { grow: 2, min: 8 },
    from: 70,
    cell: (row) => settingsText(row, state),
    tone: () => 'dim',
  },
  {
    title: 'State',
    width: 7,
    cell: (row) => statusOfRow(row, state),
    tone: (row) => (statusOfRow(row, state) === 'FAILED' ? 'error' : 'ok'),
  },
];

export function CredentialsScreen({ port, state, rows, columns }: ScreenProps) {
  const { styles, glyphs } = useTerminal();
  const [asked, setAsked] = useState<Asked>();
  const store = paneLines(storeLines(state.secretStore), columns).slice(0, 4);
  const test = paneLines(testLines(state, glyphs), columns).slice(0, 4);
  const adviceRows = 2;
  const list = useScrollList<Row>({
    name: 'profiles',
    rows: rowsOf(state),
    columns: columnsOf(state),
    keyOf: keyOfRow,
    height: Math.max(3, rows - store.length - 2 - adviceRows - Math.max(1, test.length)),
    noun: 'row',
    active: asked === undefined,
  });
  useCursorOnNew(state, asked, list.select);
  useCredentialsKeys(
    state,
    list.current,
    list.shown.length > 0,
    setAsked,
    (command) => void port.dispatch(command),
  );
  if (asked !== undefined) {
    return (
      <CredentialsDialog
        asked={asked}
        port={port}
        state={state}
        width={Math.min(columns, 76)}
        height={rows}
        onAsk={setAsked}
      />
    );
  }
  return (
    <Box flexDirection="column" width={columns} height={rows}>
      {store.map((line, i) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line has no name but its place
        <Text key={i} {...styles[line.tone ?? 'plain']} wrap="truncate">
          {line.text}
        </Text>
      ))}
      <Box height={1} />
      <ScrollList list={list} width={columns} />
      <Box flexDirection="column" height={adviceRows}>
        {paneLines(adviceLines(list.current, state), columns)
          .slice(0, adviceRows)
          .map((line) => (
            <Text key={line.text} {...styles[line.tone ?? 'plain']} wrap="truncate">
              {line.text}
            </Text>
          ))}
      </Box>
      <Box height={1} />
      {state.profileTest?.status === 'busy' ? (
        <Spinner label={`testing: ${state.profileTest.text}`} />
      ) : (
        test.map((line) => (
          <Text key={line.text} {...styles[line.tone ?? 'plain']} wrap="truncate">
            {line.text}
          </Text>
        ))
      )}
    </Box>
  );
}

/** The cursor goes to the profile that was just added: it is what one wants to test or use next. */
function useCursorOnNew(state: State, asked: Asked | undefined, select: (key: string) => void): void {
  const known = useRef(state.profiles);
  const adding = useRef(false);
  if (asked !== undefined) adding.current = asked.type === 'fields' || asked.type === 'unlock';
  useEffect(() => {
    const added = state.profiles.find((p) => !known.current.some((old) => old.id === p.id));
    known.current = state.profiles;
    if (added !== undefined && adding.current) select(added.id);
  }, [state.profiles, select]);
}

function useCredentialsKeys(
  state: State,
  row: Row,
  any: boolean,
  ask: (asked: Asked) => void,
  send: (command: Command) => void,
): void {
  const noProfile = row === undefined ? 'choose a profile with the arrow keys first' : undefined;
  const locked = row !== undefined && row.secretFields.length > 0 ? whyLocked(state.secretStore) : undefined;
  const status = state.secretStore?.status;
  const quiet = row === undefined;
  useKeys([
    {
      key: 'enter',
      label: row === undefined ? 'go on' : 'use it',
      help: 'use the profile, or none, and go to the environments',
      reason: any ? undefined : 'no row passes the filter',
      run: () => {
        send(row === undefined ? { type: 'choose-profile' } : { type: 'choose-profile', id: row.id });
        send({ type: 'go', screen: 'environment' });
      },
    },
    {
      key: 'u',
      label: status === 'absent' ? 'make the vault' : 'unlock',
      help: 'open the encrypted file with its passphrase, or make it',
      quiet: status !== 'locked' && status !== 'absent',
      reason: status === 'locked' || status === 'absent' ? undefined : 'nothing is locked',
      run: () => ask({ type: 'unlock' }),
    },
    { key: 'a', label: 'add', help: 'add a profile', run: () => ask({ type: 'add' }) },
    {
      key: 'e',
      label: 'edit',
      help: 'change the profile; an empty password stays as it is',
      quiet,
      reason: noProfile,
      run: () => row && ask({ type: 'fields', environment: row.environment, profile: row }),
    },
    {
      key: 't',
      label: 'test',
      help: 'connect with it and hang up',
      quiet,
      reason: noProfile ?? locked,
      run: () => row && send({ type: 'test-profile', id: row.id }),
    },
    {
      key: 'd',
      label: 'delete',
      help: 'delete the profile and its secrets',
      quiet,
      reason: noProfile,
      run: () => row && ask({ type: 'delete', profile: row }),
    },
    { key: 's', label: 'store', help: 'choose where secrets are kept', run: () => ask({ type: 'store' }) },
  ]);
}
