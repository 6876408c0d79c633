/** A sign of life on the host: a process that has the run's id in its words and ends with our connection. */
import type { Host } from '../../io/host/host.ts';
import { MiB } from '../../model/units.ts';

const markOf = (runId: string): string => `vmferry-openvz-hold-${runId}`;

/** It waits for a line that never comes: whatever ends us or the connection ends its input, and so it. */
export async function showAlive(host: Host, runId: string): Promise<() => void> {
  const running = await host.spawn(['sh', '-c', 'read -r never', markOf(runId)]);
  running.stdout.resume();
  // Its end is what we want, or the connection's loss, which everything else tells.
  running.ended.catch(() => undefined);
  return () => {
    running.stdin.end();
    running.kill();
  };
}

export async function isAlive(host: Host, runId: string, signal: AbortSignal): Promise<boolean> {
  const command = 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\\0" "\\n"';
  const { stdout } = await host.run(['sh', '-c', command], { signal, maximumBytes: 64 * MiB });
  return stdout.toString().split('\n').includes(markOf(runId));
}
