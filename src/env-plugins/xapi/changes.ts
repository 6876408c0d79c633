/**
 * A machine copied in passes, each of them below a snapshot of its own; the last one reads the machine that is off. What
 * changed between two of them is told
 * - by changed-block tracking (XenServer 7.3 and later, where the licence has it): of the snapshot's disks the data is
 *   destroyed, and what they tell of changes is kept until the next pass has asked with it;
 * - else by a VHD of differences: the snapshot's disks are kept as they are until the next pass has been sent.
 */
import type { ByteSource } from '../../io/byte-source.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { countIn, isTrueIn, refIn, textIn } from '../../packages/xva/records.ts';
import { powerState, type XenDisk } from '../../packages/xva/xen-machine.ts';
import type { Changed, Delta, HoldOptions, TrackedPass, Tracking, TrackOptions } from '../plugin.ts';
import { changedRanges } from './changed-ranges.ts';
import { changesName, gone, type HoldPlace, holdMachine, madeHere } from './hold.ts';
import type { XapiSession } from './session.ts';
import type { WayId } from './settings.ts';
import type { Found } from './source.ts';
import { clientForStorage } from './storage-hosts.ts';
import { endTask, refusedSoon } from './tasks.ts';
import { vhdDelta } from './ways/streams.ts';

export interface TrackPlace extends HoldPlace {
  /** A question with yes and no for whoever is there. */
  confirm(question: string): Promise<boolean>;
  readonly way: WayId;
}

/** Where bytes come one after the other anyway, or nothing else tells, differences are asked for. */
const takesDeltas = (way: WayId): boolean => way === 'auto' || way === 'vhd';

/** @throws AppError as `holdMachine`. */
export async function trackMachine(
  place: TrackPlace,
  given: Machine,
  options: TrackOptions,
): Promise<Tracking> {
  const { session } = place;
  const found = await place.look(given.id, options.signal);
  const { ref, machine } = found;
  const { name } = machine;
  /** Tasks that were begun and not waited for. */
  const begun: string[] = [];
  /** References of what is kept of the last pass's snapshot. */
  const kept: string[] = [];
  /** Disks that the server does not send as differences. */
  const without = new Set<string>();
  const turned = await turnOn(place, found, options);
  return {
    findings: turned.findings,
    pass: (holding) => onePass(place, given, holding, { kept, without }),
    async state(signal) {
      return powerState(
        await session.record('VM.get_record', [ref], { step: 'asking for its state', signal }),
      );
    },
    async shutDown(signal) {
      const step = `shutting ${name} down`;
      // It waits for the end, which is waited for elsewhere.
      const task = await session.text('Async.VM.clean_shutdown', [ref], { step, signal });
      begun.push(task);
      await refusedSoon(session, task, { step, signal });
    },
    async close() {
      const left: string[] = [];
      for (const task of begun.splice(0)) await endTask(session, task, false);
      const undo = async (work: () => Promise<unknown>, words: string) => {
        await gone(work()).catch((error) => left.push(`${name}: ${words}: ${toAppError(error).message}`));
      };
      for (const vdi of kept)
        await undo(
          () => session.call('VDI.destroy', [vdi], { step: 'removing what tells changes' }),
          'a snapshot is left',
        );
      for (const vdi of turned.ours)
        await undo(
          () => session.call('VDI.disable_cbt', [vdi], { step: 'turning tracking off' }),
          'changed-block tracking stays on',
        );
      return left;
    },
  };
}

interface Turned {
  /** Disks whose tracking we turned on, and turn off in the end. */
  readonly ours: readonly string[];
  readonly findings: readonly Finding[];
}

async function turnOn(
  { session, confirm, way }: TrackPlace,
  found: Found,
  options: TrackOptions,
): Promise<Turned> {
  if (way === 'vhd') return { ours: [], findings: [] };
  const { name } = found.machine;
  const untracked = way === 'auto' ? untrackedAuto : untrackedOther;
  const off = found.disks.filter(({ record }) => !isTrueIn(record, 'cbt_enabled'));
  if (off.length === 0) return { ours: [], findings: [] };
  const question = `Changed-block tracking of ${name} is off. Turn it on while the machine is carried? It is turned off in the end.`;
  if (!options.turnOn && !(await confirm(question))) {
    return { ours: [], findings: [untracked(name, 'changed-block tracking is off')] };
  }
  const ours: string[] = [];
  const findings: Finding[] = [];
  for (const { vdi } of off) {
    options.report(`${name}: turning changed-block tracking on`);
    try {
      await session.call('VDI.enable_cbt', [vdi], {
        step: 'turning changed-block tracking on',
        signal: options.signal,
      });
      ours.push(vdi);
    } catch (error) {
      if (['unreachable', 'cancelled'].includes(toAppError(error).kind)) throw error;
      findings.push(untracked(name, toAppError(error).message));
    }
  }
  return { ours, findings };
}

const untrackedAuto = (name: string, message: string): Finding => ({
  rule: 'xapi.tracking-off',
  severity: 'note',
  message: `${message}: what changed is asked for as a VHD of differences, and a snapshot is kept between the passes`,
  evidence: name,
});

const untrackedOther = (name: string, message: string): Finding => ({
  rule: 'xapi.tracking-off',
  severity: 'warning',
  message: `${message}: each pass reads all of a disk, and its downtime is that of a whole reading`,
  evidence: name,
  remedy: 'allow it to be turned on: --warm-tracking on the command line; it may need a licence of the pool',
});

interface Between {
  readonly kept: string[];
  readonly without: Set<string>;
}

async function onePass(
  place: TrackPlace,
  given: Machine,
  options: HoldOptions,
  { kept, without }: Between,
): Promise<TrackedPass> {
  const { session, held, look, way } = place;
  const mine: string[] = [];
  const endDisk = (vdi: string) => keepDisk({ session, vdi, way }, options.runId, mine);
  const hold = await holdMachine({ session, held, look, endDisk }, given, options);
  /** It was read to its end. */
  let isWhole = false;
  const release = async () => {
    const left = await hold.release();
    // With those of the pass before nobody asks any more; those of one that failed nobody will ask with.
    const past = isWhole ? kept.splice(0, kept.length, ...mine) : mine;
    for (const vdi of past)
      await gone(session.call('VDI.destroy', [vdi], { step: 'removing what tells changes' })).catch((error) =>
        left.push(toAppError(error).message),
      );
    return left;
  };
  try {
    const now = await look(given.id, options.signal);
    const frozen = held.get(now.ref)?.disks;
    const final = frozen === undefined && now.machine.state === 'off';
    const disks: readonly XenDisk[] = frozen === undefined ? now.disks : [...frozen.values()];
    const byId = new Map(disks.map((disk) => [disk.id, disk]));
    const isTracked = ({ record }: XenDisk) => way !== 'vhd' && isTrueIn(record, 'cbt_enabled');
    const marked = disks.filter((disk) => isTracked(disk) || takesDeltas(way));
    return {
      ...hold,
      async verify(signal: AbortSignal) {
        await (frozen === undefined ? stillOff(place, given, final, signal) : hold.verify?.(signal));
        isWhole = true;
      },
      final,
      marks: final ? {} : Object.fromEntries(marked.map(({ id, vdi }) => [id, vdi])),
      async changed({ id, size }, since, signal): Promise<Changed> {
        const disk = byId.get(id);
        if (disk === undefined || !isTracked(disk)) return { unknown: 'the disk is not tracked' };
        // What was never written is told by no bitmap: all of it is read, and zeros are found by reading.
        if (since === undefined) return { unknown: 'the first pass reads all' };
        const from = since[id];
        return from === undefined
          ? { unknown: 'the disk was not tracked before' }
          : changedRanges(session, { from, to: disk.vdi, size }, signal);
      },
      async delta({ id, size }, since, signal): Promise<Delta | undefined> {
        const [disk, base] = [byId.get(id), since[id]];
        if (disk === undefined || base === undefined || isTracked(disk) || without.has(id)) return undefined;
        if (!takesDeltas(way) || countIn(disk.record, 'virtual_size') !== size) return undefined;
        // Whatever comes of it: what failed once is read as a whole when it is tried again.
        without.add(id);
        const delta = await deltaOf(place, now.machine.name, disk, { base, size }, signal);
        return delta === undefined
          ? undefined
          : { ...delta, source: whenRead(delta.source, () => without.delete(id)) };
      },
      release,
    };
  } catch (error) {
    for (const line of await release()) options.report(line);
    throw error;
  }
}

async function deltaOf(
  { session }: TrackPlace,
  machine: string,
  { id, vdi, record }: XenDisk,
  { base, size }: { readonly base: string; readonly size: number },
  signal: AbortSignal,
): Promise<Delta | undefined> {
  const name = `${machine}, ${id}, what changed`;
  try {
    const client = await clientForStorage(session, [refIn(record, 'SR')], signal);
    return await vhdDelta(session, { name, size, vdi, base, client, step: `reading ${name}` }, signal);
  } catch (error) {
    if (signal.aborted || toAppError(error).kind === 'cancelled') throw error;
    return undefined;
  }
}

/** Tells when it is closed without a read that failed. */
function whenRead(source: ByteSource, done: () => void): ByteSource {
  let failed = false;
  return {
    ...source,
    async read(target, offset, signal) {
      await source.read(target, offset, signal).catch((error) => {
        failed = true;
        throw error;
      });
    },
    async close() {
      if (!failed) done();
      await source.close();
    },
  };
}

/** Its bytes go where its word on what changed is enough; where neither is of use it goes as a whole. */
async function keepDisk(
  { session, vdi, way }: { readonly session: XapiSession; readonly vdi: string; readonly way: WayId },
  runId: string,
  mine: string[],
): Promise<void> {
  const step = 'removing the snapshot';
  const record = await session.record('VDI.get_record', [vdi], { step });
  if (!isTrueIn(record, 'is_a_snapshot')) return;
  const isTracked = way !== 'vhd' && isTrueIn(record, 'cbt_enabled');
  if (!isTracked && !takesDeltas(way)) {
    await session.call('VDI.destroy', [vdi], { step });
    return;
  }
  if (isTracked && textIn(record, 'type') !== 'cbt_metadata')
    await session.call('VDI.data_destroy', [vdi], { step });
  if (!mine.includes(vdi)) mine.push(vdi);
  await session.call('VDI.set_name_label', [vdi, changesName(runId)], { step });
  await session.call('VDI.set_name_description', [vdi, madeHere()], { step });
}

/** @throws AppError `conflict`: what was read is older than what the machine has now. */
async function stillOff(
  place: TrackPlace,
  given: Machine,
  final: boolean,
  signal: AbortSignal,
): Promise<void> {
  const { state, name } = (await place.look(given.id, signal)).machine;
  if (state === 'off' || (!final && state === 'suspended')) return;
  throw new AppError('conflict', `the machine is ${state} again, and its last changes were being read`, {
    where: name,
    hint: 'shut it down and keep it off until it is carried over, then run it again',
  });
}
