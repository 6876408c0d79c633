/**
 * A point in time of a running machine: a snapshot without memory. What the machine writes from then on goes to delta
 * files; the files below stand still and are read. In the end the snapshot is removed, which merges them.
 *
 * Its name has the run's id, its description the computer and the process: one whose process is gone from this
 * computer was left by a run that died, and is removed at the next hold.
 */
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { child, childrenOf } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import { readHardware } from './devices.ts';
import { diskId, snapshotTrees } from './machine.ts';
import { textAt } from './places.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import { isTrue, type Ref, refIn, refOf, text } from './soap.ts';
import { taskResult } from './tasks.ts';

export interface HeldMachine {
  readonly snapshot: Ref;
  /** The file that each of its disks is read from. */
  readonly files: ReadonlyMap<string, string>;
}

/** Machines that are held, by their ids. */
export type HeldDisks = Map<string, HeldMachine>;

export interface HoldPlace {
  readonly session: VimSession;
  readonly held: HeldDisks;
  readonly quiesce: boolean;
  look(id: string, signal: AbortSignal): Promise<Machine>;
}

/** Runs of this process that hold a machine: a process of before may have had the same id, as in containers. */
const ownRuns = new Set<string>();

const runPattern = /^[\w.-]{1,80}$/;
const namePrefix = 'vmferry-';

/** @throws AppError `conflict` (another run holds it), `unsupported`, `auth` (a privilege is missing), `io`. */
export async function holdMachine(place: HoldPlace, given: Machine, options: HoldOptions): Promise<Hold> {
  const { session, held, quiesce } = place;
  const { runId, signal, report } = options;
  if (!runPattern.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  const machine = await place.look(given.id, signal);
  if (held.has(machine.id)) throw new AppError('conflict', 'it is held already', { where: machine.name });
  // A suspended one writes nothing.
  if (machine.state !== 'running') return { machine, findings: [], release: async () => [] };
  const vm: Ref = { type: 'VirtualMachine', id: machine.id };
  const findings = await removeLeftovers(session, vm, options);
  if (!session.atLeast('4.0')) await refuseToReplace(session, vm, machine.name, signal);
  let released: Promise<string[]> | undefined;
  const release = () => {
    released ??= (async () => {
      held.delete(machine.id);
      ownRuns.delete(runId);
      try {
        await persistently(() => removeOwn(session, vm, runId));
        return [];
      } catch (error) {
        return [`${machine.name}: the snapshot ${namePrefix}${runId} is left: ${toAppError(error).message}`];
      }
    })();
    return released;
  };
  try {
    report(`${machine.name}: taking a snapshot`);
    ownRuns.add(runId);
    const snapshot = await takeSnapshot(session, vm, runId, quiesce, signal);
    held.set(machine.id, { snapshot, files: await frozenFiles(session, snapshot, signal) });
    const now = await place.look(machine.id, signal);
    return {
      machine: now,
      findings: [...findings, ...(quiesce ? [] : [notQuiesced(runId)])],
      verify: (ending) => stillThere(session, vm, snapshot, ending),
      release,
    };
  } catch (error) {
    for (const line of await release()) report(line);
    throw error;
  }
}

/** VMware Server 2 keeps one snapshot of a machine: another one takes its place. @throws AppError `unsupported`. */
async function refuseToReplace(session: VimSession, vm: Ref, where: string, signal: AbortSignal) {
  const several = 'capability.multipleSnapshotsSupported';
  const { values } = await ofObject(session, vm, [several, 'snapshot'], 'reading the snapshots', signal);
  if (isTrue(values.get(several)) || snapshotTrees(values.get('snapshot')).length === 0) return;
  throw new AppError('unsupported', 'it has a snapshot, and this server keeps one snapshot only', {
    where,
    hint: 'shut the machine down first, or remove its snapshot there',
  });
}

/** Not cancelled half-way: whether it is there must be known before it is undone. */
async function takeSnapshot(
  session: VimSession,
  vm: Ref,
  runId: string,
  quiesce: boolean,
  signal: AbortSignal,
): Promise<Ref> {
  const step = 'taking a snapshot';
  const started = await session.call(
    'CreateSnapshot_Task',
    vm,
    [
      text('name', namePrefix + runId),
      text(
        'description',
        `made by vmferry on ${hostname()}, process ${process.pid}; it is removed when that ends`,
      ),
      text('memory', false),
      text('quiesce', quiesce),
    ],
    { step },
  );
  const result = await taskResult(session, started, { step });
  if (result === undefined) throw new AppError('corrupt', `${step}: the server names none`);
  if (signal.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
  return refOf(result);
}

/** Somebody who removes it has its delta merged into what is read. @throws AppError `conflict`. */
async function stillThere(session: VimSession, vm: Ref, { id }: Ref, signal: AbortSignal): Promise<void> {
  if ((await ours(session, vm, signal)).some(({ snapshot }) => snapshot.id === id)) return;
  throw new AppError('conflict', 'the snapshot was removed while its disks were read', {
    where: session.client.name,
    hint: 'find out who removes snapshots there (a backup?), then run it again',
  });
}

async function removeSnapshot(session: VimSession, snapshot: Ref): Promise<void> {
  const step = 'removing the snapshot';
  const consolidate = session.atLeast('5.0') ? [text('consolidate', true)] : [];
  const started = await session.call(
    'RemoveSnapshot_Task',
    snapshot,
    [text('removeChildren', false), ...consolidate],
    { step },
  );
  await taskResult(session, started, { step });
}

/** Also when the server never told that it was made: it is looked for by its name. */
async function removeOwn(session: VimSession, vm: Ref, runId: string): Promise<void> {
  for (const { run, snapshot } of await ours(session, vm, undefined))
    if (run === runId) await removeSnapshot(session, snapshot);
}

/** A link that is cut just now is no reason to leave it there. In milliseconds. */
const pauses = [500, 2000, 5000];

async function persistently(work: () => Promise<void>): Promise<void> {
  for (const pause of [...pauses, undefined]) {
    try {
      return await work();
    } catch (error) {
      if (pause === undefined || toAppError(error).kind !== 'unreachable') throw error;
      await wait(pause);
    }
  }
}

/** The disks as the snapshot has them. Independent ones are not among what it keeps. */
async function frozenFiles(session: VimSession, snapshot: Ref, signal: AbortSignal) {
  const step = 'reading the snapshot';
  const { values } = await ofObject(session, snapshot, ['config'], step, signal);
  const config = values.get('config');
  const hardware = config === undefined ? undefined : child(config, 'hardware');
  if (hardware === undefined)
    throw new AppError('unsupported', `${step}: the server does not tell its disks`);
  const { disks } = readHardware(childrenOf(hardware, 'device'), new Map());
  return new Map(
    disks.flatMap((disk) =>
      disk.file === undefined || disk.mode.startsWith('independent')
        ? []
        : [[diskId(disk), disk.file] as const],
    ),
  );
}

interface OurSnapshot {
  readonly run: string;
  readonly snapshot: Ref;
  readonly description: string;
}

async function ours(session: VimSession, vm: Ref, signal: AbortSignal | undefined): Promise<OurSnapshot[]> {
  const { values } = await ofObject(session, vm, ['snapshot'], 'reading the snapshots', signal);
  return snapshotTrees(values.get('snapshot')).flatMap((tree) => {
    const name = textAt(tree, 'name') ?? '';
    const run = name.startsWith(namePrefix) ? name.slice(namePrefix.length) : '';
    const snapshot = refIn(tree, 'snapshot');
    if (snapshot === undefined || !runPattern.test(run)) return [];
    return [{ run, snapshot, description: textAt(tree, 'description') ?? '' }];
  });
}

/** @throws AppError `conflict` when a run of this computer that lives reads below it. */
async function removeLeftovers(
  session: VimSession,
  vm: Ref,
  { signal, report }: HoldOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { run, snapshot, description } of await ours(session, vm, signal)) {
    const made = /^made by vmferry on (\S+), process (\d{1,10});/.exec(description);
    if (made?.[1] !== hostname()) {
      findings.push({
        rule: 'vsphere.leftover-of-others',
        severity: 'warning',
        message: `a snapshot of run ${run} of another computer is there`,
        evidence: description.slice(0, 200),
        remedy: 'if that run has ended, remove it there',
      });
      continue;
    }
    if (isAlive(Number(made[2]), run)) {
      throw new AppError('conflict', `run ${run} holds this machine`, {
        where: session.client.name,
        hint: `wait for its end, or cancel it; if there is none, remove the snapshot ${namePrefix}${run} there`,
      });
    }
    report(`removing the snapshot that run ${run} left`);
    await removeSnapshot(session, snapshot);
    findings.push({
      rule: 'vsphere.leftover-removed',
      severity: 'note',
      message: `a snapshot that run ${run} had left was removed`,
      evidence: `${namePrefix}${run}`,
    });
  }
  return findings;
}

/** Another user's process may not be signalled, and is there. */
function isAlive(pid: number, run: string): boolean {
  if (pid === process.pid) return ownRuns.has(run);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

const notQuiesced = (runId: string): Finding => ({
  rule: 'vsphere.not-quiesced',
  severity: 'note',
  message: 'it runs on while a snapshot of its disks is read: programs inside find them as after a power cut',
  evidence: `${namePrefix}${runId}`,
  remedy: 'for programs at rest say yes to "Quiesce" (it needs VMware Tools), or shut it down first',
});
