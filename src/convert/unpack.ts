/** From a packed disk to one that a codec can open: out of memory, as a stream, or by way of a temporary file. */
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import type { OpenImage } from '../codecs/codec.ts';
import { codecById, probeFormat } from '../codecs/registry.ts';
import type { OpenDisk } from '../env-plugins/plugin.ts';
import { type ByteSource, memorySource, readBytes, unknownSize } from '../io/byte-source.ts';
import type { Secret } from '../io/wrappers/age.ts';
import { archiveError, archiveOf, refusePackedName } from '../io/wrappers/archive.ts';
import { contentSize } from '../io/wrappers/content-size.ts';
import { type ForwardSource, forwardSource } from '../io/wrappers/forward-source.ts';
import { type Peeled, peel } from '../io/wrappers/peel.ts';
import { detectWrapper, splitWrapperName, type Wrapper } from '../io/wrappers/wrapper.ts';
import { AppError, toAppError } from '../model/errors.ts';
import { MiB } from '../model/units.ts';
import { type HeadFacts, headBytes, headFacts } from './head-facts.ts';
import { extensionOf } from './open-image.ts';
import { spooled } from './spool.ts';

export interface UnpackOptions {
  readonly signal: AbortSignal;
  readonly runId: string;
  readonly secret?: Secret | undefined;
  /** The codec's id where the user said it. */
  readonly format?: string | undefined;
  /** Where what has to be read at random may be put; absent refuses it with a `PackedError`. */
  readonly spoolFolder?: string | undefined;
  /** The disk is read once, from its start to its end. */
  readonly once?: boolean | undefined;
  report?(step: string, share?: number): void;
}

export interface Unpacked {
  /** The outermost first; empty for what is not packed. */
  readonly wrappers: readonly Wrapper[];
  readonly disk: OpenDisk;
  /** What the opened image becomes: one that is read as a stream sees to the end of it. */
  opened(image: OpenImage): OpenImage;
}

/** What a packed disk is by its beginning. */
export interface Glance extends Partial<HeadFacts> {
  readonly wrappers: readonly Wrapper[];
}

const inWords = ([outer]: readonly Wrapper[]): string =>
  outer === 'age'
    ? 'encrypted with age and has to be decrypted'
    : `packed with ${outer} and has to be unpacked`;

/** A disk that could not be opened only because it was not to be unpacked. */
class PackedError extends AppError {
  readonly glance: Glance;

  constructor(glance: Glance, where: string) {
    const streamed = 'the disk comes as a stream, which is read once, from its start to its end';
    super(
      'unsupported',
      glance.wrappers.length === 0 ? streamed : `the disk is ${inWords(glance.wrappers)} first`,
      {
        where,
        hint: 'a conversion does that by itself',
      },
    );
    this.glance = glance;
  }
}

/** Of its beginning, which even what is read once still has: the header. */
const streamHeadBytes = 512;

/** A disk that only comes as a stream is not to be read at random. @throws AppError `unsupported`. */
export async function refuseStream({ source, format }: OpenDisk, options: UnpackOptions): Promise<void> {
  if (source.access !== 'forward' || options.once === true) return;
  const head = await readBytes(source, 0, Math.min(streamHeadBytes, source.size), options.signal);
  const facts = await headFacts(head, source.name, options.format ?? format);
  throw new PackedError({ ...facts, wrappers: [] }, source.name);
}

/** What is known of the disk, where its packing is all that kept it from being opened. */
export const packedWith = (error: unknown): Glance | undefined =>
  error instanceof PackedError ? error.glance : undefined;

/** On an error the disk is still the caller's to close. @throws AppError */
export async function unpack(disk: OpenDisk, options: UnpackOptions): Promise<Unpacked> {
  const { signal, spoolFolder } = options;
  const wrapper = disk.gzip ? 'gzip' : await detectWrapper(disk.source, signal);
  const format = options.format ?? disk.format;
  if (wrapper === undefined) {
    if (format === undefined) await refuseUnpacked(disk.source, signal);
    return { wrappers: [], disk, opened: (image) => image };
  }
  let step = '';
  const taken = (bytes: number) => {
    if (step !== '') options.report?.(step, bytes / disk.source.size);
  };
  const peeled = await peelFor(disk, wrapper, options, taken);
  const { gzip: _, ...rest } = disk;
  const { wrappers } = peeled;
  const over = (source: ByteSource) => ({ wrappers, disk: { ...rest, source }, opened: same });
  try {
    const archive = format === undefined ? archiveOf(peeled.head) : undefined;
    if (archive !== undefined) throw archiveError(archive, disk.source.name);
    if (peeled.whole) return over(inMemory(disk.source, peeled));
    const stream = options.once === true ? await streamOf(disk, peeled, options) : undefined;
    if (stream !== undefined) {
      const { source, format } = stream;
      const opened = (image: OpenImage) => readOnce(image, source, format === 'raw', options);
      return { wrappers, disk: { ...rest, source, format }, opened };
    }
    if (spoolFolder === undefined)
      throw new PackedError(await glanceAt(disk, peeled, options), disk.source.name);
    step = `${wrapper === 'age' ? 'decrypting' : 'unpacking'} ${disk.source.name}`;
    options.report?.(step, 0);
    const folder = await firstUsable([spoolFolder, tmpdir()]);
    return over(await spooled(disk.source, peeled, folder, options.runId, signal));
  } catch (error) {
    await peeled.close();
    throw error;
  }
}

/** What says that it is packed, and isn't as far as we can see: it would be taken for a raw disk. */
async function refuseUnpacked(source: ByteSource, signal: AbortSignal): Promise<void> {
  if (source.access === 'forward' || splitWrapperName(source.name).wrapper === undefined) return;
  if (!(await probeFormat(source, signal)).sure) refusePackedName(source.name);
}

const same = (image: OpenImage): OpenImage => image;

async function peelFor(
  disk: OpenDisk,
  wrapper: Wrapper,
  { signal, secret, spoolFolder }: UnpackOptions,
  taken: (bytes: number) => void,
): Promise<Peeled> {
  // Made to be slow, seconds: a look at a list of disks does without.
  const cheap: Secret = async (what) => {
    if (what === 'passphrase' || secret === undefined) throw new AppError('auth', `it asks for the ${what}`);
    return secret(what);
  };
  const asked = spoolFolder === undefined ? cheap : secret;
  try {
    return await peel(disk.source, wrapper, { headBytes, signal, secret: asked, taken });
  } catch (error) {
    // Whoever only looks at it need not have the key.
    if (spoolFolder !== undefined || toAppError(error).kind !== 'auth') throw error;
    throw new PackedError({ wrappers: [wrapper] }, disk.source.name);
  }
}

function inMemory(packed: ByteSource, { head }: Peeled): ByteSource {
  return { ...memorySource(head, packed.name), close: () => packed.close() };
}

/** What the beginning tells; reading on to know the size costs more than a look may. */
async function glanceAt(disk: OpenDisk, peeled: Peeled, { format, signal }: UnpackOptions): Promise<Glance> {
  const { wrappers, head } = peeled;
  const { name } = disk.source;
  const facts = await headFacts(head, name, format ?? disk.format);
  const cheap = wrappers[0] !== 'zstd' || disk.source.size < 64 * MiB;
  if (facts?.format !== 'raw' || facts.virtualSizeBytes !== undefined || wrappers.length > 1 || !cheap)
    return { wrappers, ...facts };
  const size = await contentSize(disk.source, wrappers[0]!, head, signal);
  return { wrappers, ...facts, ...(size === undefined ? {} : { virtualSizeBytes: size }) };
}

/** Where the image can be read as it comes. Raw has to have its size known, and a name that says it is raw. */
async function streamOf(
  disk: OpenDisk,
  peeled: Peeled,
  { format, signal }: UnpackOptions,
): Promise<{ source: ForwardSource; format: string } | undefined> {
  if (disk.outside) return undefined; // it has to be looked at as a whole
  const { wrappers, head } = peeled;
  const { name } = disk.source;
  const facts = await headFacts(head, name, format ?? disk.format);
  if (facts === undefined || codecById(facts.format).forward?.(head) !== true) return undefined;
  const streamed = (size: number) => ({
    source: forwardSource(peeled, disk.source, size),
    format: facts.format,
  });
  if (facts.format !== 'raw') return streamed(unknownSize);
  const said = format === 'raw' || codecById('raw').extensions.includes(extensionOf(name));
  if (!said || wrappers.length > 1) return undefined;
  const size = await contentSize(disk.source, wrappers[0]!, head, signal);
  return size === undefined ? undefined : streamed(size);
}

/** With its end read the packing is read to its end as well: there are its checksums. */
function readOnce(image: OpenImage, source: ForwardSource, raw: boolean, options: UnpackOptions): OpenImage {
  const { size } = image;
  const finish = async (signal: AbortSignal | undefined) => {
    const total = await source.finish(signal);
    if (!raw) return;
    if (total !== size) {
      throw new AppError('corrupt', `${total} bytes are packed, its header says ${size}`, {
        where: source.name,
        hint: 'unpack the file first',
      });
    }
    // A fixed VHD and a DMG have their marks there.
    const end = source.end();
    const { codec, sure } = await probeFormat(memorySource(end, source.name), signal);
    if (sure && options.format === undefined) {
      throw new AppError('unsupported', `its name says raw, and its end has the mark of ${codec.label}`, {
        where: source.name,
        hint: `say what it is: --from ${codec.id}, or --from raw`,
      });
    }
  };
  return {
    ...image,
    async read(target, offset, signal) {
      await image.read(target, offset, signal);
      if (offset + target.length === size) await finish(signal);
    },
  };
}

/** For what is only looked at: `/tmp` is often a part of the memory. */
export const spoolFolderForLooks = (): string => process.env.TMPDIR ?? '/var/tmp';

/** The first folder that exists: the destination's own may still have to be made. */
async function firstUsable(folders: readonly string[]): Promise<string> {
  for (const folder of folders) {
    const found = await stat(folder).catch(() => undefined);
    if (found?.isDirectory()) return folder;
  }
  return tmpdir();
}
