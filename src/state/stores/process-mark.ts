import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';

/** Names a process so that another one with the same number, later, is not taken for it. */
export interface ProcessMark {
  readonly pid: number;
  readonly host: string;
  /** Start of the process in clock ticks since boot; Linux only. In a container each start gets the same pid. */
  readonly born?: string | undefined;
}

export async function ownMark(): Promise<ProcessMark> {
  const born = await bornOf(process.pid);
  return { pid: process.pid, host: hostname(), ...(born === undefined ? {} : { born }) };
}

/** False for a process of another host: it can't be known. */
export async function isAlive({ pid, host, born }: ProcessMark): Promise<boolean> {
  if (host !== hostname() || !Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return born === undefined || born === (await bornOf(pid));
}

/** proc(5): field 22 of /proc/pid/stat; the second one, the name, may hold blanks and brackets. */
async function bornOf(pid: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined;
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const [state = '', ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // Dead, and nobody has asked after it: a container need not have an init that does.
    return /[ZX]/.test(state) ? undefined : fields[18];
  } catch {
    // The process ended meanwhile, or /proc is not there.
    return undefined;
  }
}
