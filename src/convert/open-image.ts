/** An image with its whole chain, opened: here an environment's bytes and a codec meet. */
import { extname } from 'node:path';
import type { Codec, ImageInfo, OpenContext, OpenImage } from '../codecs/codec.ts';
import { codecById, codecForExtension, probeFormat } from '../codecs/registry.ts';
import type { OpenDisk } from '../env-plugins/plugin.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { splitPartName } from '../io/part-names.ts';
import { refuseArchive } from '../io/wrappers/archive.ts';
import { withoutWrappers } from '../io/wrappers/wrapper.ts';
import { AppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';

export interface OpenImageOptions {
  readonly signal?: AbortSignal | undefined;
  /** Whether names inside the image may lead out of its own folder to files without an image's mark. */
  readonly follow: boolean;
  /** Overrides probing for the first layer. */
  readonly format?: string | undefined;
  /** Of the first layer: its internal snapshot to open instead of the current state. */
  readonly snapshot?: string | undefined;
  /** See `OpenContext.secret`. */
  readonly secret?: ((what: string) => Promise<string>) | undefined;
  /** Told of every file that is opened on the way: extents and parents too. */
  readonly seen?: (source: ByteSource) => void;
  /** Called for each layer before it is opened, the image first; what it asks the context for is its to close. */
  readonly visit?: (codec: Codec, source: ByteSource, context: OpenContext) => Promise<void>;
}

/** No product makes chains this long; a longer one is a loop or hostile. */
const longestChain = 256;

/**
 * Opens the image and its parents. On success the image owns all sources; on an error all are closed.
 * @throws AppError
 */
export async function openImage(disk: OpenDisk, options: OpenImageOptions): Promise<OpenImage> {
  const format = options.format ?? disk.format;
  const image = await openLayer(disk, format, options, []);
  const { findings = [] } = disk;
  if (findings.length === 0) return image;
  return { ...image, info: { ...image.info, findings: [...image.info.findings, ...findings] } };
}

async function openLayer(
  disk: OpenDisk,
  format: string | undefined,
  options: OpenImageOptions,
  above: readonly string[],
): Promise<OpenImage> {
  const { source } = disk;
  const chain = [...above, source.name];
  const opened: ByteSource[] = [source];
  options.seen?.(source);
  try {
    if (above.includes(source.name) || chain.length > longestChain) {
      throw new AppError('corrupt', 'the chain of images leads back to itself', { where: source.name });
    }
    const codec = await chooseCodec(disk, format, options);
    await options.visit?.(codec, source, contextFor(disk, options, chain, []));
    const image = await codec.open(source, contextFor(disk, options, chain, opened));
    if (above.length === 0) checkSnapshot(image, options.snapshot);
    return format === undefined && codec.id === 'raw' ? withGuess(image) : image;
  } catch (error) {
    await Promise.all(opened.map((s) => s.close()));
    throw error;
  }
}

/** @throws AppError `unsupported` when another state than the one that is wanted was opened. */
function checkSnapshot(image: OpenImage, wanted: string | undefined): void {
  if (wanted === undefined || image.info.details.snapshot === wanted) return;
  throw new AppError('unsupported', `${image.info.format} has no internal snapshots`, {
    where: image.info.files[0] ?? '',
    hint: 'leave out --snapshot',
  });
}

async function chooseCodec(
  disk: OpenDisk,
  format: string | undefined,
  options: OpenImageOptions,
): Promise<Codec> {
  const { source } = disk;
  // Its end can't be looked at; whoever made a stream of it has looked at the rest.
  if (source.access === 'forward' && format !== undefined) return codecById(format);
  const probed = await probeFormat(source, options.signal).catch((error) => {
    if (format === undefined) throw error;
    return undefined;
  });
  if (disk.outside && !options.follow && !probed?.sure) throw refuseOutside(source.name);
  if (format !== undefined) return codecById(format);
  if (!probed!.sure) await refuseArchive(source, options.signal);
  const named = codecForExtension(extensionOf(source.name));
  if (!probed!.sure && named !== undefined && named.id !== probed!.codec.id) {
    throw new AppError('corrupt', `the name says ${named.label}, and there is no mark of one`, {
      where: source.name,
      hint: 'it is damaged, cut short or misnamed; if it is a raw disk, say so with --from raw',
    });
  }
  return probed!.codec;
}

/** Also of what is packed or cut into parts: `qcow2` for `disk.qcow2.gz` and `disk.qcow2.001`. */
export const extensionOf = (name: string): string =>
  extname(withoutWrappers(splitPartName(name).inner))
    .slice(1)
    .toLowerCase();

/** Raw has no mark: what has no other's is taken for it, and where the name doesn't say so either, that is told. */
function withGuess(image: OpenImage): OpenImage {
  const { info } = image;
  const [name = ''] = info.files;
  if (codecForExtension(extensionOf(name)) !== undefined || name.startsWith('/dev/')) return image;
  const finding: Finding = {
    rule: 'image.format-guessed',
    severity: 'warning',
    message: 'no mark of a disk format: its bytes are taken as a raw disk',
    evidence: name,
    remedy: 'say the format with --from',
  };
  return { ...image, info: { ...info, findings: [...info.findings, finding] } };
}

function refuseOutside(name: string): AppError {
  return new AppError(
    'unsupported',
    'the image names a file outside its own folder that has no mark of an image',
    {
      where: name,
      hint: 'if you trust the image, say so with --follow',
    },
  );
}

function contextFor(
  disk: OpenDisk,
  options: OpenImageOptions,
  chain: readonly string[],
  opened: ByteSource[],
): OpenContext {
  // Names that the environment gave, not the image: they may be looked into wherever they lead.
  const listed = new Set<string>();
  const neighbours = disk.neighbours?.bind(disk);
  return {
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.secret === undefined ? {} : { secret: options.secret }),
    ...(options.snapshot === undefined || chain.length > 1 ? {} : { snapshot: options.snapshot }),
    async sibling(name) {
      const found = await disk.sibling(name);
      opened.push(found.source);
      options.seen?.(found.source);
      if (found.outside && !options.follow && !listed.has(name)) throw refuseOutside(found.source.name);
      return found.source;
    },
    ...(neighbours === undefined
      ? {}
      : {
          async neighbours() {
            const names = await neighbours();
            for (const name of names) listed.add(name);
            return names;
          },
        }),
    async parent(name, format) {
      const image = await openLayer(await disk.sibling(name), format, options, chain);
      opened.push({ ...closing(image), name });
      return image;
    },
  };
}

/** The parent as something to close when its child can't be opened after all. */
const closing = (image: OpenImage): ByteSource => ({
  name: '',
  size: 0,
  access: 'random',
  async read() {
    // never asked: it is only to be closed
  },
  close: () => image.close(),
});

/** All files of an image and its parents, by full name. */
export function filesOf(info: ImageInfo): string[] {
  return [...info.files, ...(info.parent === undefined ? [] : filesOf(info.parent))];
}

/** The findings of all layers. */
export function findingsOf(info: ImageInfo): Finding[] {
  return [...info.findings, ...(info.parent === undefined ? [] : findingsOf(info.parent))];
}
