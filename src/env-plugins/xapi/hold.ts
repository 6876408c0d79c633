/**
 * A point in time of a running machine: a snapshot of its disks (VM.snapshot, no memory). They are read; in the end the
 * snapshot and its disks are removed, and nothing else ever is.
 *
 * Its name has the run's id, its description the computer and the process: one whose process is gone from this computer
 * was left by a run that died, and is removed at the next hold.
 */
import { hostname } from 'node:os';
import { setTimeout as wait } from 'node:timers/promises';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { isTrueIn, refIn, textIn } from '../../packages/xva/records.ts';
import { readXenMachine, type XenDisk } from '../../packages/xva/xen-machine.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import { XapiFailure } from './failures.ts';
import { type Inventory, readInventory } from './inventory.ts';
import type { XapiSession } from './session.ts';
import type { Found } from './source.ts';
import { callAsTask } from './tasks.ts';

/** By the reference of the machine. */
export type HeldMachines = Map<string, FrozenMachine>;

export interface FrozenMachine {
  /** The reference of its snapshot. */
  readonly snapshot: string;
  /** Its disks as they were, by their ids. */
  readonly disks: ReadonlyMap<string, XenDisk>;
}

export interface HoldPlace {
  readonly session: XapiSession;
  readonly held: HeldMachines;
  look(id: string, signal: AbortSignal): Promise<Found>;
  /** What becomes of a disk of the snapshot in the end, instead of its removal. */
  endDisk?(vdi: string): Promise<void>;
}

/** Runs of this process that hold a machine: a process of before may have had the same id, as in containers. */
const ownRuns = new Set<string>();
const runPattern = /^[\w.-]{1,80}$/;
const namePrefix = 'vmferry-';

/** @throws AppError `conflict` (another run holds it), `unsupported`, `auth`, `no-space`. */
export async function holdMachine(place: HoldPlace, given: Machine, options: HoldOptions): Promise<Hold> {
  const { session, held } = place;
  const { runId, signal, report } = options;
  if (!runPattern.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  const { ref, machine } = await place.look(given.id, signal);
  if (held.has(ref)) throw new AppError('conflict', 'it is held already', { where: machine.name });
  // A suspended one writes nothing.
  if (machine.state !== 'running') return { machine, findings: [], release: async () => [] };
  const findings = await removeLeftovers(session, ref, options);
  let released: Promise<string[]> | undefined;
  const release = () => {
    released ??= (async () => {
      held.delete(ref);
      ownRuns.delete(runId);
      try {
        await persistently(() => removeOwn(session, ref, runId, place.endDisk));
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
    const snapshot = await takeSnapshot(session, ref, runId);
    if (signal.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
    const inventory = await readInventory(session, signal);
    const record = inventory.record('VM', snapshot);
    if (record === undefined)
      throw new AppError('corrupt', 'the server does not tell its snapshot', { where: machine.name });
    const { disks } = readXenMachine(record, inventory, '');
    held.set(ref, { snapshot, disks: new Map(disks.map((disk) => [disk.id, disk])) });
    return {
      machine,
      findings: [...findings, notQuiesced(runId)],
      verify: (ending) => stillThere(session, snapshot, disks, ending),
      release,
    };
  } catch (error) {
    for (const line of await release()) report(line);
    throw error;
  }
}

/** Not cancelled half-way: whether it is there must be known before it is undone. */
async function takeSnapshot(session: XapiSession, vm: string, runId: string): Promise<string> {
  const step = 'taking a snapshot';
  const snapshot = await callAsTask(session, 'VM.snapshot', [vm, namePrefix + runId], { step });
  await session.call('VM.set_name_description', [snapshot, madeHere()], { step });
  return snapshot;
}

/** @throws AppError `conflict`. */
async function stillThere(
  session: XapiSession,
  snapshot: string,
  disks: readonly XenDisk[],
  signal: AbortSignal,
) {
  const step = 'looking at the snapshot';
  try {
    await session.text('VM.get_uuid', [snapshot], { step, signal });
    for (const { vdi } of disks) await session.text('VDI.get_uuid', [vdi], { step, signal });
  } catch (error) {
    if (!(error instanceof XapiFailure) || error.kind !== 'not-found') throw error;
    throw new AppError('conflict', 'the snapshot was removed while its disks were read', {
      where: session.name,
      hint: 'find out who removes snapshots there (a backup?), then run it again',
    });
  }
}

export const madeHere = (): string =>
  `made by vmferry on ${hostname()}, process ${process.pid}; it is removed when that ends`;

/** Of a disk that is kept between two passes. */
export const changesName = (runId: string): string => `${namePrefix}${runId}${changesEnd}`;
const changesEnd = ' changes';

interface OurSnapshot {
  readonly run: string;
  readonly ref: string;
  readonly description: string;
}

/** Snapshots of this machine that have a name of ours. */
function oursIn(inventory: Inventory, vm: string): OurSnapshot[] {
  return [...(inventory.all.get('VM') ?? [])].flatMap(([ref, record]) => {
    const name = textIn(record, 'name_label') ?? '';
    const run = name.startsWith(namePrefix) ? name.slice(namePrefix.length) : '';
    const isOurs =
      isTrueIn(record, 'is_a_snapshot') && refIn(record, 'snapshot_of') === vm && runPattern.test(run);
    return isOurs ? [{ run, ref, description: textIn(record, 'name_description') ?? '' }] : [];
  });
}

/** Also when the server never told that it was made: it is looked for by its name. */
async function removeOwn(
  session: XapiSession,
  vm: string,
  runId: string,
  endDisk: HoldPlace['endDisk'],
): Promise<void> {
  const inventory = await readInventory(session);
  for (const { run, ref } of oursIn(inventory, vm))
    if (run === runId) await removeSnapshot(session, inventory, ref, endDisk);
}

/** The server leaves the disks of a machine that it destroys. What is no snapshot is not touched. */
async function removeSnapshot(
  session: XapiSession,
  inventory: Inventory,
  ref: string,
  endDisk?: HoldPlace['endDisk'],
): Promise<void> {
  const step = 'removing the snapshot';
  const end = endDisk ?? ((vdi: string) => session.call('VDI.destroy', [vdi], { step }));
  const record = inventory.record('VM', ref);
  if (record === undefined || !isTrueIn(record, 'is_a_snapshot')) return;
  const { disks } = readXenMachine(record, inventory, '');
  for (const { vdi, record: image } of disks) {
    if (isTrueIn(image, 'is_a_snapshot')) await gone(end(vdi));
  }
  await gone(session.call('VM.destroy', [ref], { step }));
}

/** What is not there any more needs no removing. */
export async function gone(work: Promise<unknown>): Promise<void> {
  await work.catch((error) => {
    if (!(error instanceof XapiFailure) || error.kind !== 'not-found') throw error;
  });
}

/** A link that is cut just now, or a disk still attached to be read, is no reason to leave it. In milliseconds. */
const pauses = [100, 500, 2000, 5000];

export async function persistently(work: () => Promise<void>): Promise<void> {
  for (const pause of [...pauses, undefined]) {
    try {
      return await work();
    } catch (error) {
      const { kind } = toAppError(error);
      if (pause === undefined || (kind !== 'unreachable' && kind !== 'conflict')) throw error;
      await wait(pause);
    }
  }
}

/** @throws AppError `conflict` when a run of this computer that lives reads it. */
async function removeLeftovers(
  session: XapiSession,
  vm: string,
  { runId, signal, report }: HoldOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const inventory = await readInventory(session, signal);
  for (const { run, ref, description } of oursIn(inventory, vm)) {
    const made = madeBy(description);
    if (made?.host !== hostname()) {
      findings.push({
        rule: 'xapi.leftover-of-others',
        severity: 'warning',
        message: `a snapshot of run ${run} of another computer is there`,
        evidence: description.slice(0, 200),
        remedy: 'if that run has ended, remove it there',
      });
      continue;
    }
    if (isAlive(made.pid, run)) {
      throw new AppError('conflict', `run ${run} holds this machine`, {
        where: session.name,
        hint: `wait for its end, or cancel it; if there is none, remove the snapshot ${namePrefix}${run} there`,
      });
    }
    report(`removing the snapshot that run ${run} left`);
    await removeSnapshot(session, inventory, ref);
    findings.push({
      rule: 'xapi.leftover-removed',
      severity: 'note',
      message: `a snapshot that run ${run} had left was removed`,
      evidence: `${namePrefix}${run}`,
    });
  }
  await removeKept(session, inventory, vm, { runId, report });
  return findings;
}

/** Disks that a run has kept between its passes, and that died. What is no snapshot is not touched. */
async function removeKept(
  session: XapiSession,
  inventory: Inventory,
  vm: string,
  { runId, report }: Pick<HoldOptions, 'runId' | 'report'>,
): Promise<void> {
  const machine = inventory.record('VM', vm);
  const own = new Set(readXenMachine(machine ?? {}, inventory, '').disks.map(({ vdi }) => vdi));
  for (const [ref, record] of inventory.all.get('VDI') ?? []) {
    const [name, made] = [
      textIn(record, 'name_label') ?? '',
      madeBy(textIn(record, 'name_description') ?? ''),
    ];
    const run = name.endsWith(changesEnd) ? name.slice(namePrefix.length, -changesEnd.length) : '';
    const isOurs =
      name === changesName(run) && runPattern.test(run) && own.has(refIn(record, 'snapshot_of') ?? '');
    if (!isOurs || !isTrueIn(record, 'is_a_snapshot') || made?.host !== hostname()) continue;
    if (run === runId || isAlive(made.pid, run)) continue;
    report(`removing what run ${run} left`);
    await gone(session.call('VDI.destroy', [ref], { step: 'removing what tells changes' }));
  }
}

function madeBy(description: string): { readonly host: string; readonly pid: number } | undefined {
  const made = /^made by vmferry on (\S+), process (\d{1,10});/.exec(description);
  return made === null ? undefined : { host: made[1]!, pid: Number(made[2]) };
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
  rule: 'xapi.not-quiesced',
  severity: 'note',
  message: 'it runs on while a snapshot of its disks is read: programs inside find them as after a power cut',
  evidence: `${namePrefix}${runId}`,
  remedy: 'for programs at rest shut it down first',
});
