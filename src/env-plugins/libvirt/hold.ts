/**
 * A point in time of a running machine: an external snapshot of all its disks, taken in one go. What it writes from
 * then on goes to overlays; the files below stand still and are read as ever, sparse and at random, by the same way
 * as those of a machine that is off. In the end the overlays are merged back and removed.
 *
 * Why not `backup-begin` in pull mode: it serves NBD on a socket of the host, which has to be reached through SSH
 * and polled for what is allocated, needs scratch files as well, and is missing in older QEMU. Why not an internal
 * snapshot: it stops the machine, and works for qcow2 only.
 *
 * An overlay's name has the run's id in it. As long as that run lives, a process with the same id lives on the host
 * too: what is found without one was left by a run that died, and is merged first.
 */
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { isAlive, showAlive } from '../hold-mark.ts';
import type { Hold, HoldOptions } from '../plugin.ts';
import type { Libvirt } from './connect.ts';
import type { Domain } from './domain-xml.ts';
import type { DomainDisk } from './domain-xml-disks.ts';
import { isIn, mergeOverlay } from './merge-overlay.ts';
import { leftOverlays, type Overlay, planOverlays, runOf, spaceFindings } from './overlays.ts';

/** Of the processes that show that a run lives. */
const markKind = 'hold';

/** The disks of machines that are held, as they were before; by UUID. */
export type HeldDisks = Map<string, readonly DomainDisk[]>;

export interface DomainNow {
  readonly domain: Domain;
  readonly machine: Machine;
}

export interface DomainToHold extends DomainNow {
  look(): Promise<DomainNow>;
}

/** @throws AppError `unsupported`, `conflict` (another run holds it), `no-space`, `auth` … */
export async function holdDomain(
  libvirt: Libvirt,
  start: DomainToHold,
  held: HeldDisks,
  options: HoldOptions,
): Promise<Hold> {
  const { id, name } = start.machine;
  const { runId, signal, report } = options;
  if (!/^[\w.-]{1,80}$/.test(runId)) throw new AppError('usage', `"${runId}" is not the id of a run`);
  if (held.has(id)) throw new AppError('conflict', 'it is held already', { where: name });
  // Off, or its memory is saved: nothing writes to its disks.
  if (!start.domain.live) return { machine: start.machine, findings: [], release: async () => [] };
  const cleaned = await mergeLeftovers(libvirt, start, options);
  const now = cleaned.length === 0 ? start : await start.look();
  const { domain, machine } = now;
  const plan = await planOverlays(libvirt, domain, runId, signal);
  const findings = [...cleaned, ...plan.findings, ...(await spaceFindings(libvirt, plan.overlays, signal))];
  const mark = await showAlive(libvirt.host, markKind, runId);
  const undo = async () => {
    const words: string[] = [];
    for (const overlay of plan.overlays)
      words.push(...(await mergeOverlay(libvirt, id, overlay, start.look)));
    held.delete(id);
    mark.end();
    return words;
  };
  try {
    report(`taking a snapshot of ${plan.overlays.length} disks`);
    findings.push(...(await takeSnapshot(libvirt, domain, id, plan.words)));
    signal.throwIfAborted();
    await checkTaken(start, plan.overlays);
  } catch (error) {
    const words = await undo();
    throw withWords(error, words);
  }
  held.set(id, domain.disks);
  let released: Promise<string[]> | undefined;
  return {
    machine,
    findings,
    verify: () => checkStanding(start, plan.overlays),
    release() {
      released ??= undo().catch((error) => [`${name}: ${toAppError(error).message}`]);
      return released;
    },
  };
}

/** Cancelling waits for its end: it takes a moment only, and half of it can't be undone. */
async function takeSnapshot(
  libvirt: Libvirt,
  { agent }: Domain,
  id: string,
  words: readonly string[],
): Promise<Finding[]> {
  const command = [
    'snapshot-create-as',
    `--domain=${id}`,
    '--disk-only',
    '--atomic',
    '--no-metadata',
    ...words.map((word) => `--diskspec=${word}`),
  ];
  let why = 'no guest agent answers';
  if (agent) {
    try {
      await libvirt.virsh([...command, '--quiesce']);
      return [];
    } catch (error) {
      const { kind, message } = toAppError(error);
      if (kind === 'unreachable') throw error;
      why = `the guest agent did not stop the filesystems: ${message}`;
    }
  }
  await libvirt.virsh(command).catch((error) => {
    const { kind, message, where, hint } = toAppError(error);
    throw new AppError(kind, message, {
      ...(where === undefined ? {} : { where }),
      hint: hint ?? 'shut the machine down, and run it again',
      cause: error,
    });
  });
  return [
    {
      rule: 'libvirt.not-quiesced',
      severity: 'note',
      message: `its disks are as after a power cut: ${why}`,
      remedy: 'for filesystems at rest run qemu-guest-agent inside, or shut it down first',
    },
  ];
}

/** Reading what is still written to would give wrong bytes. */
async function checkTaken({ look }: DomainToHold, overlays: readonly Overlay[]): Promise<void> {
  const { domain } = await look();
  for (const { target, path } of overlays) {
    const disk = domain.disks.find((one) => one.disk.id === target);
    if (disk !== undefined && 'path' in disk.place && disk.place.path === path) continue;
    throw new AppError('io', `libvirt took the snapshot, and disk ${target} is not on its overlay`, {
      where: path,
      hint: 'shut the machine down, and run it again',
    });
  }
}

/** What lies below an overlay is written to once the overlay is merged, whoever did that. */
async function checkStanding({ look, machine }: DomainToHold, overlays: readonly Overlay[]): Promise<void> {
  const { domain } = await look();
  const gone = overlays.find((overlay) => !isIn(domain, overlay));
  if (gone === undefined) return;
  throw new AppError(
    'conflict',
    `disk ${gone.target} was let go while it was read: its overlay is not in use any more`,
    {
      where: machine.name,
      hint: 'somebody merged it (another run, after the connection was lost, or virsh blockcommit); run it again',
    },
  );
}

/** @throws AppError `conflict` when a run that lives reads below it. */
async function mergeLeftovers(
  libvirt: Libvirt,
  { domain, machine, look }: DomainToHold,
  { signal, report }: HoldOptions,
): Promise<Finding[]> {
  const left = leftOverlays(domain);
  const findings: Finding[] = [];
  for (const overlay of left) {
    const run = runOf(overlay.path)!;
    if (await isAlive(libvirt.host, markKind, run, signal)) {
      throw new AppError('conflict', `run ${run} holds this machine`, {
        where: machine.name,
        hint: 'wait for its end, or cancel it',
      });
    }
    report(`merging what run ${run} left of disk ${overlay.target}`);
    const words = await mergeOverlay(libvirt, machine.id, overlay, look);
    if (words.length > 0) {
      throw new AppError('conflict', `what run ${run} left can't be undone: ${words.join('; ')}`, {
        where: machine.name,
        hint: 'merge it by hand (virsh blockcommit), or shut the machine down',
      });
    }
    findings.push({
      rule: 'libvirt.leftover-merged',
      severity: 'note',
      message: `an overlay that run ${run} had left was merged and removed`,
      evidence: overlay.path,
    });
  }
  return findings;
}

function withWords(error: unknown, words: readonly string[]): AppError {
  const { kind, message, where, hint, cause } = toAppError(error);
  if (words.length === 0) return toAppError(error);
  return new AppError(kind, [message, ...words].join('; '), {
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
    cause: cause ?? error,
  });
}
