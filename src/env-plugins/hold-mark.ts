/** A sign of life on the host: a process that has the run's id in its words and ends with our connection. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Host } from '../io/host/host.ts';
import { MiB } from '../model/units.ts';

/** `kind`: what is held, so that the marks of two environments differ. */
const markOf = (kind: string, runId: string): string => `vmferry-${kind}-${runId}`;

export interface Mark {
  end(): void;
}

const pauseMs = 500;
/** A host that ends it each time does not get it for ever. */
const mostStarts = 100;

/**
 * It waits for a line that never comes: whatever ends us or the connection ends its input, and so it. When the
 * connection is made again it is started again: without it another run would undo what is still in use.
 */
export async function showAlive(host: Host, kind: string, runId: string): Promise<Mark> {
  const ending = new AbortController();
  const start = () => host.spawn(['sh', '-c', 'read -r never', markOf(kind, runId)]);
  let running = await start();
  const keep = async () => {
    for (let starts = 1; ; starts++) {
      running.stdout.resume();
      await running.ended.catch(() => undefined);
      if (ending.signal.aborted || starts === mostStarts) return;
      await wait(pauseMs, undefined, { signal: ending.signal });
      running = await start();
      if (ending.signal.aborted) return stop();
    }
  };
  const stop = () => {
    running.stdin.end();
    running.kill();
  };
  // A host that is gone for good: everything else tells, and `Hold.verify` that it may be undone by another run.
  keep().catch(() => undefined);
  return {
    end() {
      ending.abort();
      stop();
    },
  };
}

export async function isAlive(
  host: Host,
  kind: string,
  runId: string,
  signal: AbortSignal,
): Promise<boolean> {
  // Linux has the words apart; macOS has no /proc.
  const command =
    'if [ -r /proc/self/cmdline ]; then cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"; else ps -A -ww -o args=; fi';
  const { stdout } = await host.run(['sh', '-c', command], { signal, maximumBytes: 64 * MiB });
  return stdout.toString().split(/\s+/).includes(markOf(kind, runId));
}
