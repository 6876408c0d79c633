/**
 * A point in time of a running machine: a snapshot by `VBoxManage snapshot UUID take --live`. What the machine writes
 * from then on goes to new files; those below stand still and are read. In the end the snapshot is deleted, which merges
 * them.
 *
 * The snapshot's name has the run's id in it. As long as that run lives, a process with the same id lives on the host
 * too: a snapshot without one was left by a run that died, and is deleted first.
 */
import type { Host } from '../../io/host/host.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { isAlive, showAlive } from '../hold-mark.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import { vboxManage } from './manage.ts';
import type { ReadMachine } from './read-machine.ts';

/** For each machine that is held, the files that each of its disks is read from. */
export type HeldDisks = Map<string, ReadonlyMap<string, readonly string[]>>;

/** The machine of an id; of its .vbox with `#SNAPSHOT` the one with the disks of then. */
type Look = (id: string) => Promise<ReadMachine>;

const namePrefix = 'vmferry-';
/** Of the processes that show that a run lives. */
const markKind = 'virtualbox-hold';
const runPattern = /^[\w.-]{1,80}$/;

/** @throws AppError `unsupported`, `conflict` (another run holds it), `io`. */
export async function holdMachine(
  host: Host,
  id: string,
  look: Look,
  held: HeldDisks,
  options: HoldOptions,
): Promise<Hold> {
  const { runId, report } = options;
  if (!runPattern.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  const now = await look(id);
  const { machine, uuid } = now;
  // One that is suspended writes nothing.
  if (machine.state !== 'running') return { machine, findings: [], release: async () => [] };
  if (uuid === undefined) throw cannot(id, 'it has no UUID to name it by');
  if (held.has(id)) throw new AppError('conflict', 'it is held already', { where: id });
  const findings = await removeLeftovers(host, id, now, uuid, options);
  const name = namePrefix + runId;
  const mark = await showAlive(host, markKind, runId);
  let taken = false;
  const undo = async () => {
    held.delete(id);
    try {
      if (taken) await vboxManage(host, ['snapshot', uuid, 'delete', name]);
    } finally {
      mark.end();
    }
  };
  try {
    report(`${machine.name}: taking a snapshot, which saves its memory as well`);
    await takeSnapshot(host, id, uuid, name);
    taken = true;
    options.signal.throwIfAborted();
    const then = await frozen(look, id, name);
    held.set(id, new Map(then.machine.disks.map((disk) => [disk.id, disk.files])));
    let released: Promise<string[]> | undefined;
    const release = () => {
      released ??= undo().then(
        () => [],
        (error) => [`${machine.name}: the snapshot "${name}" is left: ${toAppError(error).message}`],
      );
      return released;
    };
    return {
      machine: { ...machine, disks: then.machine.disks },
      findings: [...findings, notQuiesced(name)],
      verify: async () => void (await frozen(look, id, name)),
      release,
    };
  } catch (error) {
    await undo().catch((failure) => report(`the snapshot "${name}" is left: ${toAppError(failure).message}`));
    throw error;
  }
}

async function takeSnapshot(host: Host, id: string, uuid: string, name: string): Promise<void> {
  await vboxManage(host, ['snapshot', uuid, 'take', name, '--live']).catch((error) => {
    const { kind, message } = toAppError(error);
    if (kind === 'not-found') throw cannot(id, 'there is no VBoxManage to take a snapshot');
    if (kind === 'io') throw cannot(id, message);
    throw error;
  });
}

/** @throws AppError `conflict` when the snapshot is gone, `unsupported` when it does not hold all disks. */
async function frozen(look: Look, id: string, name: string): Promise<ReadMachine> {
  const then = await look(`${id}#${name}`).catch((error) => {
    if (toAppError(error).kind !== 'not-found') throw error;
    throw new AppError('conflict', `the snapshot "${name}" is gone`, {
      where: id,
      hint: 'somebody deleted it (another run, after the connection was lost, or by hand); run it again',
    });
  });
  const open = then.machine.disks.filter((disk) => !then.frozen.has(disk.id));
  if (open.length === 0) return then;
  throw cannot(id, `a snapshot does not hold ${open.map((disk) => disk.id).join(', ')} (writethrough)`);
}

const cannot = (where: string, why: string): AppError =>
  new AppError('unsupported', `the machine runs and can't be held: ${why}`, {
    where,
    hint: 'shut it down first',
  });

/** @throws AppError `conflict` when a run that lives reads below it. */
async function removeLeftovers(
  host: Host,
  id: string,
  { machine: { snapshots = [] } }: ReadMachine,
  uuid: string,
  { signal, report }: HoldOptions,
): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const { name } of snapshots) {
    const run = name.startsWith(namePrefix) ? name.slice(namePrefix.length) : '';
    if (!runPattern.test(run)) continue;
    if (await isAlive(host, markKind, run, signal)) {
      throw new AppError('conflict', `run ${run} holds this machine`, {
        where: `${host.name}:${id}`,
        hint: 'wait for its end, or cancel it',
      });
    }
    report(`deleting the snapshot that run ${run} left`);
    await vboxManage(host, ['snapshot', uuid, 'delete', name]);
    findings.push({
      rule: 'virtualbox.leftover-deleted',
      severity: 'note',
      message: `a snapshot that run ${run} had left was deleted`,
      evidence: name,
    });
  }
  return findings;
}

const notQuiesced = (name: string): Finding => ({
  rule: 'virtualbox.not-quiesced',
  severity: 'note',
  message:
    'it runs on while a snapshot of its disks is read: programs inside find them as after a power cut; saving its memory for the snapshot takes space on its host',
  evidence: name,
  remedy: 'for programs at rest shut it down first',
});
