/**
 * What was delivered is read back through the destination's own side, and compared with the digests of what was read:
 * all of it after the names are final, so that it is what whoever opens it finds.
 */
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import type { Delivery, Session } from '../env-plugins/plugin.ts';
import type { DiskDigest } from '../io/digest.ts';
import { allocatedBytes } from '../io/disk.ts';
import { AppError, describeFailure, toAppError, toFailure } from '../model/errors.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { type CompareOptions, type Difference, firstDifference } from './compare-disk.ts';
import { differenceThere } from './compare-there.ts';
import { type DeliveredDisk, isLinear } from './disk-digests.ts';
import { type Found, findDelivered } from './find-delivered.ts';
import { openMachineDisk, sourceOf } from './open-machine.ts';
import { ProgressMeter } from './progress.ts';
import type { RunContext } from './run-context.ts';

const progressMilliseconds = 100;

/**
 * Nothing when each disk holds what was read. @throws AppError `corrupt`, naming the first difference; `unsupported`
 * where nothing can be read back.
 */
export async function verifyDelivery(
  plan: Plan,
  session: Session,
  disks: readonly DeliveredDisk[],
  places: readonly string[],
  context: RunContext,
): Promise<void> {
  const { signal, emit } = context;
  emit({ type: 'step', text: 'looking for what was delivered' });
  const opened: { readonly one: DeliveredDisk; readonly place: Found; readonly image: OpenImage }[] = [];
  try {
    const found = await findDelivered(sourceOf(session), plan, disks, places, signal);
    for (const [i, place] of found.entries())
      opened.push({ one: disks[i]!, place, image: await openBack(session, place, context) });
    const totals = await Promise.all(opened.map(({ image }) => allocatedBytes(image, signal)));
    const meter = new ProgressMeter(new Map(disks.map(({ disk }, i) => [disk.id, totals[i]!])));
    emit({
      type: 'verifying',
      disks: disks.map(({ disk }, i) => ({ id: disk.id, name: disk.name, bytesTotal: totals[i]! })),
    });
    const report = () => emit({ type: 'progress', ...meter.report(), verifying: true });
    const ticker = setInterval(report, progressMilliseconds);
    try {
      for (const { one, place, image } of opened) {
        emit({ type: 'step', text: `reading back ${place.where}` });
        const onBytes = (bytes: number) => meter.add(one.disk.id, bytes);
        emit({ type: 'disk', id: one.disk.id, status: 'running' });
        const how = { signal, gate: context.gate, onBytes };
        const there = isLinear(plan) ? await lookThere(session, place, one.digest, how) : undefined;
        const { difference } = there ?? { difference: await firstDifference(image, one.digest, how) };
        if (difference !== undefined) throw differs(difference, one.digest, place.where);
        emit({ type: 'disk', id: one.disk.id, status: 'done' });
        const way = there === undefined ? '' : ', by its sums worked out there';
        emit({ type: 'log', level: 'info', text: `verified: ${place.where} holds what was read${way}` });
      }
    } finally {
      clearInterval(ticker);
      report();
    }
  } catch (error) {
    throw signal.aborted ? error : said(error, places);
  } finally {
    for (const { image } of opened) await image.close();
  }
}

async function openBack(session: Session, { machine, disk }: Found, { signal, runId, emit }: RunContext) {
  // We wrote what it names.
  const how = { machine: machine.id, follow: true };
  return openMachineDisk(session, how, machine, disk, {
    signal,
    runId,
    spoolFolder: tmpdir(),
    once: true,
    report: (text) => emit({ type: 'step', text }),
  });
}

/** Undefined where it has to be read. */
async function lookThere(
  session: Session,
  { machine, disk }: Found,
  expected: DiskDigest,
  how: CompareOptions,
): Promise<{ readonly difference?: Difference } | undefined> {
  const { source } = await sourceOf(session).open(machine, disk, how.signal);
  try {
    return await differenceThere(source, expected, how);
  } finally {
    await source.close();
  }
}

/** The files are there, whatever comes of this. */
export async function sumsOf(
  delivery: Delivery,
  { signal, emit }: RunContext,
): Promise<{ warning?: string }> {
  if (delivery.sums === undefined) return {};
  emit({ type: 'step', text: 'writing SHA256SUMS' });
  try {
    const place = await delivery.sums(signal);
    emit({ type: 'log', level: 'info', text: `the sums of the files: ${place}` });
    return {};
  } catch (error) {
    if (signal.aborted) throw error;
    const warning = `it is there, but its SHA256SUMS could not be written: ${describeFailure(toFailure(error))}`;
    emit({ type: 'log', level: 'warning', text: warning });
    return { warning };
  }
}

/** As an error that names the place. */
export function differs({ offset, length, what }: Difference, expected: DiskDigest, where: string): AppError {
  const range = `${length} bytes at ${offset} (0x${offset.toString(16)})`;
  const words = {
    'other bytes': `the ${range} of the disk are not those that were read`,
    'ends before': `the disk ends at ${offset}, ${formatBytes(expected.size)} were read`,
    'data behind the end': `the ${range}, behind the end of what was read, are not zeros`,
  }[what];
  return new AppError('corrupt', words, { where });
}

/** What was delivered stays: whoever reads this must know. */
function said(error: unknown, places: readonly string[]): AppError {
  const { kind, message, where, hint } = toAppError(error);
  const stays = `it was left where it is: ${places.join(', ')}`;
  return new AppError(kind, `not verified: ${message}`, {
    cause: error,
    ...(where === undefined ? {} : { where }),
    hint: kind === 'corrupt' ? `do not use it; ${stays}` : [hint, stays].filter(Boolean).join('; '),
  });
}
