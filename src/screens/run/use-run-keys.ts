import type { DispatcherPort } from '../../state/port.ts';
import { isActive, type Run } from '../../state/state.ts';
import { useKeys } from '../screen.ts';
import { runReasons, shutDownReason, warmItem } from './run-view.ts';

export interface RunKeys {
  readonly port: DispatcherPort;
  readonly run: Run | undefined;
  readonly active: boolean;
  askCancel(): void;
  askShutDown(): void;
  askRate(): void;
  /** Absent: nothing failed for files of the same name alone. */
  readonly askReplace: (() => void) | undefined;
  /** Absent: there is only one part. */
  readonly switchPart: (() => void) | undefined;
}

export function useRunKeys({
  port,
  run,
  active,
  askCancel,
  askShutDown,
  askRate,
  askReplace,
  switchPart,
}: RunKeys): void {
  const reasons = runReasons(run);
  const ended = !isActive(run);
  const paused = run?.status === 'paused';
  useKeys(
    [
      {
        key: 'p',
        label: paused ? 'resume' : 'pause',
        help: paused ? 'go on where it stopped' : 'stop reading and writing until p is pressed again',
        quiet: ended,
        reason: reasons.pause,
        run: () => void port.dispatch({ type: paused ? 'resume' : 'pause' }),
      },
      {
        key: 'c',
        label: 'cancel',
        help: 'end it and take back what was written; asks first',
        quiet: ended,
        reason: reasons.cancel,
        run: askCancel,
      },
      ...shutDownKey(run, askShutDown),
      {
        key: 'd',
        label: 'leave',
        help: 'let it go on by itself: this program may end, or begin another one',
        quiet: ended,
        reason: reasons.leave,
        run: () => void port.dispatch({ type: 'detach' }),
      },
      {
        key: 'r',
        label: 'rate',
        help: 'limit how many bytes a second it reads',
        quiet: ended,
        reason: reasons.cancel,
        run: askRate,
      },
      {
        key: 'n',
        label: 'another',
        help: 'put this run away and choose other machines',
        reason: reasons.another,
        run: () => void port.dispatch({ type: 'another' }),
      },
      ...(askReplace === undefined
        ? []
        : [
            {
              key: 'f',
              label: 'replace',
              help: 'run it again and replace the files that are in its way; asks first',
              run: askReplace,
            },
          ]),
      ...(switchPart === undefined
        ? []
        : [{ key: 'tab', label: 'result/log', help: 'scroll the other part', quiet: true, run: switchPart }]),
    ],
    { active },
  );
}

/** Only of a machine that is copied while it runs. */
function shutDownKey(run: Run | undefined, askShutDown: () => void) {
  const item = run === undefined ? undefined : warmItem(run);
  if (item === undefined) return [];
  const reason = shutDownReason(item);
  return [
    {
      key: 's',
      label: 'shut down',
      help: 'ask the machine to shut down and read the last that changed; asks first',
      ...(reason === undefined ? {} : { reason }),
      run: askShutDown,
    },
  ];
}
