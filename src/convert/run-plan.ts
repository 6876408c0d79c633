/** A conversion: extract, manipulate, provide. All or nothing at the destination. */
import { tmpdir } from 'node:os';
import { codecById } from '../codecs/registry.ts';
import type { Delivery, DestinationRole, Session } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, describeFailure, toFailure } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Machine, PowerState } from '../model/machine.ts';
import { resolveOptions } from '../model/options.ts';
import type { Plan } from '../model/plan.ts';
import { openBacking, refuseBacking, withBacking } from './backing.ts';
import { type CheckedRequest, checkPlan, type SourceCondition } from './check-plan.ts';
import { destinationOf, requestOf } from './delivery-request.ts';
import { isFolder, wantsChanges } from './make-plan.ts';
import { changed, passwordsOf } from './manipulated.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import { packaged } from './package-delivery.ts';
import { provide } from './provide.ts';
import {
  type ExtractedDisk,
  type HeldSource,
  Opened,
  type RunContext,
  refuse,
  tell,
  tellDisks,
} from './run-context.ts';
import { isUp, lookAgain, openedAs, readNvram } from './source-now.ts';
import { carryWarm, type WarmPlan, type WarmSource } from './warm.ts';
import { sealFor } from './wrapped-output.ts';

export interface Outcome {
  /** Where the machine is now. */
  readonly places: readonly string[];
  /** Allocated bytes that were read. */
  readonly bytes: number;
  readonly bytesWritten: number;
  /** Its state after it was started. */
  readonly started?: PowerState;
  /** What was wanted besides and did not come about; the machine is there all the same. */
  readonly warning?: string;
}

/**
 * Runs a plan. On any error, also a cancel, nothing is left at the destination.
 * @throws AppError `blocked` when a finding forbids it, `cancelled`, and whatever a step meets.
 */
export async function runPlan(given: Plan, context: RunContext): Promise<Outcome> {
  const plan = withCheckedOptions(given);
  // One failure ends everything that runs beside it.
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const sessions = new Opened();
  const reading = new Opened();
  let delivery: Delivery | undefined;
  try {
    const passwords = await passwordsOf(plan, context);
    context.emit({ type: 'step', text: 'opening the source' });
    const source = sessions.keep(await context.connect(plan.source, signal));
    const destination = sessions.keep(
      await context.connect({ ...plan.destination, role: 'destination' }, signal),
    );
    const inner = { ...context, signal };
    const backing = await openBacking(plan, context.connect, signal);
    if (backing !== undefined) reading.keep(backing);
    const once = { ...inner, emit: withoutRepeats(inner.emit) };
    const prepare = async (held: HeldSource, disks: readonly ExtractedDisk[]) => {
      const { nvram, findings } = await readNvram(sourceOf(source), plan, signal);
      const images = disks.map(({ disk, image }) => ({ id: disk.id, image }));
      const asked = await requestOf(plan, images, destinationOf(destination), context.runId, signal);
      const request = { ...withBacking(asked, backing), ...(nvram === undefined ? {} : { nvram }) };
      const known = [...held.findings, ...findings];
      await refuseBlocked(plan, disks, destinationOf(destination), request, held.condition, known, once);
      return request;
    };
    const { held, disks: extracted, bytes } = await opened(plan, source, inner, reading, prepare);
    const request = await prepare(held, extracted);
    const changing = { ...inner, password: async (user: string) => passwords.get(user)! };
    const disks = await changed(
      plan,
      extracted,
      destinationOf(destination),
      request,
      source,
      changing,
      reading,
    );
    const seal = await sealFor(plan, destination);

    const begun = await destinationOf(destination).begin(request);
    delivery = packaged(plan, begun, disks, request.nvram);
    const verifying = verify(plan, source, signal).catch((error) => {
      ended.abort(error);
      throw error;
    });
    verifying.catch(() => undefined); // awaited below; the abort is what ends the rest
    const written = await provide(plan, disks, delivery, inner, seal, backing).catch(async (error) => {
      // When the check of the source ended us, its error is the one to tell.
      if (!context.signal.aborted && ended.signal.aborted) await verifying;
      throw error;
    });
    context.emit({ type: 'step', text: 'finishing' });
    await verifying;
    await held.verify?.(signal);
    throwIfAborted(signal);
    const places = await delivery.commit();
    delivery = undefined; // it is there, and stays
    // All is read: the source's machine is let go before anything else is waited for.
    await reading.close();
    return {
      places,
      ...written,
      ...(bytes === undefined ? {} : { bytes }),
      ...(plan.start ? await start(begun, inner) : {}),
    };
  } catch (error) {
    ended.abort(error);
    if (delivery !== undefined) {
      context.emit({ type: 'step', text: 'removing what was written' });
      await delivery.rollback();
    }
    throw context.signal.aborted ? new AppError('cancelled', 'cancelled', { cause: error }) : error;
  } finally {
    await reading.close();
    await sessions.close();
  }
}

/** A plan may be checked twice: what was found is told once. */
function withoutRepeats(emit: RunContext['emit']): RunContext['emit'] {
  const told = new Set<string>();
  return (event) => {
    if (event.type === 'log' && told.has(event.text)) return;
    if (event.type === 'log') told.add(event.text);
    emit(event);
  };
}

/** As it is, held, or copied while it runs; `bytes` is what that has read of the source already. */
async function opened(
  plan: Plan,
  source: Session,
  context: RunContext,
  reading: Opened,
  prepare: (held: HeldSource, disks: readonly ExtractedDisk[]) => Promise<unknown>,
): Promise<Omit<WarmSource, 'bytes'> & { readonly bytes?: number }> {
  if (plan.warm !== undefined) {
    const { condition } = await lookAgain(sourceOf(source), plan, context.signal);
    if (condition.state === 'running')
      return carryWarm({ ...plan, warm: plan.warm } satisfies WarmPlan, source, context, reading, prepare);
    context.emit({ type: 'log', level: 'info', text: `the machine is ${condition.state}: it is read once` });
  }
  const held = await holdIfUp(plan, source, context, reading);
  return { held, disks: await extract(plan, held.machine, source, context, reading) };
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

/** What was delivered stays, whatever comes of this. */
async function start(delivery: Delivery, context: RunContext): Promise<Pick<Outcome, 'started' | 'warning'>> {
  context.emit({ type: 'step', text: 'starting the machine' });
  try {
    if (delivery.start === undefined) {
      throw new AppError('unsupported', 'nothing can be started at this destination');
    }
    const started = await delivery.start(context.signal);
    context.emit({ type: 'log', level: 'info', text: `started: ${started}` });
    return { started };
  } catch (error) {
    const warning = `it is there, but it could not be started: ${describeFailure(toFailure(error))}`;
    context.emit({ type: 'log', level: 'warning', text: warning });
    return { warning };
  }
}

/** A plan may come from a file: its options are looked at again. @throws AppError `usage`. */
function withCheckedOptions(plan: Plan): Plan {
  const { destination } = plan;
  const encoder = codecById(destination.format).encoder;
  if (encoder === undefined) throw new AppError('usage', `${destination.format} can be read but not written`);
  const options = resolveOptions(encoder.options, destination.options);
  const { container, format } = destination;
  const packed =
    container === 'xva' ? format === 'raw' : format === 'vmdk' && options.subformat === 'streamOptimized';
  if (container !== 'disks' && !packed) {
    const held = container === 'xva' ? 'raw disks' : 'streamOptimized VMDK';
    throw new AppError('usage', `an ${container.toUpperCase()} holds ${held} only`, {
      hint: 'make the plan anew with "vmferry plan"',
    });
  }
  refuseBacking(plan);
  return { ...plan, destination: { ...destination, options } };
}

async function extract(
  plan: Plan,
  machine: Machine,
  source: Session,
  context: RunContext,
  reading: Opened,
): Promise<ExtractedDisk[]> {
  const out: ExtractedDisk[] = [];
  for (const disk of plan.machine.disks) {
    context.emit({ type: 'step', text: `opening ${disk.name}` });
    const image = reading.keep(
      await openMachineDisk(source, plan.source, machine, disk.id, {
        signal: context.signal,
        runId: context.runId,
        spoolFolder: isFolder(plan) ? plan.destination.settings.folder : tmpdir(),
        once: !wantsChanges(plan),
        report: (text) => context.emit({ type: 'step', text }),
      }),
    );
    out.push({ disk, image, bytesTotal: await allocatedBytes(image, context.signal) });
  }
  tellDisks(out, context);
  return out;
}

async function refuseBlocked(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  destination: DestinationRole,
  request: CheckedRequest,
  condition: SourceCondition,
  known: readonly Finding[],
  context: RunContext,
): Promise<void> {
  context.emit({ type: 'step', text: 'checking the plan' });
  const images = disks.map(({ disk, image }) => ({ id: disk.id, image }));
  const findings = [...known, ...(await checkPlan(plan, images, destination, request, condition))];
  tell(findings, context);
  refuse(findings, context);
}

async function verify(plan: Plan, source: Session, signal: AbortSignal): Promise<void> {
  await source.source?.verify?.({ ...plan.machine, id: plan.source.machine }, signal);
}
