/** The structure of all that a machine consists of: each disk with its chain, and the package's own checksums. */
import type { Session } from '../env-plugins/plugin.ts';
import type { DiskCheck, MachineCheck } from '../model/check-report.ts';
import { type Failure, toAppError, toFailure } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { PlanSource } from '../model/plan.ts';
import { checkImage } from './check-image.ts';
import { joinParts } from './join-parts.ts';
import { sourceOf } from './open-machine.ts';
import { spoolFolderForLooks, unpack } from './unpack.ts';

export interface CheckMachineOptions extends Pick<PlanSource, 'follow' | 'format'> {
  readonly signal: AbortSignal;
  /** All data is read as well. */
  readonly deep: boolean;
  readonly report: (step: string, share?: number) => void;
}

/** @throws AppError `cancelled` only; what goes wrong is in the answer. */
export async function checkMachine(
  session: Session,
  machine: Machine,
  options: CheckMachineOptions,
): Promise<MachineCheck> {
  const source = sourceOf(session);
  const disks: DiskCheck[] = [];
  for (const { id, name } of machine.disks) {
    const { failure, done } = await attempt(async () => {
      let disk = await source.open(machine, id, options.signal);
      const secret = session.secret?.bind(session);
      try {
        disk = (await joinParts(disk, options)).disk;
        const spoolFolder = spoolFolderForLooks();
        disk = (await unpack(disk, { ...options, secret, runId: 'check', spoolFolder })).disk;
      } catch (error) {
        await disk.source.close();
        throw error;
      }
      return checkImage(disk, { ...options, secret });
    });
    disks.push({ id, name, layers: [], ...(failure === undefined ? {} : { failure }), ...done });
  }
  const packed = machine.packaging === 'OVA' || machine.packaging === 'OVF';
  if (source.verify === undefined || !packed) return { disks };
  options.report("checking the package's checksums");
  const { failure } = await attempt(() => source.verify!(machine, options.signal));
  return { disks, manifest: failure === undefined ? {} : { failure } };
}

async function attempt<T>(work: () => Promise<T>): Promise<{ done?: T; failure?: Failure }> {
  try {
    return { done: await work() };
  } catch (error) {
    if (toAppError(error).kind === 'cancelled') throw error;
    return { failure: toFailure(error) };
  }
}
