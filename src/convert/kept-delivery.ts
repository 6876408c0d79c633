/** A delivery into the store: with the description beside the images, and no further than the reserve of the store. */

import {
  copyFileName,
  formatCopy,
  type KeptCopy,
  type KeptDisk,
  type KeptFile,
} from '../env-plugins/kept-copy.ts';
import type { Delivery } from '../env-plugins/plugin.ts';
import { deliverBytes } from '../env-plugins/small-files.ts';
import type { ByteSink } from '../io/byte-source.ts';
import type { CopyOf, Plan } from '../model/plan.ts';
import type { DeliveredDisk } from './disk-digests.ts';
import { diskFileNames, fileNameFor, packageFileName } from './make-plan.ts';
import type { ExtractedDisk } from './run-context.ts';
import { type FreeWatch, watchFree } from './watch-free.ts';

export interface KeptParts {
  readonly plan: Plan & { readonly copyOf: CopyOf };
  readonly disks: readonly ExtractedDisk[];
  readonly nvram?: Uint8Array | undefined;
  /** Asked when all is written. */
  readonly digests?: (() => readonly DeliveredDisk[]) | undefined;
}

/** How long a host may take to tell its free space, milliseconds. */
const patience = 60_000;

/** `copy.json` is one more file of the delivery: it appears together with the others, or not at all. */
export function keptDelivery(inner: Delivery, parts: KeptParts): Delivery {
  const { plan, disks } = parts;
  const files: KeptFile[] = [];
  const free = watchFree(async () => inner.space?.(AbortSignal.timeout(patience)), plan.copyOf.reserveBytes);
  const expected = disks.reduce((sum, { bytesTotal }) => sum + bytesTotal, 0);
  let begun: Promise<void> | undefined;
  // A file that is here already is not handed over: it belongs to the conversion itself.
  const { adopt: _, ...rest } = inner;
  return {
    ...rest,
    async sink(file) {
      begun ??= free.expect(expected);
      await begun;
      const sink = await inner.sink(file);
      return watched(sink, free, (bytes) => void files.push({ name: file.name, bytes }));
    },
    async commit() {
      const nvram = parts.nvram === undefined ? undefined : `${fileNameFor(plan.machine.name)}.nvram`;
      if (nvram !== undefined) {
        await deliverBytes(inner, nvram, parts.nvram!);
        files.push({ name: nvram, bytes: parts.nvram!.length });
      }
      await deliverBytes(inner, copyFileName, Buffer.from(formatCopy(described(parts, files, nvram))));
      return inner.commit();
    },
  };
}

const watched = (sink: ByteSink, free: FreeWatch, finished: (bytes: number) => void): ByteSink => ({
  ...sink,
  async write(bytes, offset, signal) {
    await free.spend(bytes.length);
    await sink.write(bytes, offset, signal);
  },
  async finish(size, modifiedAt) {
    await sink.finish(size, modifiedAt);
    finished(size);
  },
});

function described(
  { plan, disks, digests }: KeptParts,
  files: readonly KeptFile[],
  nvram: string | undefined,
): KeptCopy {
  const { run, stage, title } = plan.copyOf;
  const { environment, profile, settings, machine } = plan.source;
  const names = diskFileNames(plan);
  const packed = packageFileName(plan);
  return {
    ...{ version: 1, run, stage, title, keptAt: new Date().toISOString() },
    source: { environment, ...(profile === undefined ? {} : { profile }), settings, machine },
    machine: plan.machine,
    ...(packed === undefined ? {} : { package: packed }),
    disks:
      packed === undefined
        ? disks.map((disk, i) => keptDisk(disk, names[i]!, plan.destination.format, digests?.() ?? []))
        : [],
    files,
    ...(nvram === undefined ? {} : { nvram }),
    whole: true,
  };
}

function keptDisk(
  { disk, image, bytesTotal }: ExtractedDisk,
  file: string,
  format: string,
  digests: readonly DeliveredDisk[],
): KeptDisk {
  const digest = digests.find((known) => known.disk.id === disk.id)?.digest;
  return {
    ...{ id: disk.id, file, format, virtualSizeBytes: image.size, allocatedSizeBytes: bytesTotal },
    ...(digest === undefined ? {} : { digest: `${digest.algorithm} ${digest.whole()}` }),
  };
}
