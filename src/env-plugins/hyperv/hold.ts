/**
 * A point in time of a machine that runs: a checkpoint. The files that it wrote to until then stand still and are read;
 * what it writes from then on goes to files of its own, which the host merges when the checkpoint is removed.
 *
 * The checkpoint's name has the run, the computer and the process: one whose process is gone from this computer was
 * left by a run that died, and is removed at the next hold. No other checkpoint ever is.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import { textIn } from './answers.ts';
import { checkpointName, isAlive, ownRuns, runOfCheckpoint } from './checkpoint-name.ts';
import { findMachine } from './inventory.ts';
import { type Checkpoint, type HyperVDisk, type HyperVMachine, isAtRest } from './machine.ts';
import { runScript } from './powershell.ts';
import { checkpointScript, removeCheckpointScript } from './scripts/checkpoints.ts';
import type { Transport } from './transport.ts';
import { samePath } from './windows-path.ts';

/** By the id of the machine: its disks as they were. */
export type HeldDisks = Map<string, readonly HyperVDisk[]>;

export interface HoldPlace {
  readonly transport: Transport;
  readonly held: HeldDisks;
}

/** @throws AppError `conflict` (another run holds it), `unsupported`, `auth`, `no-space`. */
export async function holdMachine(place: HoldPlace, given: Machine, options: HoldOptions): Promise<Hold> {
  const { transport, held } = place;
  const { runId, signal, report } = options;
  if (!/^[\w.-]{1,80}$/.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  const now = await findMachine(transport, given.id, { signal });
  const { id, name } = now.machine;
  if (held.has(id)) throw new AppError('conflict', 'it is held already', { where: name });
  if (isAtRest(now)) return { machine: now.machine, findings: [], release: async () => [] };
  const findings = await removeLeftovers(transport, now, options);
  const own = checkpointName(runId);
  let released: Promise<string[]> | undefined;
  const release = () => {
    released ??= (async () => {
      held.delete(id);
      try {
        await persistently(() => removeCheckpoint(transport, id, own));
        return [];
      } catch (error) {
        return [`${name}: the checkpoint "${own}" is left: ${toAppError(error).message}`];
      } finally {
        ownRuns.delete(runId);
      }
    })();
    return released;
  };
  ownRuns.add(runId);
  try {
    report(`${name}: taking a checkpoint`);
    // Not stopped half-way: whether it is there must be known before it is undone.
    const values = { id, name: own };
    const made = await runScript(transport, {
      script: checkpointScript,
      values,
      step: 'taking a checkpoint',
    });
    signal.throwIfAborted();
    const { disks } = await standing(transport, id, textIn(made, 'id').toLowerCase(), signal);
    held.set(id, disks);
    return {
      machine: now.machine,
      findings: [...findings, stateFinding(textIn(made, 'state'), own)],
      verify: async (ending) => {
        await standing(transport, id, textIn(made, 'id').toLowerCase(), ending, disks);
      },
      release,
    };
  } catch (error) {
    for (const line of await release()) report(line);
    throw error;
  }
}

/** The checkpoint is there, and none of its files is written to. @throws AppError `conflict`. */
async function standing(
  transport: Transport,
  id: string,
  checkpoint: string,
  signal: AbortSignal,
  before?: readonly HyperVDisk[],
): Promise<Checkpoint> {
  const now = await findMachine(transport, id, { signal, checkpointDisks: true });
  const found = now.checkpoints.find((one) => one.id === checkpoint);
  const isWritten = ({ path }: HyperVDisk) => now.disks.some((disk) => samePath(disk.path, path));
  const isElsewhere = (disk: HyperVDisk) =>
    !found?.disks.some((one) => one.id === disk.id && filesOf(one) === filesOf(disk));
  const files = found?.disks.filter(({ physical }) => !physical) ?? [];
  if (found !== undefined && !files.some(isWritten) && before?.some(isElsewhere) !== true)
    return { ...found, disks: files };
  throw new AppError(
    'conflict',
    'the checkpoint does not stand: its disks are written to, or it was removed',
    {
      where: now.machine.name,
      hint: 'find out who removes checkpoints there (a backup?), then run it again',
    },
  );
}

/** With those below: a merge that ends meanwhile takes one away. */
const filesOf = ({ path, chain }: HyperVDisk): string =>
  [path, ...chain.map((layer) => layer.path)].join('\n').toLowerCase();

async function removeCheckpoint(transport: Transport, id: string, name: string): Promise<void> {
  const step = 'removing the checkpoint';
  await runScript(transport, { script: removeCheckpointScript, values: { id, name }, step });
}

/** A link that is cut just now, or a machine that is busy, is no reason to leave it. In milliseconds. */
const pauses = [100, 500, 2000, 5000];

async function persistently(work: () => Promise<void>): Promise<void> {
  for (const pause of [...pauses, undefined]) {
    try {
      return await work();
    } catch (error) {
      const { kind } = toAppError(error);
      if (kind === 'not-found') return; // the machine is gone, and its checkpoints with it
      if (pause === undefined || (kind !== 'unreachable' && kind !== 'conflict')) throw error;
      await wait(pause);
    }
  }
}

/** @throws AppError `conflict` when a run of this computer that lives reads it. */
async function removeLeftovers(
  transport: Transport,
  { machine, checkpoints }: HyperVMachine,
  { report }: HoldOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name } of checkpoints) {
    const maker = runOfCheckpoint(name);
    if (maker === undefined) continue;
    const alive = isAlive(maker);
    if (alive === undefined) {
      findings.push({
        rule: 'hyperv.leftover-of-others',
        severity: 'warning',
        message: `a checkpoint of run ${maker.run} of another computer is there`,
        evidence: name,
        remedy: 'if that run has ended, remove it there',
      });
      continue;
    }
    if (alive) {
      throw new AppError('conflict', `run ${maker.run} holds this machine`, {
        where: machine.name,
        hint: `wait for its end, or cancel it; if there is none, remove the checkpoint "${name}" there`,
      });
    }
    report(`removing the checkpoint that run ${maker.run} left`);
    await removeCheckpoint(transport, machine.id, name);
    findings.push({
      rule: 'hyperv.leftover-removed',
      severity: 'note',
      message: `a checkpoint that run ${maker.run} had left was removed`,
      evidence: name,
    });
  }
  return findings;
}

/** A production checkpoint holds no memory, so it is off; the other kind has the memory saved. */
function stateFinding(state: string, evidence: string): Finding {
  return state === 'Off'
    ? {
        rule: 'hyperv.quiesced',
        severity: 'note',
        message: 'it runs on while a production checkpoint is read: its filesystems were at rest',
        evidence,
      }
    : {
        rule: 'hyperv.not-quiesced',
        severity: 'note',
        message: 'the host made no production checkpoint: its disks are as after a power cut',
        evidence: `${evidence}, ${state}`,
        remedy:
          'for filesystems at rest run the backup service inside (hv_vss_daemon), or shut it down first',
      };
}
