/** A conversion: extract, manipulate, provide. All or nothing at the destination. */
import type { OpenImage } from '../codecs/codec.ts';
import { codecById } from '../codecs/registry.ts';
import type { Delivery, DeliveryRequest, Session } from '../env-plugins/plugin.ts';
import { allocatedBytes, counted } from '../io/disk.ts';
import { throwIfAborted } from '../io/in-order.ts';
import type { Seal } from '../io/wrappers/age.ts';
import { AppError } from '../model/errors.ts';
import { findingText, worst } from '../model/finding.ts';
import type { MachineDisk } from '../model/machine.ts';
import { resolveOptions } from '../model/options.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { checkPlan } from './check-plan.ts';
import { diskFileNames } from './make-plan.ts';
import { filesOf } from './open-image.ts';
import { openMachineDisk } from './open-machine.ts';
import { packaged } from './package-delivery.ts';
import { ProgressMeter, type ProgressReport } from './progress.ts';
import type { Connector } from './sessions.ts';
import { outputName, pourWrapped, sealFor } from './wrapped-output.ts';

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
  /** What forbids it, before the error that says so. */
  | { readonly type: 'blocked'; readonly rules: readonly string[] }
  | { readonly type: 'log'; readonly level: 'info' | 'warning'; readonly text: string };

export interface RunContext {
  readonly connect: Connector;
  readonly runId: string;
  readonly signal: AbortSignal;
  /** Resolves at once unless the run is paused. */
  gate(): Promise<void>;
  /** `progress` comes at most 10 times a second. */
  emit(event: ConversionEvent): void;
}

export interface Outcome {
  /** Where the machine is now. */
  readonly places: readonly string[];
  /** Allocated bytes that were read. */
  readonly bytes: number;
  readonly bytesWritten: number;
}

const progressMilliseconds = 100;

/**
 * Runs a plan. On any error, also a cancel, nothing is left at the destination.
 * @throws AppError `blocked` when a finding forbids it, `cancelled`, and whatever a step meets.
 */
export async function runPlan(given: Plan, context: RunContext): Promise<Outcome> {
  const plan = withCheckedOptions(given);
  // One failure ends everything that runs beside it.
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const opened: { close(): Promise<void> }[] = [];
  const keep = <T extends { close(): Promise<void> }>(thing: T): T => {
    opened.push(thing);
    return thing;
  };
  let delivery: Delivery | undefined;
  try {
    context.emit({ type: 'step', text: 'opening the source' });
    const source = keep(await context.connect(plan.source, signal));
    const destination = keep(await context.connect(plan.destination, signal));
    const disks = await extract(plan, source, { ...context, signal }, keep);
    const request = requestOf(plan, disks, context.runId, signal);
    await refuseBlocked(plan, disks, destination, request, context);
    const seal = await sealFor(plan, destination);

    const inner = await destinationOf(destination).begin(request);
    delivery = inner;
    delivery = packaged(plan, inner, disks);
    const verifying = verify(plan, source, signal).catch((error) => {
      ended.abort(error);
      throw error;
    });
    verifying.catch(() => undefined); // awaited below; the abort is what ends the rest
    const written = await provide(plan, disks, delivery, { ...context, signal }, seal).catch(
      async (error) => {
        // When the check of the source ended us, its error is the one to tell.
        if (!context.signal.aborted && ended.signal.aborted) await verifying;
        throw error;
      },
    );
    context.emit({ type: 'step', text: 'finishing' });
    await verifying;
    throwIfAborted(signal);
    const places = await delivery.commit();
    return { places, ...written };
  } catch (error) {
    ended.abort(error);
    if (delivery !== undefined) {
      context.emit({ type: 'step', text: 'removing what was written' });
      await delivery.rollback();
    }
    throw context.signal.aborted ? new AppError('cancelled', 'cancelled', { cause: error }) : error;
  } finally {
    for (const thing of opened.reverse()) await thing.close();
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
  return { ...plan, destination: { ...destination, options } };
}

export interface ExtractedDisk {
  readonly disk: MachineDisk;
  readonly image: OpenImage;
  readonly bytesTotal: number;
}

/** What a destination is asked for. */
export function requestOf(
  plan: Plan,
  disks: readonly { readonly image: OpenImage }[],
  runId: string,
  signal: AbortSignal,
): DeliveryRequest {
  const { machine, source, destination, force, sync } = plan;
  const named = [source.machine, ...machine.disks.flatMap((disk) => disk.files)];
  const here = source.environment === 'local';
  const reading = here ? [...named, ...disks.flatMap(({ image }) => filesOf(image.info))] : [];
  return { name: machine.name, machine, settings: destination.settings, force, sync, reading, runId, signal };
}

export function destinationOf(session: Session) {
  if (session.destination === undefined) throw new AppError('usage', 'this environment is no destination');
  return session.destination;
}

async function extract(
  plan: Plan,
  source: Session,
  context: RunContext,
  keep: (image: OpenImage) => OpenImage,
): Promise<ExtractedDisk[]> {
  const out: ExtractedDisk[] = [];
  for (const disk of plan.machine.disks) {
    context.emit({ type: 'step', text: `opening ${disk.name}` });
    const image = keep(
      await openMachineDisk(source, plan.source, plan.machine, disk.id, {
        signal: context.signal,
        runId: context.runId,
        spoolFolder: plan.destination.settings.folder,
        report: (text) => context.emit({ type: 'step', text }),
      }),
    );
    out.push({ disk, image, bytesTotal: await allocatedBytes(image, context.signal) });
  }
  context.emit({
    type: 'disks',
    disks: out.map(({ disk, bytesTotal }) => ({ id: disk.id, name: disk.name, bytesTotal })),
  });
  return out;
}

async function refuseBlocked(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  destination: Session,
  request: DeliveryRequest,
  context: RunContext,
): Promise<void> {
  context.emit({ type: 'step', text: 'checking the plan' });
  const images = disks.map(({ disk, image }) => ({ id: disk.id, image }));
  const findings = await checkPlan(plan, images, destinationOf(destination), request);
  for (const f of findings) {
    const level = f.severity === 'warning' ? 'warning' : 'info';
    if (f.severity !== 'blocker') context.emit({ type: 'log', level, text: findingText(f) });
  }
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

async function provide(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  delivery: Delivery,
  context: RunContext,
  seal: Seal | undefined,
): Promise<{ bytes: number; bytesWritten: number }> {
  const meter = new ProgressMeter(new Map(disks.map(({ disk, bytesTotal }) => [disk.id, bytesTotal])));
  const report = () => context.emit({ type: 'progress', ...meter.report() });
  const ticker = setInterval(report, progressMilliseconds);
  const gate = async () => {
    const before = performance.now();
    await context.gate();
    if (performance.now() - before > 1000) meter.restart();
  };
  const encoder = codecById(plan.destination.format).encoder!;
  const names = diskFileNames(plan);
  let bytesWritten = 0;
  try {
    for (const [i, { disk, image }] of disks.entries()) {
      context.emit({ type: 'disk', id: disk.id, status: 'running' });
      const source = counted(image, (bytes) => meter.add(disk.id, bytes), gate);
      const name = outputName(names[i]!);
      const files = await encoder.encode(source, name.inner, plan.destination.options);
      for (const file of files) {
        context.emit({ type: 'step', text: `writing ${name.wrapped(file.name)}` });
        const size = file.size === undefined || name.wrapper !== undefined ? {} : { size: file.size };
        const sink = await delivery.sink({ name: name.wrapped(file.name), ...size });
        bytesWritten += await pourWrapped(file, sink, name, context.signal, seal);
        context.emit({
          type: 'log',
          level: 'info',
          text: `${file.name}: ${formatBytes(bytesWritten)} written`,
        });
      }
      context.emit({ type: 'disk', id: disk.id, status: 'done' });
    }
  } finally {
    clearInterval(ticker);
    report();
  }
  return { bytes: meter.bytesDone, bytesWritten };
}
