/**
 * Changed-block tracking (API 4.0 and later): a machine copied in passes. Each pass reads below a snapshot of its own,
 * whose disks have change ids; the next one asks QueryChangedDiskAreas what is different since. The last one reads the
 * machine that is off, without a snapshot.
 *
 * An id is `epoch/count`. Another epoch, or a count that went back, says that tracking began anew (it was turned off, a
 * disk was grown, the machine went back to a snapshot): what changed is not known then.
 */
import { child, childrenOf, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import type { Changed, HoldOptions, TrackedPass, Tracking, TrackOptions } from '../plugin.ts';
import { changedAreas } from './changed-areas.ts';
import { type HoldPlace, holdMachine } from './hold.ts';
import { diskId, powerState, snapshotTrees, statePaths } from './machine.ts';
import { ofObject } from './properties.ts';
import type { VimSession } from './session.ts';
import { element, isTrue, numberIn, type Ref, text, typeOf } from './soap.ts';
import { taskResult } from './tasks.ts';

export interface TrackPlace extends HoldPlace {
  /** A question with yes and no for whoever is there. */
  confirm(question: string): Promise<boolean>;
}

/** @throws AppError `unsupported`, `auth`, `not-found`, and as `holdMachine`. */
export async function trackMachine(
  place: TrackPlace,
  given: Machine,
  options: TrackOptions,
): Promise<Tracking> {
  const { session } = place;
  const { signal } = options;
  const { id, name } = await place.look(given.id, signal);
  const vm: Ref = { type: 'VirtualMachine', id };
  const { on, ...turned } = await readyTracking(place, vm, name, options);
  return {
    findings: turned.findings,
    pass: (holding) => onePass(place, vm, given, holding, on),
    async state(asking) {
      const { values } = await ofObject(session, vm, statePaths, 'asking for its state', asking);
      return powerState(values);
    },
    async shutDown(ending) {
      await session.call('ShutdownGuest', vm, [], { step: `shutting ${name} down`, signal: ending });
    },
    async close() {
      if (!turned.ours) return [];
      try {
        await setTracking(session, vm, false);
        return [];
      } catch (error) {
        return [`${name}: changed-block tracking stays on: ${toAppError(error).message}`];
      }
    },
  };
}

interface Ready {
  readonly on: boolean;
  /** We turned it on, and turn it off in the end. */
  readonly ours: boolean;
  readonly findings: readonly Finding[];
}

async function readyTracking(
  place: TrackPlace,
  vm: Ref,
  name: string,
  options: TrackOptions,
): Promise<Ready> {
  const { session } = place;
  const { signal, report, turnOn } = options;
  if (!session.atLeast('4.0')) {
    return untracked(name, 'this server is too old to track changes', 'shut the machine down instead');
  }
  const paths = ['config.changeTrackingEnabled', 'capability.changeTrackingSupported', 'snapshot'];
  const { values } = await ofObject(session, vm, paths, 'asking for change tracking', signal);
  if (isTrue(values.get('config.changeTrackingEnabled'))) return { on: true, ours: false, findings: [] };
  const supported = values.get('capability.changeTrackingSupported');
  if (supported !== undefined && !isTrue(supported)) {
    return untracked(
      name,
      'its virtual hardware can not track changes',
      'upgrade the hardware to version 7 or later',
    );
  }
  // What was written before the snapshot would not be told as allocated.
  if (snapshotTrees(values.get('snapshot')).length > 0) {
    const remedy = 'delete its snapshots, or turn tracking on there';
    return untracked(name, 'changed-block tracking is off, and is not turned on beside snapshots', remedy);
  }
  const question = `Changed-block tracking of ${name} is off. Turn it on while the machine is carried? It takes a snapshot, and is turned off in the end.`;
  if (!turnOn && !(await place.confirm(question))) {
    const remedy = 'allow it to be turned on: --warm-tracking on the command line';
    return untracked(name, 'changed-block tracking is off', remedy);
  }
  report(`${name}: turning changed-block tracking on`);
  await setTracking(session, vm, true);
  try {
    // It takes effect when the machine is stunned: a snapshot made and removed.
    const hold = await holdMachine(place, { ...nobody, id: vm.id, name }, options);
    for (const line of await hold.release()) report(line);
    const turned = { rule: 'vsphere.tracking-on', severity: 'note', evidence: name } as const;
    const message = 'changed-block tracking was turned on, and is turned off in the end';
    return { on: true, ours: true, findings: [{ ...turned, message }] };
  } catch (error) {
    await setTracking(session, vm, false).catch((left) =>
      report(`${name}: changed-block tracking stays on: ${toAppError(left).message}`),
    );
    throw error;
  }
}

const nobody: Machine = { id: '', name: '', state: 'running', disks: [], nics: [], findings: [] };

const untracked = (name: string, message: string, remedy: string): Ready => ({
  on: false,
  ours: false,
  findings: [
    {
      rule: 'vsphere.tracking-off',
      severity: 'warning',
      message: `${message}: each pass reads all of its disks, and its downtime is that of a whole reading`,
      evidence: name,
      remedy,
    },
  ],
});

async function setTracking(session: VimSession, vm: Ref, on: boolean): Promise<void> {
  const step = `turning changed-block tracking ${on ? 'on' : 'off'}`;
  const spec = element('spec', text('changeTrackingEnabled', on));
  await taskResult(session, await session.call('ReconfigVM_Task', vm, [spec], { step }), { step });
}

async function onePass(
  place: TrackPlace,
  vm: Ref,
  given: Machine,
  options: HoldOptions,
  on: boolean,
): Promise<TrackedPass> {
  const { session, held } = place;
  const hold = await holdMachine(place, given, options);
  try {
    const snapshot = held.get(vm.id)?.snapshot;
    const ids = on ? await changeIds(session, snapshot ?? vm, options.signal) : new Map<string, string>();
    const final = snapshot === undefined && hold.machine.state === 'off';
    return {
      ...hold,
      ...(snapshot === undefined ? { verify: (signal) => stillOff(place, given, final, signal) } : {}),
      final,
      // A machine at rest may tell none, and is not asked for what comes after.
      marks: Object.fromEntries(ids),
      async changed({ id, size }, since, signal): Promise<Changed> {
        if (!on) return { unknown: 'changed-block tracking is off' };
        const now = ids.get(id);
        if (now === undefined && !final) return { unknown: 'the disk is not tracked' };
        const from = since === undefined ? '*' : since[id];
        if (from === undefined) return { unknown: 'the disk was not tracked before' };
        if (from !== '*' && now !== undefined && !follows(from, now))
          return { unknown: 'tracking began anew' };
        return changedAreas(
          { session, vm, snapshot, key: Number(id.replace('disk-', '')), size },
          from,
          signal,
        );
      },
    };
  } catch (error) {
    for (const line of await hold.release()) options.report(line);
    throw error;
  }
}

/** By disk id; those that are not tracked have none. */
async function changeIds(session: VimSession, at: Ref, signal: AbortSignal): Promise<Map<string, string>> {
  const path = at.type === 'VirtualMachine' ? 'config.hardware' : 'config';
  const { values } = await ofObject(session, at, [path], 'asking for the change ids', signal);
  const config = values.get(path);
  const hardware = path === 'config' && config !== undefined ? child(config, 'hardware') : config;
  return new Map((hardware === undefined ? [] : childrenOf(hardware, 'device')).flatMap(changeIdOf));
}

function changeIdOf(device: XmlElement): [string, string][] {
  const backing = child(device, 'backing');
  const key = numberIn(device, 'key');
  const id = backing === undefined ? undefined : textOf(backing, 'changeId')?.trim();
  if (typeOf(device) !== 'VirtualDisk' || key === undefined || !id || id === '*' || id.length > 1000)
    return [];
  return [[diskId({ key }), id]];
}

function follows(before: string, now: string): boolean {
  const [epoch, count] = parted(before);
  const [nowEpoch, nowCount] = parted(now);
  return epoch === nowEpoch && !(nowCount < count);
}

/** A count that is none is never taken for one that went back: the server knows better then. */
function parted(id: string): [epoch: string, count: number] {
  const at = id.lastIndexOf('/');
  return at < 0 ? [id, Number.NaN] : [id.slice(0, at), Number(id.slice(at + 1))];
}

/** @throws AppError `conflict`: what was read is older than what the machine has now. */
async function stillOff(place: TrackPlace, given: Machine, final: boolean, signal: AbortSignal) {
  const { state, name } = await place.look(given.id, signal);
  if (state === 'off' || (!final && state === 'suspended')) return;
  throw new AppError('conflict', `the machine is ${state} again, and its last changes were being read`, {
    where: name,
    hint: 'shut it down and keep it off until it is carried over, then run it again',
  });
}
