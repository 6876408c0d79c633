/** The name of a checkpoint tells whose it is: the run, the computer and the process that made it. */
import { hostname } from 'node:os';

const here = hostname()
  .replace(/[^\w.-]/g, '_')
  .slice(0, 40);

export interface Maker {
  readonly run: string;
  readonly computer: string;
  readonly process: number;
}

export const checkpointName = (run: string): string => `vmferry-${run} (${here}, process ${process.pid})`;

/** Undefined for a name that is none of ours. */
export function runOfCheckpoint(name: string): Maker | undefined {
  const [, run, computer, pid] =
    /^vmferry-([\w.-]{1,80}) \(([\w.-]{1,40}), process (\d{1,10})\)$/.exec(name) ?? [];
  return run === undefined ? undefined : { run, computer: computer!, process: Number(pid) };
}

/** Runs of this process that hold a machine: a process of before may have had the same id, as in containers. */
export const ownRuns = new Set<string>();

/** Undefined: it is another computer's, nobody here knows. Another user's process may not be signalled, and is there. */
export function isAlive(maker: Maker): boolean | undefined {
  if (maker.computer !== here) return undefined;
  if (maker.process === process.pid) return ownRuns.has(maker.run);
  try {
    process.kill(maker.process, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
