/** Which machines run on a host: by `vmrun` and `vmrest` where they are, and by the processes of any VMware product. */
import type { Host } from '../../io/host/host.ts';
import { mayBePassedOver } from '../host-folders.ts';
import type { Vmrest } from './vmrest.ts';

export interface RunningMachines {
  has(path: string): boolean;
}

export async function runningMachines(
  host: Host,
  vmrest: Vmrest | undefined,
  signal: AbortSignal,
): Promise<RunningMachines> {
  const told = new Set(listedByVmrun(await said(host, ['vmrun', 'list'], signal)));
  for (const path of (await vmrest?.running(signal)) ?? []) told.add(path);
  // vmrun tells those of its own user only; Server and Player have none.
  const processes = (await said(host, ['ps', '-A', '-o', 'args='], signal))
    .split('\n')
    .filter((line) => /(^|\/)vmware-vmx[\w-]*(\s|$)/.test(line));
  return {
    has: (path) => told.has(path) || processes.some((line) => line.trimEnd().endsWith(` ${path}`)),
  };
}

/** `Total running VMs: 1`, then a path in each line. */
export const listedByVmrun = (text: string): string[] =>
  text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line.startsWith('/'));

/** Nothing where there is no such command, or it can't tell. */
async function said(host: Host, args: readonly string[], signal: AbortSignal): Promise<string> {
  try {
    const { code, stdout } = await host.run(args, { signal });
    return code === 0 ? stdout.toString() : '';
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    return '';
  }
}
