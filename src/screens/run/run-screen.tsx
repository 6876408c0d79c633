/** Step 5: the conversion under way, or what became of it. */
import { Box, Text } from 'ink';
import { useState } from 'react';
import { isActive, type Run } from '../../state/state.ts';
import { type ScreenProps, useRemembered } from '../screen.ts';
import { Dialog } from '../widgets/dialog.tsx';
import { fitTo, truncate } from '../widgets/fit-text.ts';
import { barText, shareOf } from '../widgets/progress-bar.tsx';
import { useTerminal } from '../widgets/terminal.ts';
import { TextPane } from '../widgets/text-pane.tsx';
import { paneLines } from '../widgets/text-pane-view.ts';
import { LiveRuns } from './live-runs.tsx';
import { RateDialog } from './rate-dialog.tsx';
import { RunRows } from './run-rows.tsx';
import {
  headline,
  logLines,
  replaceQuestion,
  replacingPlans,
  resultLines,
  runAreas,
  runRows,
  shareText,
  shutDownQuestion,
  totalText,
  warmItem,
} from './run-view.ts';
import { useNow } from './use-now.ts';
import { useRunKeys } from './use-run-keys.ts';

export function RunScreen({ port, state, rows, columns }: ScreenProps) {
  const { run } = state;
  const [asking, setAsking] = useState<'cancel' | 'shut-down' | 'rate' | undefined>();
  const [part, setPart] = useState<'result' | 'log'>('result');
  const active = isActive(run);
  const now = useNow(active);
  const plans = replacingPlans(run);
  // Asked once for each run by itself, then only when its key is pressed.
  const [answered, setAnswered] = useRemembered<string | undefined>('run:replace', undefined);
  const replacing = run !== undefined && plans.length > 0 && answered !== run.id;
  const asked = active && run?.status !== 'cancelling' ? asking : undefined;
  useRunKeys({
    port,
    run,
    active: asked === undefined && !replacing,
    askCancel: () => setAsking('cancel'),
    askShutDown: () => setAsking('shut-down'),
    askRate: () => setAsking('rate'),
    askReplace: plans.length === 0 ? undefined : () => setAnswered(undefined),
    switchPart:
      run === undefined || active ? undefined : () => setPart((p) => (p === 'result' ? 'log' : 'result')),
  });
  if (run === undefined) return <LiveRuns port={port} runs={state.liveRuns} width={columns} height={rows} />;
  if (asked === 'rate') {
    return (
      <RateDialog
        port={port}
        limit={run.limit}
        width={Math.min(columns, 70)}
        height={rows}
        onClose={() => setAsking(undefined)}
      />
    );
  }
  if (asked === 'shut-down') {
    return (
      <Dialog
        title="Shut down"
        text={shutDownQuestion(warmItem(run))}
        width={Math.min(columns, 70)}
        height={rows}
        yes="shut it down"
        no="go on"
        onYes={() => {
          setAsking(undefined);
          void port.dispatch({ type: 'shut-down' });
        }}
        onNo={() => setAsking(undefined)}
      />
    );
  }
  if (asked === 'cancel') {
    const text =
      'Cancel the conversion?\n\nWhat was written of machines that are not done is removed. Those that are done stay.';
    return (
      <Dialog
        title="Cancel"
        text={text}
        width={Math.min(columns, 70)}
        height={rows}
        yes="cancel it"
        no="go on"
        onYes={() => {
          setAsking(undefined);
          void port.dispatch({ type: 'cancel' });
        }}
        onNo={() => setAsking(undefined)}
      />
    );
  }
  if (replacing) {
    return (
      <Dialog
        title="There already"
        text={replaceQuestion(run, plans)}
        width={Math.min(columns, 90)}
        height={rows}
        yes="replace"
        no="change nothing"
        onYes={() => {
          setAnswered(run.id);
          void port.dispatch({ type: 'run', plans });
        }}
        onNo={() => setAnswered(run.id)}
      />
    );
  }
  return (
    <Box flexDirection="column" width={columns} height={rows} overflow="hidden">
      <Total run={run} now={now} width={columns} />
      {active ? (
        <Progress run={run} width={columns} height={rows - totalRows} />
      ) : (
        <Result run={run} now={now} part={part} width={columns} height={rows - totalRows} />
      )}
    </Box>
  );
}

const totalRows = 3;

function Total({ run, now, width }: { readonly run: Run; readonly now: number; readonly width: number }) {
  const { glyphs, styles } = useTerminal();
  const head = headline(run);
  const share = run.status === 'done' ? 1 : run.bytesTotal === 0 ? 0 : shareOf(run.bytesDone, run.bytesTotal);
  const barWidth = Math.max(5, width - 10);
  return (
    <Box flexDirection="column" height={totalRows}>
      <Text {...styles[head.tone]} wrap="truncate">
        {truncate(head.text, width, glyphs)}
      </Text>
      <Text wrap="truncate">
        {'All  '}
        <Text {...styles[head.tone]}>{barText(share, barWidth, glyphs)}</Text>
        {` ${shareText(share)}`}
      </Text>
      <Text wrap="truncate">{truncate(`     ${totalText(run, now)}`, width, glyphs)}</Text>
    </Box>
  );
}

interface PartProps {
  readonly run: Run;
  readonly width: number;
  readonly height: number;
}

function Progress({ run, width, height }: PartProps) {
  const rows = runRows(run);
  const area = runAreas(height - 1, rows.length);
  return (
    <>
      <RunRows rows={rows} width={width} height={area.itemRows} />
      <Rule title="Log" width={width} />
      <TextPane name={`log:${run.id}`} lines={logLines(run)} width={width} height={area.logRows} follow />
    </>
  );
}

function Result({ run, now, part, width, height }: PartProps & { now: number; part: 'result' | 'log' }) {
  const lines = resultLines(run, now);
  const wanted = paneLines(lines, width - 2).length;
  const area = runAreas(height - 1, wanted);
  const tall = wanted > area.itemRows;
  const own = tall && part === 'result';
  return (
    <>
      <TextPane name={`result:${run.id}`} lines={lines} width={width} height={area.itemRows} active={own} />
      <Rule
        title={tall ? (own ? 'Log (Tab: scroll it)' : 'Log (Tab: scroll the result)') : 'Log'}
        width={width}
      />
      <TextPane
        name={`log:${run.id}`}
        lines={logLines(run)}
        width={width}
        height={area.logRows}
        active={!own}
        follow
      />
    </>
  );
}

function Rule({ title, width }: { readonly title: string; readonly width: number }) {
  const { glyphs, styles } = useTerminal();
  const line = glyphs.line.repeat(Math.max(0, width - title.length - 4));
  return (
    <Text {...styles.dim} wrap="truncate">
      {fitTo(`${glyphs.line.repeat(2)} ${title} ${line}`, width, { ellipsis: '' })}
    </Text>
  );
}
