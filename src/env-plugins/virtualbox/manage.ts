/** `VBoxManage` of a host, where it is there; and what runs, also by the processes of VirtualBox. */
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import { mayBePassedOver } from './find-vbox.ts';
import { uuidOf } from './settings-file.ts';

/** By UUID. */
export interface RunningMachines {
  has(uuid: string): boolean;
}

/** `VBoxManage list runningvms`: `"name" {uuid}` in each line; a name may hold anything but a line's end. */
export const listedRunning = (text: string): string[] =>
  text.split(/\r?\n/).flatMap((line) => uuidOf(/\{[0-9a-f-]{36}\}\s*$/i.exec(line)?.[0]) ?? []);

export async function runningMachines(host: Host, signal: AbortSignal): Promise<RunningMachines> {
  const told = new Set(listedRunning(await said(host, ['VBoxManage', 'list', 'runningvms'], signal)));
  // VBoxManage tells those of its own user only.
  const processes = (await said(host, ['ps', '-A', '-o', 'args='], signal))
    .toLowerCase()
    .split('\n')
    .filter((line) => /(^|\/)(vboxheadless|virtualboxvm|virtualbox|vboxsdl)(\s|$)/.test(line));
  return { has: (uuid) => told.has(uuid) || processes.some((line) => line.includes(uuid)) };
}

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

export async function hasVBoxManage(host: Host, signal: AbortSignal): Promise<boolean> {
  try {
    // Some shells end with 127 where there is no such command.
    return (await host.run(['VBoxManage', '--version'], { signal })).code === 0;
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    return false;
  }
}

/**
 * Not to be cancelled: half of it can't be undone.
 * @throws AppError `not-found` when there is no VBoxManage, `io` with what it complains about.
 */
export async function vboxManage(host: Host, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await host.run(['VBoxManage', ...args], { signal }).catch((error) => {
    if (toAppError(error).kind !== 'not-found') throw error;
    throw new AppError('not-found', 'there is no VBoxManage there', { where: host.name });
  });
  if (code === 0) return stdout.toString();
  // `VBoxManage: error: …`, then details on lines of their own.
  const first = stderr.split('\n').find((line) => /error:/i.test(line)) ?? stderr.trim().split('\n')[0] ?? '';
  const why = first.replace(/^VBoxManage(\.exe)?: error: /i, '').slice(0, 500);
  throw new AppError('io', `VBoxManage ${args.slice(0, 1).join(' ')}: ${why || `ended with ${code}`}`, {
    where: host.name,
  });
}
