/** The disks of a plan as files of its delivery, with progress. */
import { tmpdir } from 'node:os';
import type { Backing } from '../codecs/codec.ts';
import { codecById } from '../codecs/registry.ts';
import type { Delivery } from '../env-plugins/plugin.ts';
import { counted } from '../io/disk.ts';
import type { EncodedFile } from '../io/encoded-file.ts';
import { remembered } from '../io/remembered.ts';
import { StoredRuns } from '../io/stored-runs.ts';
import type { Seal } from '../io/wrappers/age.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { Checkpoints } from './checkpoints.ts';
import type { DiskDigests } from './disk-digests.ts';
import { diskFileNames, isFolder } from './make-plan.ts';
import { ProgressMeter } from './progress.ts';
import type { ExtractedDisk, RunContext } from './run-context.ts';
import { type OutputName, outputName, pourWrapped } from './wrapped-output.ts';

const progressMilliseconds = 100;

/** Whether what is cut on the way to this destination can be gone on with there. */
export function canGoOn(plan: Plan, delivery: Delivery): boolean {
  const { container, format, options, backing, splitBytes } = plan.destination;
  return (
    delivery.suspend !== undefined &&
    container === 'disks' &&
    backing === undefined &&
    splitBytes === undefined &&
    diskFileNames(plan).every((name) => outputName(name).wrapper === undefined) &&
    codecById(format).encoder?.steady?.(options) === true
  );
}

/** `context.record` and `context.resumption` are there only where it can be gone on with (`canGoOn`). */
export async function provide(
  plan: Plan,
  disks: readonly ExtractedDisk[],
  delivery: Delivery,
  context: RunContext,
  seal: Seal | undefined,
  backing: Backing | undefined,
  digests: DiskDigests,
): Promise<{ bytes: number; bytesWritten: number }> {
  const meter = new ProgressMeter(new Map(disks.map(({ disk, bytesTotal }) => [disk.id, bytesTotal])));
  const report = () => context.emit({ type: 'progress', ...meter.report() });
  const ticker = setInterval(report, progressMilliseconds);
  const gate = async (bytes: number) => {
    const before = performance.now();
    await context.gate();
    if (performance.now() - before > 1000) meter.restart();
    await context.take?.(bytes);
  };
  const encoder = codecById(plan.destination.format).encoder!;
  const names = diskFileNames(plan);
  // By an earlier run.
  let bytesBefore = 0;
  let bytesWritten = 0;
  const { record, resumption } = context;
  try {
    for (const [i, extracted] of disks.entries()) {
      const { disk, image, reader } = extracted;
      context.emit({ type: 'disk', id: disk.id, status: 'running' });
      const name = outputName(names[i]!);
      const digested = await digests.begin(disk, image, names[i]!);
      const read = counted(digested, (bytes) => meter.add(disk.id, bytes), gate);
      const { to: writtenBelow = 0, runs = new StoredRuns() } = resumption?.disks.get(disk.id) ?? {};
      const before = runs.bytesBelow(writtenBelow);
      meter.add(disk.id, before);
      meter.restart();
      bytesBefore += before;
      const points =
        record === undefined
          ? undefined
          : new Checkpoints(disk.id, image.size, writtenBelow, record, isFolder(plan) ? 'here' : 'away');
      reader?.start();
      const source = remembered(read, runs, writtenBelow);
      const files = await encoder.encode(source, name.inner, plan.destination.options, { backing });
      for (const file of files) {
        if (await adopted(file, extracted, delivery, name)) {
          context.emit({ type: 'log', level: 'info', text: `${file.name}: it is the copy itself` });
          bytesWritten += extracted.bytesTotal;
          digested.unread();
          continue;
        }
        context.emit({ type: 'step', text: `writing ${name.wrapped(file.name)}` });
        const size = file.size === undefined || name.wrapper !== undefined ? {} : { size: file.size };
        const begun = resumption?.files.has(file.name) ? { begun: true as const } : {};
        const forward = !file.late || name.wrapper !== undefined ? { forward: true as const } : {};
        const sink = await delivery.sink({ name: name.wrapped(file.name), ...size, ...begun, ...forward });
        await record?.file(file.name);
        points?.into(sink);
        const { signal, runId } = context;
        // What is to be encrypted never lies in the clear where it goes to: that may be a medium that travels.
        const inFolder = isFolder(plan) && name.wrapper !== 'age';
        const spool = inFolder ? plan.destination.settings.folder! : tmpdir();
        const acknowledged = points?.acknowledged;
        bytesWritten += await pourWrapped(file, sink, name, {
          ...{ signal, seal, spool, runId },
          pour: { writtenBelow, acknowledged },
        }).catch(async (error) => {
          await points?.stop();
          throw error;
        });
        context.emit({
          type: 'log',
          level: 'info',
          text: `${file.name}: ${formatBytes(bytesWritten)} written`,
        });
      }
      await points?.finished();
      await digested.settle(context.signal);
      reader?.end();
      context.emit({ type: 'disk', id: disk.id, status: 'done' });
    }
  } finally {
    clearInterval(ticker);
    report();
  }
  return { bytes: meter.bytesDone - bytesBefore, bytesWritten };
}

/** A copy that was made beforehand is moved where the file would hold the same bytes. */
async function adopted(
  file: EncodedFile,
  { copy, image }: ExtractedDisk,
  delivery: Delivery,
  { wrapper }: OutputName,
): Promise<boolean> {
  // An image that was changed on the way is no longer what lies in the file.
  if (copy === undefined || copy.of !== image || file.linear !== true || wrapper !== undefined) return false;
  return (await delivery.adopt?.({ name: file.name, path: copy.path })) ?? false;
}
