/** Machines that run at the moment: processes of the host whose command line names a `ubd` disk. */
import type { Host } from '../../io/host/host.ts';
import { parseUmlCommand, type UmlCommand } from './command-line.ts';

export interface UmlProcess {
  readonly pid: number;
  readonly command: UmlCommand;
}

/**
 * A line for each: the process, its folder and its words, the last two as base64 for they may hold anything. Other
 * users' folders can't be read: then it is empty.
 */
const script = `for d in /proc/[0-9]*; do
  tr '\\0' '\\n' <"$d/cmdline" 2>/dev/null | grep -q '^ubd[0-9a-p]' || continue
  printf '%s %s %s\\n' "\${d#/proc/}" "$(readlink "$d/cwd" 2>/dev/null | base64 | tr -d '\\n'),"  "$(base64 <"$d/cmdline" | tr -d '\\n')"
done`;

/** In the order of their numbers; none where the host has no /proc. */
export async function umlProcesses(host: Host, signal: AbortSignal): Promise<UmlProcess[]> {
  const { stdout } = await host.run(['sh', '-c', script], { signal });
  const found: UmlProcess[] = [];
  for (const line of stdout.toString('latin1').split('\n')) {
    const [pid, folder, words] = line.split(' ');
    if (pid === undefined || folder === undefined || words === undefined || !/^\d+$/.test(pid)) continue;
    const cwd = Buffer.from(folder.replace(/,$/, ''), 'base64').toString().replace(/\n$/, '');
    const args = Buffer.from(words, 'base64').toString().split('\0').slice(0, -1);
    const command = parseUmlCommand(args, cwd.startsWith('/') ? cwd : '/');
    if (command !== undefined) found.push({ pid: Number(pid), command });
  }
  found.sort((a, b) => a.pid - b.pid);
  return found.filter((one, i) => found.findIndex((other) => sameMachine(one, other)) === i);
}

/** A machine has several processes, which share its words. */
const sameMachine = (a: UmlProcess, b: UmlProcess): boolean =>
  a.command.umid === b.command.umid && a.command.disks[0]!.path === b.command.disks[0]!.path;
