/** Any machine's disks, wherever and in whatever format, beside the digests of an earlier run. */
import { tmpdir } from 'node:os';
import type { Session } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import { AppError, toAppError, toFailure } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import type { Opening } from '../model/plan.ts';
import type { DiskVerification } from '../model/verification.ts';
import { firstDifference } from './compare-disk.ts';
import type { KeptDigest } from './disk-digests.ts';
import { openMachineDisk } from './open-machine.ts';
import { differs } from './verify-delivery.ts';

export interface VerifyMachineOptions {
  readonly opening: Opening;
  /** The run's, for messages. */
  readonly run: string;
  /** The disk of the run that is meant: its number from 1, its name or its id. */
  readonly disk?: string | undefined;
  readonly signal: AbortSignal;
  readonly report: (step: string, share?: number) => void;
}

/** @throws AppError `usage` where it is not clear which disks belong together, `unsupported`, `cancelled`. */
export async function verifyMachine(
  session: Session,
  machine: Machine,
  kept: readonly KeptDigest[],
  options: VerifyMachineOptions,
): Promise<DiskVerification[]> {
  const pairs = pairsOf(machine, kept, options);
  const done: DiskVerification[] = [];
  for (const { disk, against } of pairs) {
    const { algorithm, size } = against.digest;
    const told = { id: disk.id, name: disk.name, against: against.name, algorithm, size };
    try {
      await compare(session, machine, disk.id, against, options);
      done.push(told);
    } catch (error) {
      if (options.signal.aborted || toAppError(error).kind === 'cancelled') throw error;
      done.push({ ...told, failure: toFailure(error) });
    }
  }
  return done;
}

async function compare(
  session: Session,
  machine: Machine,
  id: string,
  against: KeptDigest,
  { opening, signal, report }: VerifyMachineOptions,
): Promise<void> {
  const image = await openMachineDisk(session, { ...opening, machine: machine.id }, machine, id, {
    signal,
    runId: 'verify',
    spoolFolder: tmpdir(),
    once: true,
    report,
  });
  try {
    const total = Math.max(1, await allocatedBytes(image, signal));
    const where = image.info.files[0] ?? id;
    let read = 0;
    const onBytes = (bytes: number) => {
      read += bytes;
      report(`comparing ${where}`, Math.min(1, read / total));
    };
    const difference = await firstDifference(image, against.digest, { signal, onBytes });
    if (difference !== undefined) throw differs(difference, against.digest, where);
  } finally {
    await image.close();
  }
}

function pairsOf({ disks, name }: Machine, kept: readonly KeptDigest[], { run, disk }: VerifyMachineOptions) {
  const wanted =
    disk === undefined ? kept : kept.filter((one, i) => [String(i + 1), one.name, one.id].includes(disk));
  const there = kept.map((one, i) => `${i + 1} (${one.name})`).join(', ');
  if (wanted.length === 0) {
    throw new AppError('usage', `run ${run} has no disk ${disk === undefined ? '' : `"${disk}"`}`.trimEnd(), {
      hint: `it has: ${there || 'none'}`,
    });
  }
  const lacking = wanted.find(({ complete }) => !complete);
  if (lacking !== undefined) {
    throw new AppError(
      'unsupported',
      `run ${run} has no whole digest of ${lacking.name}: it was not read to its end`,
      {
        hint: 'compare with the run that went on with it, or convert it again',
      },
    );
  }
  if (wanted.length === disks.length) return wanted.map((against, i) => ({ disk: disks[i]!, against }));
  throw new AppError('usage', `${name} has ${disks.length} disks, run ${run} has ${wanted.length}`, {
    hint: `say which one it is with --disk: ${there}`,
  });
}
