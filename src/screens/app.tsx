/** The frame around the screens: header, the screen, notices, keys; what is drawn over any screen. */
import { Box, Text, useInput, useStdout } from 'ink';
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import type { DispatcherPort } from '../state/port.ts';
import type { ScreenId, State } from '../state/state.ts';
import { bodyRows, helpLines, noticeLines, quitQuestion, smallest, stepBack } from './app-view.ts';
import { ConfigurationScreen } from './configuration/configuration-screen.tsx';
import { CredentialsScreen } from './credentials/credentials-screen.tsx';
import { EnvironmentScreen } from './environment/environment-screen.tsx';
import { HistoryScreen } from './history/history-screen.tsx';
import { ImageScreen } from './image/image-screen.tsx';
import { Keyboard } from './keyboard.ts';
import { RunScreen } from './run/run-screen.tsx';
import { KeyboardContext, MemoryProvider, type ScreenProps, useKeyboard } from './screen.ts';
import { useDispatcherState } from './use-dispatcher-state.ts';
import { useGlobalKeys } from './use-global-keys.ts';
import { AnswerDialog } from './widgets/answer-dialog.tsx';
import { Dialog } from './widgets/dialog.tsx';
import { Header } from './widgets/header.tsx';
import { HelpOverlay } from './widgets/help-overlay.tsx';
import { KeysFoot } from './widgets/keys-foot.tsx';
import { type Capabilities, TerminalContext, terminalOf, useTerminal } from './widgets/terminal.ts';

const screens: Record<ScreenId, (props: ScreenProps) => React.ReactNode> = {
  credentials: CredentialsScreen,
  environment: EnvironmentScreen,
  image: ImageScreen,
  configuration: ConfigurationScreen,
  run: RunScreen,
  history: HistoryScreen,
};

export interface AppProps {
  readonly port: DispatcherPort;
  readonly capabilities: Capabilities;
  /** Absent: the terminal's own, followed when it changes. */
  readonly size?: { readonly columns: number; readonly rows: number };
  /** The dispatcher has ended, or the user does not want to wait for it. */
  onEnd?(): void;
  onSuspend?(): void;
}

export function App({ port, capabilities, size, onEnd, onSuspend }: AppProps) {
  const [keyboard] = useState(() => new Keyboard());
  const [memory] = useState(() => new Map<string, unknown>());
  const own = useSize();
  const { columns, rows } = size ?? own;
  const terminal = useMemo(() => terminalOf(capabilities, columns, rows), [capabilities, columns, rows]);
  useInput((input, key) => keyboard.feed(input, key));
  return (
    <TerminalContext.Provider value={terminal}>
      <KeyboardContext.Provider value={keyboard}>
        <MemoryProvider value={memory}>
          <Frame port={port} onEnd={onEnd} onSuspend={onSuspend} />
        </MemoryProvider>
      </KeyboardContext.Provider>
    </TerminalContext.Provider>
  );
}

function useSize(): { columns: number; rows: number } {
  const { stdout } = useStdout();
  const now = () => ({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
  const [size, setSize] = useState(now);
  useEffect(() => {
    const resized = () => setSize({ columns: stdout.columns || 80, rows: stdout.rows || 24 });
    stdout.on('resize', resized);
    return () => {
      stdout.off('resize', resized);
    };
  }, [stdout]);
  return size;
}

interface FrameProps {
  readonly port: DispatcherPort;
  readonly onEnd: (() => void) | undefined;
  readonly onSuspend: (() => void) | undefined;
}

function Frame({ port, onEnd, onSuspend }: FrameProps) {
  const { columns, rows, styles } = useTerminal();
  const state = useDispatcherState(port);
  const keyboard = useKeyboard();
  const summary = useSyncExternalStore(keyboard.subscribe, keyboard.summary);
  const [help, setHelp] = useState<ReturnType<typeof helpLines>>();
  const [asking, setAsking] = useState(false);
  const before = useScreenBefore(state.screen);
  const end = () => {
    if (port.getState().terminating) {
      onEnd?.();
      return;
    }
    void port.dispatch({ type: 'terminate' }).finally(() => onEnd?.());
  };
  const question = quitQuestion(state);
  if (asking && question === undefined) setAsking(false);
  useGlobalKeys({
    state,
    back: stepBack(state.screen, before),
    go: (screen) => void port.dispatch({ type: 'go', screen }),
    help: () => setHelp(helpLines(keyboard.summary())),
    quit: () => (question === undefined || asking ? end() : setAsking(true)),
    suspend: onSuspend,
  });
  if (columns < smallest.columns || rows < smallest.rows) return <TooSmall columns={columns} rows={rows} />;
  const notices = noticeLines(state, summary, columns);
  const body = bodyRows(rows, notices.length);
  const ended = () => onEnd?.();
  const over = overlay({
    ...{ state, port, columns, rows: body, asking, question, help },
    ...{ end, ended, setAsking, setHelp },
  });
  const Screen = screens[state.screen];
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Header state={state} columns={columns} />
      <Box height={body} width={columns} flexDirection="column" overflow="hidden">
        {over}
        <Box display={over === undefined ? 'flex' : 'none'} flexDirection="column">
          <Screen port={port} state={state} rows={body} columns={columns} />
        </Box>
      </Box>
      <Box flexDirection="column" height={Math.max(1, notices.length)}>
        {notices.map((line) => (
          <Text
            key={line.text}
            {...styles[line.level === 'error' ? 'error' : line.level === 'warning' ? 'warn' : 'accent']}
            wrap="truncate"
          >
            {line.text}
          </Text>
        ))}
      </Box>
      <KeysFoot width={columns} />
    </Box>
  );
}

/** The screen shown before the present one. */
function useScreenBefore(screen: ScreenId): ScreenId {
  const seen = useRef<{ now: ScreenId; before: ScreenId }>({ now: screen, before: 'credentials' });
  if (seen.current.now !== screen) seen.current = { now: screen, before: seen.current.now };
  return seen.current.before;
}

interface OverlayOptions {
  readonly state: State;
  readonly port: DispatcherPort;
  readonly columns: number;
  readonly rows: number;
  readonly asking: boolean;
  readonly question: string | undefined;
  readonly help: ReturnType<typeof helpLines> | undefined;
  end(): void;
  ended(): void;
  setAsking(asking: boolean): void;
  setHelp(help: undefined): void;
}

function overlay(options: OverlayOptions) {
  const { state, port, columns, rows, asking, question, help, end, ended, setAsking, setHelp } = options;
  const size = { width: Math.min(columns, 76), height: rows };
  if (asking && question !== undefined && state.run?.away !== undefined) {
    const stop = () => void port.dispatch({ type: 'terminate', stop: true }).finally(ended);
    return (
      <Dialog
        {...size}
        title="Quit"
        text={question}
        yes="leave it running and quit"
        no="go on"
        more={[{ key: 's', label: 'stop it and quit', run: stop }]}
        onYes={end}
        onNo={() => setAsking(false)}
      />
    );
  }
  if (asking && question !== undefined) {
    return (
      <Dialog
        {...size}
        title="Quit"
        text={`${question}\n\nWhat was written so far is removed. Ctrl+C once more stops at once.`}
        yes="stop it and quit"
        no="go on"
        onYes={end}
        onNo={() => setAsking(false)}
      />
    );
  }
  if (state.question !== undefined) {
    const { id, text, from, entry } = state.question;
    const answer = (yes: boolean) => void port.dispatch({ type: 'answer', id, yes });
    if (entry !== undefined) {
      return (
        <AnswerDialog
          // The next question starts with an empty line.
          key={id}
          {...size}
          title={from}
          text={text}
          hidden={entry === 'hidden'}
          onAnswer={(line) => void port.dispatch({ type: 'answer', id, yes: true, text: line })}
          onRefuse={() => answer(false)}
        />
      );
    }
    return (
      <Dialog
        key={id}
        {...size}
        title={`Question: ${from}`}
        text={text}
        yes="yes"
        no="no"
        onYes={() => answer(true)}
        onNo={() => answer(false)}
      />
    );
  }
  if (help !== undefined) {
    return <HelpOverlay lines={help} width={columns} height={rows} onClose={() => setHelp(undefined)} />;
  }
  return undefined;
}

function TooSmall({ columns, rows }: { readonly columns: number; readonly rows: number }) {
  return (
    <Box width={columns} height={rows} overflow="hidden">
      <Text wrap="truncate">{`needs ${smallest.columns}x${smallest.rows}, has ${columns}x${rows}`}</Text>
    </Box>
  );
}
