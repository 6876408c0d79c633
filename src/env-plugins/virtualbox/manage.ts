/** `VBoxManage` of a host, where it is there; and what runs, also by the processes of VirtualBox. */
import { setTimeout as wait } from 'node:timers/promises';
import type { Host, RunResult } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PowerState } from '../../model/machine.ts';
import { mayBePassedOver } from '../host-folders.ts';
import { uuidOf } from './settings-file.ts';

/** By UUID. */
export interface RunningMachines {
  has(uuid: string): boolean;
}

/** `VBoxManage list runningvms`: `"name" {uuid}` in each line; a name may hold anything but a line's end. */
export const listedRunning = (text: string): string[] =>
  text.split(/\r?\n/).flatMap((line) => uuidOf(/\{[0-9a-f-]{36}\}\s*$/i.exec(line)?.[0]) ?? []);

export async function runningMachines(host: Host, signal: AbortSignal): Promise<RunningMachines> {
  const told = new Set(listedRunning(await said(run(host, ['list', 'runningvms'], signal))));
  // VBoxManage tells those of its own user only.
  const processes = (await said(host.run(['ps', '-A', '-o', 'args='], { signal })))
    .toLowerCase()
    .split('\n')
    .filter((line) => /(^|\/)(vboxheadless|virtualboxvm|virtualbox|vboxsdl)(\s|$)/.test(line));
  return { has: (uuid) => told.has(uuid) || processes.some((line) => line.includes(uuid)) };
}

/** Where macOS has it: what SSH starts there does not look into that folder. */
const places = ['VBoxManage', '/usr/local/bin/VBoxManage'];
/** It takes names as the locale has them, and in that of plain C refuses what is not ASCII. */
const locale = ['env', 'LC_ALL=C.UTF-8'];

/** @throws AppError `not-found` when there is none. */
async function run(host: Host, args: readonly string[], signal?: AbortSignal): Promise<RunResult> {
  for (const program of places) {
    try {
      const result = await host.run([...locale, program, ...args], { signal });
      // So `env` and shells end where there is no such command.
      if (result.code !== 127) return result;
    } catch (error) {
      if (toAppError(error).kind !== 'not-found') throw error;
    }
  }
  throw new AppError('not-found', 'there is no VBoxManage there', { where: host.name });
}

/** Nothing where there is no such command, or it can't tell. */
async function said(running: Promise<RunResult>): Promise<string> {
  try {
    const { code, stdout } = await running;
    return code === 0 ? stdout.toString() : '';
  } catch (error) {
    if (!mayBePassedOver(error)) throw error;
    return '';
  }
}

export interface ManageVersion {
  readonly major: number;
  readonly minor: number;
}

export const olderThan = (version: ManageVersion, major: number, minor: number): boolean =>
  version.major < major || (version.major === major && version.minor < minor);

/** `7.0.14r161095`, below warnings of a missing kernel module. Undefined where there is no VBoxManage that works. */
export async function manageVersion(host: Host, signal: AbortSignal): Promise<ManageVersion | undefined> {
  const text = await said(run(host, ['--version'], signal));
  const [, major, minor] = /^(\d{1,3})\.(\d{1,3})\.\d/m.exec(text) ?? [];
  return major === undefined ? undefined : { major: Number(major), minor: Number(minor) };
}

const pauseMs = 250;
/** Firmware and a saved state take a while; a state that lasts is told as it is. */
const mostLooks = 240;

/** What becomes of a machine that was just started: looked at until it runs or stands. */
export async function startedState(host: Host, uuid: string, signal: AbortSignal): Promise<PowerState> {
  for (let look = 0; look < mostLooks; look++) {
    const text = await vboxManage(host, ['showvminfo', uuid, '--machinereadable'], signal);
    const state = /^VMState="([a-z-]{1,40})"/m.exec(text)?.[1];
    if (state === 'running') return 'running';
    if (state === 'paused') return 'suspended';
    if (state === 'poweroff') return 'off';
    if (state === undefined) return 'unknown';
    if (/^(aborted|gurumeditation)/.test(state)) {
      throw new AppError('io', `it was started and failed: its state is "${state}"`, {
        where: host.name,
        hint: "look into the machine's log there (Logs/VBox.log)",
      });
    }
    await wait(pauseMs, undefined, { signal });
  }
  return 'unknown';
}

/**
 * Not to be cancelled: half of it can't be undone.
 * @throws AppError `not-found` when there is no VBoxManage, `io` with what it complains about.
 */
export async function vboxManage(host: Host, args: readonly string[], signal?: AbortSignal): Promise<string> {
  const { code, stdout, stderr } = await run(host, args, signal);
  if (code === 0) return stdout.toString();
  // `VBoxManage: error: …`, then details on lines of their own.
  const first = stderr.split('\n').find((line) => /error:/i.test(line)) ?? stderr.trim().split('\n')[0] ?? '';
  const why = first.replace(/^VBoxManage(\.exe)?: error: /i, '').slice(0, 500);
  throw new AppError('io', `VBoxManage ${args.slice(0, 1).join(' ')}: ${why || `ended with ${code}`}`, {
    where: host.name,
  });
}
