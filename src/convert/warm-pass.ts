/** One pass over all disks of a machine that is held, or off. */
import type { ImageInfo, OpenImage } from '../codecs/codec.ts';
import type { Marks, Session, TrackedPass } from '../env-plugins/plugin.ts';
import { allocatedBytes, counted } from '../io/disk.ts';
import { AppError } from '../model/errors.ts';
import type { Machine, MachineDisk } from '../model/machine.ts';
import type { PassReport } from '../model/pass-report.ts';
import { openImage } from './open-image.ts';
import { openMachineDisk } from './open-machine.ts';
import { ProgressMeter } from './progress.ts';
import type { ExtractedDisk, RunContext } from './run-context.ts';
import type { WarmPlan } from './warm.ts';
import type { WarmCopies } from './warm-copies.ts';
import { bytesToRead, type CopyOptions, copyChanges } from './warm-disk.ts';

export interface Pass {
  readonly plan: WarmPlan;
  readonly source: Session;
  /** As its disks are to be opened. */
  readonly machine: Machine;
  readonly pass: TrackedPass;
  readonly number: number;
  /** Of the pass before; undefined in the first one. */
  readonly since: Marks | undefined;
  readonly copies: WarmCopies;
}

/** What is known of a disk that was read. */
export interface PassDisk {
  readonly disk: MachineDisk;
  readonly info: ImageInfo;
  readonly sectorSize: number;
}

interface Opened extends PassDisk {
  readonly image: OpenImage;
  readonly how: CopyOptions;
  readonly bytesTotal: number;
}

const progressMilliseconds = 100;

/** `check` comes when all disks are open. @throws AppError. */
export async function runPass(
  pass: Pass,
  context: RunContext,
  check: (disks: readonly ExtractedDisk[]) => Promise<unknown> | undefined,
): Promise<{ report: PassReport; disks: readonly PassDisk[] }> {
  const begun = performance.now();
  const opened: Opened[] = [];
  try {
    for (const disk of pass.plan.machine.disks) opened.push(await openOne(pass, disk, context));
    const totals = opened.map(({ disk, bytesTotal }) => ({ id: disk.id, name: disk.name, bytesTotal }));
    context.emit({ type: 'disks', disks: totals });
    await check(opened);
    if (pass.number === 1) await pass.copies.prepare(totals.reduce((sum, disk) => sum + disk.bytesTotal, 0));
    const { bytesRead, bytesChanged } = await copyAll(pass, opened, context);
    const report: PassReport = {
      number: pass.number,
      last: pass.pass.final,
      bytesRead,
      bytesChanged,
      seconds: Math.max(1, performance.now() - begun) / 1000,
    };
    return { report, disks: opened.map(({ disk, info, sectorSize }) => ({ disk, info, sectorSize })) };
  } finally {
    for (const { image } of opened) await image.close();
  }
}

async function openOne(pass: Pass, disk: MachineDisk, context: RunContext): Promise<Opened> {
  const { plan, source, machine, copies } = pass;
  const { signal, runId, emit } = context;
  const sent = await openDelta(pass, disk, context);
  if (sent !== undefined) return sent;
  const image = await openMachineDisk(source, plan.source, machine, disk.id, {
    ...{ signal, runId, spoolFolder: copies.folder },
    report: (text) => emit({ type: 'step', text }),
  });
  try {
    const how = await howToCopy(pass, disk, image, context);
    const whole = how.mode === 'compare';
    const bytesTotal = whole ? await allocatedBytes(image, signal) : await bytesToRead(image, how);
    return { disk, image, info: image.info, sectorSize: image.sectorSize, how, bytesTotal };
  } catch (error) {
    await image.close();
    throw error;
  }
}

/** What is sent as its changes has to be compared with nothing. */
async function openDelta(
  { pass, since, copies }: Pass,
  disk: MachineDisk,
  { signal }: RunContext,
): Promise<Opened | undefined> {
  const copy = copies.get(disk.id);
  if (copy === undefined || since === undefined || copies.grown.has(disk.id)) return undefined;
  const delta = await pass.delta?.({ id: disk.id, size: copy.size }, since, signal);
  if (delta === undefined) return undefined;
  const sibling = async (name: string) => {
    throw new AppError('not-found', `what changed has no files beside it: "${name}"`);
  };
  try {
    const image = await openImage(
      { source: delta.source, format: 'raw', sibling },
      { signal, format: 'raw', follow: false },
    );
    const how = { mode: 'changes', ranges: delta.ranges, signal } as const;
    const bytesTotal = delta.ranges.reduce((sum, { length }) => sum + length, 0);
    return { disk, image, info: image.info, sectorSize: image.sectorSize, how, bytesTotal };
  } catch (error) {
    await delta.source.close();
    throw error;
  }
}

async function howToCopy(
  { pass, since, copies, number }: Pass,
  disk: MachineDisk,
  image: OpenImage,
  { signal, emit }: RunContext,
): Promise<CopyOptions> {
  const { size } = image;
  const all = [{ offset: 0, length: size }];
  const copy = copies.get(disk.id);
  if (copy !== undefined && size < copy.size) {
    throw new AppError('conflict', `the disk ${disk.name} became smaller while it was copied`, {
      hint: 'make the plan anew, and run it',
    });
  }
  const compare = (why: string): CopyOptions => {
    emit({ type: 'log', level: 'warning', text: `${disk.name}: compared as a whole: ${why}` });
    return { mode: 'compare', ranges: all, signal };
  };
  if (copy !== undefined && size > copy.size) copies.grown.add(disk.id);
  if (copies.grown.has(disk.id)) return compare('it has grown');
  const changed = await pass.changed({ id: disk.id, size }, number === 1 ? undefined : (since ?? {}), signal);
  if ('ranges' in changed)
    return { mode: copy === undefined ? 'fresh' : 'changes', ranges: changed.ranges, signal };
  return copy === undefined ? { mode: 'fresh', ranges: all, signal } : compare(changed.unknown);
}

async function copyAll(pass: Pass, opened: readonly Opened[], context: RunContext) {
  const meter = new ProgressMeter(new Map(opened.map(({ disk, bytesTotal }) => [disk.id, bytesTotal])));
  const report = () => context.emit({ type: 'progress', ...meter.report() });
  const ticker = setInterval(report, progressMilliseconds);
  const gate = async (bytes: number) => {
    const before = performance.now();
    await context.gate();
    if (performance.now() - before > 1000) meter.restart();
    await context.take?.(bytes);
  };
  let bytesChanged = 0;
  try {
    for (const { disk, image, how } of opened) {
      context.emit({ type: 'disk', id: disk.id, status: 'running' });
      const copy = pass.copies.get(disk.id) ?? (await pass.copies.add(disk.id, image.size));
      if (copy.size < image.size) await copy.grow(image.size);
      const source = counted(image, (bytes) => meter.add(disk.id, bytes), gate);
      bytesChanged += await copyChanges(source, copy, how);
      if (how.mode === 'compare') pass.copies.grown.delete(disk.id);
      context.emit({ type: 'disk', id: disk.id, status: 'done' });
    }
  } finally {
    clearInterval(ticker);
    report();
  }
  return { bytesRead: meter.bytesDone, bytesChanged };
}
