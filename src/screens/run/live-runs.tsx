/** Where no run is on the screen: those that live in processes of their own. */
import { Box, Text } from 'ink';
import { useEffect } from 'react';
import type { DispatcherPort } from '../../state/port.ts';
import type { LiveRun } from '../../state/state.ts';
import { useKeys } from '../screen.ts';
import { ScrollList, useScrollList } from '../widgets/scroll-list.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { liveColumns } from './live-runs-view.ts';

const lookMs = 1000;

export interface LiveRunsProps {
  readonly port: DispatcherPort;
  readonly runs: readonly LiveRun[];
  readonly width: number;
  readonly height: number;
}

export function LiveRuns({ port, runs, width, height }: LiveRunsProps) {
  useEffect(() => {
    const look = () => void port.dispatch({ type: 'runs' });
    look();
    const timer = setInterval(look, lookMs);
    return () => clearInterval(timer);
  }, [port]);
  return runs.length === 0 ? <NoRun /> : <List {...{ port, runs, width, height }} />;
}

function List({ port, runs, width, height }: LiveRunsProps) {
  const { styles } = useTerminal();
  const list = useScrollList<LiveRun>({
    ...{ name: 'live-runs', rows: runs, columns: liveColumns, height: height - 2, noun: 'run' },
    keyOf: (run) => run.id,
  });
  const { current } = list;
  useKeys([
    {
      key: 'enter',
      label: 'enter',
      help: 'look at this run, answer what it asks, pause or cancel it',
      run: () => current !== undefined && void port.dispatch({ type: 'attach', id: current.id }),
    },
  ]);
  return (
    <Box flexDirection="column" width={width} height={height}>
      <Text {...styles.title} wrap="truncate">
        Runs that go on by themselves
      </Text>
      <ScrollList list={list} width={width} empty="none" />
      <Text {...styles.dim} wrap="truncate">
        Enter shows one. They go on when this program ends.
      </Text>
    </Box>
  );
}

function NoRun() {
  const { styles } = useTerminal();
  return (
    <Box flexDirection="column" paddingX={2} paddingTop={1}>
      <Text {...styles.title}>Nothing runs and nothing has run yet.</Text>
      <Text> </Text>
      <Text>Choose machines on the Image screen (3), look at the plan on the</Text>
      <Text>Configuration screen (4), and start it there with g.</Text>
      <Text {...styles.dim}>Conversions of earlier days are in the history (h).</Text>
    </Box>
  );
}
