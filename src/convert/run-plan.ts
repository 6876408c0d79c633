/** A conversion: extract, manipulate, provide. All or nothing at the destination. */
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import { codecById } from '../codecs/registry.ts';
import type { Delivery, DestinationRole, Hold, Session } from '../env-plugins/plugin.ts';
import type { Undo } from '../guest/change/undo.ts';
import { allocatedBytes } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import { AppError, describeFailure, toFailure } from '../model/errors.ts';
import { type Finding, logText, worst } from '../model/finding.ts';
import type { GuestChange } from '../model/guest-change.ts';
import type { Machine, MachineDisk, PowerState } from '../model/machine.ts';
import { resolveOptions } from '../model/options.ts';
import type { PassReport } from '../model/pass-report.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { openBacking, refuseBacking, withBacking } from './backing.ts';
import { type CheckedRequest, checkPlan, type SourceCondition } from './check-plan.ts';
import { destinationOf, requestOf } from './delivery-request.ts';
import { isFolder, wantsChanges } from './make-plan.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import { packaged } from './package-delivery.ts';
import type { ProgressReport } from './progress.ts';
import { provide } from './provide.ts';
import type { Connector } from './sessions.ts';
import { isUp, lookAgain, openedAs, readNvram } from './source-now.ts';
import { carryWarm, type WarmPlan, type WarmSource } from './warm.ts';
import { sealFor } from './wrapped-output.ts';

export interface ConversionDisk {
  readonly id: string;
  readonly name: string;
  /** Allocated. */
  readonly bytesTotal: number;
}

export type ConversionEvent =
  | { readonly type: 'step'; readonly text: string }
  | { readonly type: 'disks'; readonly disks: readonly ConversionDisk[] }
  | { readonly type: 'disk'; readonly id: string; readonly status: 'running' | 'done' }
  | ({ readonly type: 'progress' } & ProgressReport)
  /** Of a machine that is copied while it runs: one pass has ended. */
  | { readonly type: 'pass'; readonly pass: PassReport }
  /** What forbids it, before the error that says so. */
  | { readonly type: 'blocked'; readonly rules: readonly string[] }
  /** What is changed inside the guest, before it is. */
  | { readonly type: 'changes'; readonly changes: readonly GuestChange[] }
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly text: string };

export interface RunContext {
  readonly connect: Connector;
  readonly runId: string;
  readonly signal: AbortSignal;
  /** Resolves at once unless the run is paused. */
  gate(): Promise<void>;
  /** `progress` comes at most 10 times a second. */
  emit(event: ConversionEvent): void;
  /** Something was done to the source's machine that must be undone: the program does not end before. */
  holding?(held: boolean): void;
  /** Aborted when the user gives the word that a machine copied while it runs is to be shut down. */
  readonly word?: AbortSignal;
  /** A new password for a user of the guest, where the plan names some. @throws AppError `auth`. */
  password?(user: string): Promise<string>;
  /** Keeps what takes the guest's changes back. Never throws. */
  keepUndo?(undo: readonly Undo[]): Promise<void>;
  /** What an earlier run has kept. @throws AppError `not-found`. */
  undoOf?(run: string): Promise<readonly Undo[]>;
  /** How often the state of such a machine is asked for. */
  readonly lookMilliseconds?: number;
}

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
    delivery = packaged(plan, begun, disks);
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

/** Asked for before anything else: nobody may be there later. */
async function passwordsOf({ guest }: Plan, context: RunContext): Promise<ReadonlyMap<string, string>> {
  const passwords = new Map<string, string>();
  for (const user of guest?.add?.passwordsOf ?? []) {
    if (context.password === undefined)
      throw new AppError('auth', `there is no new password for ${user} of the guest`);
    passwords.set(user, await context.password(user));
  }
  return passwords;
}

/** The guest with its changes, in overlays; the disks as they are where nothing is to be changed. */
async function changed(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  destination: DestinationRole,
  request: CheckedRequest,
  source: Session,
  context: RunContext,
  reading: Opened,
): Promise<readonly ExtractedDisk[]> {
  if (!wantsChanges(plan)) return disks;
  const { manipulate } = await import('./manipulate.ts');
  const hardware = (await destination.hardware?.(request)) ?? request.machine;
  const images = disks.map(({ image }) => image);
  const made = reading.keep(
    await manipulate(plan, images, hardware, {
      ...context,
      report: (text) => context.emit({ type: 'step', text }),
      ...(source.secret === undefined ? {} : { passphrase: () => source.secret!('guest-passphrase') }),
    }),
  );
  tell(made.findings, context);
  for (const { title, id } of made.changes)
    context.emit({ type: 'log', level: 'info', text: `changed in the guest: ${title} (${id})` });
  for (const { title, id } of made.leftOut)
    context.emit({ type: 'log', level: 'warning', text: `left as it is in the guest: ${title} (${id})` });
  context.emit({ type: 'changes', changes: made.changes });
  refuse(made.findings, context);
  await context.keepUndo?.(made.undo);
  const left = await made.apply();
  tell(left.findings, context);
  if (left.bytes > 0) {
    const text = `${formatBytes(left.bytes)} that the filesystems do not use are left out`;
    context.emit({ type: 'log', level: 'info', text });
  }
  const out: ExtractedDisk[] = [];
  for (const [i, disk] of disks.entries()) {
    const image = made.images[i]!;
    out.push({ ...disk, image, bytesTotal: await allocatedBytes(image, context.signal) });
  }
  tellDisks(out, context);
  return out;
}

/** What is to be closed again, the latest first; closing twice does nothing. */
class Opened {
  readonly #things: { close(): Promise<void> }[] = [];

  keep<T extends { close(): Promise<void> }>(thing: T): T {
    this.#things.push(thing);
    return thing;
  }

  async close(): Promise<void> {
    for (let thing = this.#things.pop(); thing !== undefined; thing = this.#things.pop()) await thing.close();
  }
}

export interface HeldSource {
  /** As its disks are to be opened. */
  readonly machine: Machine;
  readonly condition: SourceCondition;
  readonly findings: readonly Finding[];
  /** See `Hold`. */
  readonly verify?: Hold['verify'];
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
  const packed = destination.format === 'vmdk' && options.subformat === 'streamOptimized';
  if (destination.container !== 'disks' && !packed) {
    throw new AppError('usage', `an ${destination.container.toUpperCase()} holds streamOptimized VMDK only`, {
      hint: 'make the plan anew with "vmferry plan"',
    });
  }
  refuseBacking(plan);
  return { ...plan, destination: { ...destination, options } };
}

export interface ExtractedDisk {
  readonly disk: MachineDisk;
  readonly image: OpenImage;
  readonly bytesTotal: number;
  /** A file of this computer with the bytes of that image, which nobody else needs. */
  readonly copy?: { readonly path: string; readonly of: OpenImage };
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

const tellDisks = (disks: readonly ExtractedDisk[], { emit }: RunContext) =>
  emit({
    type: 'disks',
    disks: disks.map(({ disk, bytesTotal }) => ({ id: disk.id, name: disk.name, bytesTotal })),
  });

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

function tell(findings: readonly Finding[], { emit }: RunContext): void {
  for (const f of findings) {
    const level = f.severity === 'warning' ? 'warning' : 'info';
    if (f.severity !== 'blocker') emit({ type: 'log', level, text: logText(f) });
  }
}

/** @throws AppError `blocked`. */
function refuse(findings: readonly Finding[], context: RunContext): void {
  if (worst(findings) !== 'blocker') return;
  const blockers = findings.filter((f) => f.severity === 'blocker');
  context.emit({ type: 'blocked', rules: blockers.map((f) => f.rule) });
  const remedies = [...new Set(blockers.flatMap((f) => f.remedy ?? []))];
  throw new AppError('blocked', blockers.map((f) => f.message).join('; '), {
    ...(remedies.length === 0 ? {} : { hint: remedies.join('; ') }),
  });
}

async function verify(plan: Plan, source: Session, signal: AbortSignal): Promise<void> {
  await source.source?.verify?.({ ...plan.machine, id: plan.source.machine }, signal);
}
