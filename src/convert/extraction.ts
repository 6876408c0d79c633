/** The source's side of a run: its machine held where it is up, its disks opened, once for all destinations. */
import { tmpdir } from 'node:os';
import type { Session } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import type { Machine } from '../model/machine.ts';
import type { Plan } from '../model/plan.ts';
import { isFolder, wantsChanges } from './make-plan.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import {
  type ExtractedDisk,
  type HeldSource,
  type Opened,
  type RunContext,
  tellDisks,
} from './run-context.ts';
import { isUp, lookAgain, openedAs } from './source-now.ts';
import { carryWarm, type WarmPlan } from './warm.ts';

export interface Extraction {
  readonly held: HeldSource;
  readonly disks: readonly ExtractedDisk[];
  /** What has been read of the source already: it was copied while it ran. */
  readonly bytes?: number;
}

export interface ExtractOptions {
  /** What is to be closed after all; closing it lets the machine go. */
  readonly reading: Opened;
  /** Somebody reads more than once: a source that comes as a stream is put into a file. */
  readonly twice: boolean;
  /** Asked in the first pass of a machine that is copied while it runs, before anything is copied. */
  check(held: HeldSource, disks: readonly ExtractedDisk[]): Promise<unknown>;
}

/** As it is, held, or copied while it runs. `plan` has all disks that anybody wants. */
export async function extraction(
  plan: Plan,
  source: Session,
  context: RunContext,
  { reading, twice, check }: ExtractOptions,
): Promise<Extraction> {
  if (plan.warm !== undefined) {
    const { condition } = await lookAgain(sourceOf(source), plan, context.signal);
    if (condition.state === 'running')
      return carryWarm({ ...plan, warm: plan.warm } satisfies WarmPlan, source, context, reading, check);
    context.emit({ type: 'log', level: 'info', text: `the machine is ${condition.state}: it is read once` });
  }
  const held = await holdIfUp(plan, source, context, reading);
  return { held, disks: await openDisks(plan, held.machine, source, context, reading, twice) };
}

/** A machine that is up is held, where its environment can; the hold is released by closing `reading`. */
async function holdIfUp(
  plan: Plan,
  source: Session,
  context: RunContext,
  reading: Opened,
): Promise<HeldSource> {
  const role = sourceOf(source);
  const { machine, condition } = await lookAgain(role, plan, context.signal);
  if (!isUp(condition) || role.hold === undefined) {
    return { machine: { ...plan.machine, state: condition.state }, condition, findings: [] };
  }
  context.emit({ type: 'step', text: `holding ${machine.name}, which is ${machine.state}` });
  context.holding?.(true);
  const report = (text: string) => context.emit({ type: 'step', text });
  const { runId, signal } = context;
  const hold = await role.hold(machine, { runId, signal, report }).catch((error) => {
    context.holding?.(false);
    throw error;
  });
  reading.keep({
    async close() {
      context.emit({ type: 'step', text: `letting ${machine.name} go` });
      for (const text of await hold.release()) context.emit({ type: 'log', level: 'warning', text });
      context.holding?.(false);
    },
  });
  throwIfAborted(signal);
  const held = { ...condition, hold: 'held' } as const;
  const { verify } = hold;
  return {
    machine: openedAs(plan, hold.machine),
    condition: held,
    findings: hold.findings,
    ...(verify === undefined ? {} : { verify: (signal) => verify.call(hold, signal) }),
  };
}

async function openDisks(
  plan: Plan,
  machine: Machine,
  source: Session,
  context: RunContext,
  reading: Opened,
  twice: boolean,
): Promise<ExtractedDisk[]> {
  const out: ExtractedDisk[] = [];
  for (const disk of plan.machine.disks) {
    context.emit({ type: 'step', text: `opening ${disk.name}` });
    const image = reading.keep(
      await openMachineDisk(source, plan.source, machine, disk.id, {
        signal: context.signal,
        runId: context.runId,
        spoolFolder: isFolder(plan) ? plan.destination.settings.folder : tmpdir(),
        once: !twice && !wantsChanges(plan),
        report: (text) => context.emit({ type: 'step', text }),
      }),
    );
    out.push({ disk, image, bytesTotal: await allocatedBytes(image, context.signal) });
  }
  tellDisks(out, context);
  return out;
}
