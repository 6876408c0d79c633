/** Looking at the structure of an image and of all that lies below it, as far as it can be told without the guest. */
import type { CheckContext, Codec, OpenContext, OpenImage } from '../codecs/codec.ts';
import { CheckNotes } from '../codecs/structure.ts';
import type { OpenDisk } from '../env-plugins/plugin.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { walkExtents } from '../io/disk.ts';
import { inOrder } from '../io/in-order.ts';
import type { CheckReport } from '../model/check-report.ts';
import { type Failure, toAppError, toFailure } from '../model/errors.ts';
import type { ImageInfo } from '../model/image-info.ts';
import { MiB } from '../model/units.ts';
import { type OpenImageOptions, openImage } from './open-image.ts';

export interface CheckImageOptions extends Omit<OpenImageOptions, 'visit'> {
  /** All data is read as well, so that what is compressed is unpacked. */
  readonly deep: boolean;
  /** What is being done, and how much of it is done (0 to 1) where that is known. */
  readonly report: (step: string, share?: number) => void;
}

export interface ImageCheck {
  readonly layers: readonly CheckReport[];
  readonly failure?: Failure;
}

/** Closes the disk's source in any case. @throws AppError `cancelled` only. */
export async function checkImage(disk: OpenDisk, options: CheckImageOptions): Promise<ImageCheck> {
  const layers: CheckReport[] = [];
  const visit = async (codec: Codec, source: ByteSource, context: OpenContext) => {
    options.report(`checking ${source.name}`);
    layers.push(await checkLayer(codec, source, { ...context, deep: options.deep }));
  };
  try {
    const image = await openImage(disk, { ...options, visit });
    try {
      await walk(image, options);
      return { layers: withInfo(layers, image.info) };
    } finally {
      await image.close();
    }
  } catch (error) {
    const failure = toAppError(error);
    if (failure.kind === 'cancelled') throw failure;
    // What a layer's own check has told already is not told twice.
    if (failure.kind === 'corrupt' && layers.some((layer) => layer.errorCount > 0)) return { layers };
    return { layers, failure: toFailure(failure) };
  }
}

async function checkLayer(codec: Codec, source: ByteSource, context: CheckContext): Promise<CheckReport> {
  const notes = new CheckNotes(codec.id, source.name);
  // A stream is read once: opening it and reading it on is all that can be done.
  if (codec.check === undefined || source.access === 'forward') return notes.report();
  const report = await notes.attempt('structure', () => codec.check!(source, context));
  return report ?? notes.report();
}

/** All that the tables say, and with `deep` all that they lead to. */
async function walk(image: OpenImage, { deep, report, signal }: CheckImageOptions): Promise<void> {
  const step = deep ? 'reading the data' : 'walking the tables';
  const share = (at: number) => report(step, image.size === 0 ? 1 : at / image.size);
  if (!deep) {
    for await (const extent of walkExtents(image, 0, image.size, signal)) share(extent.offset);
    return;
  }
  const read = async (range: { offset: number; length: number }) => {
    await image.read(Buffer.allocUnsafe(range.length), range.offset, signal);
    return range.offset;
  };
  for await (const at of inOrder(dataRanges(image, signal), readsAtOnce, read, signal)) share(at);
}

const readsAtOnce = 4;
const rangeBytes = 2 * MiB;

async function* dataRanges(image: OpenImage, signal: AbortSignal | undefined) {
  for await (const { kind, offset, length } of walkExtents(image, 0, image.size, signal)) {
    if (kind !== 'data') continue;
    const end = offset + length;
    for (let at = offset; at < end; at += rangeBytes) {
      yield { offset: at, length: Math.min(rangeBytes, end - at) };
    }
  }
}

/** With what opening the image has found; a layer that is opened by no codec of its own (raw below COW) as well. */
function withInfo(layers: readonly CheckReport[], info: ImageInfo): CheckReport[] {
  const infos: ImageInfo[] = [];
  for (let at: ImageInfo | undefined = info; at !== undefined; at = at.parent) infos.push(at);
  return infos.map((layer) => {
    const own = layers.find((l) => l.format === layer.format && l.files[0] === layer.files[0]);
    const found = own ?? new CheckNotes(layer.format, layer.files[0] ?? '').report();
    const told = new Set(found.warnings.map((w) => w.rule));
    const more = layer.findings.filter((f) => f.severity !== 'note' && !told.has(f.rule));
    return {
      ...found,
      files: [...new Set([...found.files, ...layer.files])],
      warnings: [...found.warnings, ...more],
    };
  });
}
