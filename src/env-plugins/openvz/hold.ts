/**
 * A point in time of a running container: a snapshot of all its ploop disks. What it writes from then on goes to new
 * deltas; those below stand still and are read. In the end the snapshot is deleted, which merges them.
 *
 * The snapshot's name has the run's id in it. As long as that run lives, a process with the same id lives on the host
 * too: a snapshot without one was left by a run that died, and is deleted first.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { isAlive, showAlive } from '../hold-mark.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import type { Container } from './container.ts';
import { deleteSnapshot, listSnapshots, takeSnapshot } from './snapshots.ts';

/** For each container that is held, the file that each of its disks is read from. */
export type HeldDisks = Map<string, ReadonlyMap<string, string>>;

export interface Now {
  readonly machine: Machine;
  readonly container: Container;
}

const namePrefix = 'vmferry-';
/** Of the processes that show that a run lives. */
const markKind = 'openvz-hold';
const runPattern = /^[\w.-]{1,80}$/;

/** @throws AppError `unsupported`, `conflict` (another run holds it), `io`. */
export async function holdContainer(
  host: Host,
  look: () => Promise<Now>,
  held: HeldDisks,
  { runId, signal, report }: HoldOptions,
): Promise<Hold> {
  if (!runPattern.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  const { machine, container } = await look();
  if (held.has(machine.id)) throw new AppError('conflict', 'it is held already', { where: machine.name });
  const nothing: Hold = { machine, findings: [], release: async () => [] };
  // Of a folder there is no snapshot; a finding of the machine says so. A suspended one writes nothing.
  if (machine.state !== 'running' || container.layout !== 'ploop') return nothing;
  const { ctid } = container;
  const findings = await removeLeftovers(host, ctid, { runId, signal, report });
  const mark = await showAlive(host, markKind, runId);
  let id: string | undefined;
  const undo = async () => {
    held.delete(machine.id);
    try {
      if (id !== undefined) await deleteSnapshot(host, ctid, id);
    } finally {
      mark.end();
    }
  };
  try {
    report(`${machine.name}: taking a snapshot of its disks`);
    id = await takeSnapshot(host, ctid, namePrefix + runId);
    signal.throwIfAborted();
    const now = await look();
    held.set(machine.id, frozenFiles(now.container, id));
    let released: Promise<string[]> | undefined;
    const release = () => {
      released ??= undo().then(
        () => [],
        (error) => [`${machine.name}: the snapshot ${id} is left: ${toAppError(error).message}`],
      );
      return released;
    };
    const taken = id;
    return {
      machine: now.machine,
      findings: [...findings, notQuiesced(taken)],
      async verify(verifySignal) {
        const there = await listSnapshots(host, ctid, verifySignal);
        if (there.some((snapshot) => snapshot.id === taken)) return;
        throw new AppError('conflict', `the snapshot ${taken} was deleted while it was read`, {
          where: `${host.name}: ${ctid}`,
          hint: 'somebody deleted it (another run, after the connection was lost, or by hand); run it again',
        });
      },
      release,
    };
  } catch (error) {
    await undo().catch((failure) => report(`the snapshot ${id} is left: ${toAppError(failure).message}`));
    throw error;
  }
}

/** The file that got the snapshot's id is the one that is written to no more. */
function frozenFiles({ disks, ctid }: Container, id: string): ReadonlyMap<string, string> {
  return new Map(
    disks.map((disk) => {
      const image = disk.ploop.images.filter(({ guid }) => guid === id);
      const path = image[0]?.path;
      if (image.length === 1 && path !== undefined && posix.dirname(path) === disk.ploop.folder)
        return [disk.id, path];
      throw new AppError('unsupported', `the snapshot of ${ctid} does not hold its disk ${disk.id}`, {
        where: disk.ploop.folder,
        hint: 'stop the container first, and run it again',
      });
    }),
  );
}

/** @throws AppError `conflict` when a run that lives reads below it. */
async function removeLeftovers(
  host: Host,
  ctid: string,
  { signal, report }: HoldOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { id, name } of await listSnapshots(host, ctid, signal)) {
    const run = name.startsWith(namePrefix) ? name.slice(namePrefix.length) : '';
    if (!runPattern.test(run)) continue;
    if (await isAlive(host, markKind, run, signal)) {
      throw new AppError('conflict', `run ${run} holds this container`, {
        where: `${host.name}: ${ctid}`,
        hint: 'wait for its end, or cancel it',
      });
    }
    report(`deleting the snapshot that run ${run} left`);
    await deleteSnapshot(host, ctid, id);
    findings.push({
      rule: 'openvz.leftover-deleted',
      severity: 'note',
      message: `a snapshot that run ${run} had left was deleted`,
      evidence: id,
    });
  }
  return findings;
}

const notQuiesced = (id: string): Finding => ({
  rule: 'openvz.not-quiesced',
  severity: 'note',
  message: 'it runs on while a snapshot of its disks is read: programs inside find them as after a power cut',
  evidence: id,
  remedy: 'for programs at rest stop it first',
});
