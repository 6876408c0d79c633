/** A sign of life on the host: a process that has the run's id in its words and ends with our connection. */
import type { Host } from '../../io/host/host.ts';
import { MiB } from '../../model/units.ts';

const markOf = (runId: string): string => `vmferry-hold-${runId}`;

export interface Mark {
  end(): void;
}

/** It waits for a line that never comes: whatever ends us or the connection ends its input, and so it. */
export async function showAlive(host: Host, runId: string): Promise<Mark> {
  const running = await host.spawn(['sh', '-c', 'read -r never', markOf(runId)]);
  running.stdout.resume();
  // Its end is what `end` wants, or the connection's loss, which everything else tells.
  running.ended.catch(() => undefined);
  return {
    end() {
      running.stdin.end();
      running.kill();
    },
  };
}

export async function isAlive(host: Host, runId: string, signal: AbortSignal): Promise<boolean> {
  const command = 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"';
  const { stdout } = await host.run(['sh', '-c', command], { signal, maximumBytes: 64 * MiB });
  return stdout.toString().split('\n').includes(markOf(runId));
}
