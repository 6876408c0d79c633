/**
 * Changed-block tracking (XenServer 7.3 and later, where the licence has it): a machine copied in passes. Each reads below
 * a snapshot of its own; of the snapshot's disks the data is destroyed then, and what they tell of changes is kept until
 * the next pass has asked with it. The last one reads the machine that is off.
 */
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { isTrueIn, textIn } from '../../packages/xva/records.ts';
import { powerState, type XenDisk } from '../../packages/xva/xen-machine.ts';
import type { Changed, HoldOptions, TrackedPass, Tracking, TrackOptions } from '../plugin.ts';
import { changedRanges } from './changed-ranges.ts';
import { gone, type HoldPlace, holdMachine } from './hold.ts';
import type { XapiSession } from './session.ts';
import type { Found } from './source.ts';

export interface TrackPlace extends HoldPlace {
  /** A question with yes and no for whoever is there. */
  confirm(question: string): Promise<boolean>;
}

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
  /** References of what is left of snapshots, the passes' in their order. */
  const kept: string[][] = [];
  const turned = await turnOn(place, found, options);
  return {
    findings: turned.findings,
    pass: (holding) => onePass(place, given, holding, kept),
    async state(signal) {
      return powerState(
        await session.record('VM.get_record', [ref], { step: 'asking for its state', signal }),
      );
    },
    async shutDown(signal) {
      // It waits for the end, which is waited for elsewhere.
      await session.text('Async.VM.clean_shutdown', [ref], { step: `shutting ${name} down`, signal });
    },
    async close() {
      const left: string[] = [];
      const undo = async (work: () => Promise<unknown>, words: string) => {
        await gone(work()).catch((error) => left.push(`${name}: ${words}: ${toAppError(error).message}`));
      };
      for (const vdi of kept.flat())
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
  { session, confirm }: TrackPlace,
  found: Found,
  options: TrackOptions,
): Promise<Turned> {
  const { name } = found.machine;
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

const untracked = (name: string, message: string): Finding => ({
  rule: 'xapi.tracking-off',
  severity: 'warning',
  message: `${message}: each pass reads all of a disk, and its downtime is that of a whole reading`,
  evidence: name,
  remedy: 'allow it to be turned on: --warm-tracking on the command line; it may need a licence of the pool',
});

async function onePass(
  place: TrackPlace,
  given: Machine,
  options: HoldOptions,
  kept: string[][],
): Promise<TrackedPass> {
  const { session, held, look } = place;
  const mine: string[] = [];
  const endDisk = (vdi: string) => keepChanges(session, vdi, options.runId, mine);
  const hold = await holdMachine({ session, held, look, endDisk }, given, options);
  try {
    const now = await look(given.id, options.signal);
    const frozen = held.get(now.ref);
    const final = frozen === undefined && now.machine.state === 'off';
    const disks: readonly XenDisk[] = frozen === undefined ? now.disks : [...frozen.disks.values()];
    const byId = new Map(disks.map((disk) => [disk.id, disk]));
    const tracked = disks.filter(({ record }) => isTrueIn(record, 'cbt_enabled'));
    return {
      ...hold,
      ...(frozen === undefined
        ? { verify: (signal: AbortSignal) => stillOff(place, given, final, signal) }
        : {}),
      final,
      marks: final ? {} : Object.fromEntries(tracked.map(({ id, vdi }) => [id, vdi])),
      async changed({ id, size }, since, signal): Promise<Changed> {
        const disk = byId.get(id);
        if (disk === undefined || !tracked.includes(disk)) return { unknown: 'the disk is not tracked' };
        // What was never written is told by no bitmap: all of it is read, and zeros are found by reading.
        if (since === undefined) return { unknown: 'the first pass reads all' };
        const from = since[id];
        return from === undefined
          ? { unknown: 'the disk was not tracked before' }
          : changedRanges(session, { from, to: disk.vdi, size }, signal);
      },
      async release() {
        const left = await hold.release();
        // With those of the pass before nobody asks any more.
        for (const vdi of kept.splice(0).flat())
          await gone(session.call('VDI.destroy', [vdi], { step: 'removing what tells changes' })).catch(
            (error) => left.push(toAppError(error).message),
          );
        kept.push(mine);
        return left;
      },
    };
  } catch (error) {
    for (const line of await hold.release()) options.report(line);
    kept.push(mine);
    throw error;
  }
}

/** Its bytes go, its word on what changed stays; where that can't be it goes as a whole. */
async function keepChanges(session: XapiSession, vdi: string, runId: string, mine: string[]): Promise<void> {
  const step = 'removing the snapshot';
  const record = await session.record('VDI.get_record', [vdi], { step });
  if (!isTrueIn(record, 'is_a_snapshot')) return;
  if (!isTrueIn(record, 'cbt_enabled')) {
    await session.call('VDI.destroy', [vdi], { step });
    return;
  }
  if (textIn(record, 'type') !== 'cbt_metadata') await session.call('VDI.data_destroy', [vdi], { step });
  if (!mine.includes(vdi)) mine.push(vdi);
  await session.call('VDI.set_name_label', [vdi, `vmferry-${runId} changes`], { step });
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
