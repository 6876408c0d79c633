/** The source's machine at the moment: whether it runs, and what its firmware has stored. */
import type { SourceRole } from '../env-plugins/plugin.ts';
import { toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Machine } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import type { SourceCondition } from './check-plan.ts';

export interface SourceNow {
  /** With all its disks, as the environment has it now. */
  readonly machine: Machine;
  readonly condition: SourceCondition;
}

/**
 * A plan is older than its run: the machine may have been started or shut down since. An environment that can't
 * tell the state is not asked again.
 * @throws AppError `not-found` …
 */
export async function lookAgain(role: SourceRole, plan: Plan, signal: AbortSignal): Promise<SourceNow> {
  const { machine, source } = plan;
  if (role.hold === undefined && machine.state === 'unknown') {
    return { machine: { ...machine, id: source.machine }, condition: { state: 'unknown', hold: 'no' } };
  }
  const now = await role.inspect(source.machine, signal);
  const hold = role.hold === undefined ? 'no' : 'can';
  return { machine: now, condition: { state: now.state, hold, name: now.name } };
}

/** Whether its disks change, or might, as long as nothing is done about it. */
export const isUp = ({ state }: SourceCondition): boolean => state === 'running' || state === 'suspended';

/** As the plan's disks are to be opened: those of `from`, and only those that go along. */
export function openedAs(plan: Plan, from: Machine): Machine {
  const wanted = new Set(plan.machine.disks.map((disk) => disk.id));
  return { ...plan.machine, state: from.state, disks: from.disks.filter((disk) => wanted.has(disk.id)) };
}

export interface FirmwareVariables {
  readonly nvram?: Uint8Array;
  readonly findings: readonly Finding[];
}

/** A machine starts without its variables too, mostly: what keeps them from being read stops nothing. */
export async function readNvram(
  role: SourceRole,
  plan: Plan,
  signal: AbortSignal,
): Promise<FirmwareVariables> {
  const { firmware } = plan.machine;
  if (firmware?.kind !== 'uefi' || firmware.nvram !== true || role.nvram === undefined)
    return { findings: [] };
  try {
    const nvram = await role.nvram({ ...plan.machine, id: plan.source.machine }, signal);
    return nvram === undefined ? { findings: [] } : { nvram, findings: [] };
  } catch (error) {
    const { kind, message, hint } = toAppError(error);
    if (kind === 'cancelled') throw error;
    return {
      findings: [
        {
          rule: 'firmware.nvram-unreadable',
          severity: 'warning',
          message: `the variables of its firmware can't be read, boot entries are made anew: ${message}`,
          ...(hint === undefined ? {} : { remedy: hint }),
        },
      ],
    };
  }
}
