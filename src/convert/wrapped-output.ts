/** A disk written compressed, encrypted or both as a whole, as its name says: `disk.raw.gz`, `.zst`, `.xz`, `.age`. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { compressedRoom, zstdCompress } from '../codecs/compression.ts';
import type { Session } from '../env-plugins/plugin.ts';
import type { ByteSink } from '../io/byte-source.ts';
import { type EncodedFile, type PourOptions, pour } from '../io/encoded-file.ts';
import { fileSink } from '../io/file-sink.ts';
import { fileSource } from '../io/file-source.ts';
import { agePacker, type Seal } from '../io/wrappers/age.ts';
import { packedSink } from '../io/wrappers/packed-sink.ts';
import { canPack, type PackedWrapper, packerFor } from '../io/wrappers/packers.ts';
import { splitWrapperName, type Wrapper } from '../io/wrappers/wrapper.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { MiB } from '../model/units.ts';
import { diskFileNames } from './make-plan.ts';

export interface OutputName {
  /** What the encoder is told: the name without the wrappers' extensions. */
  readonly inner: string;
  /** The outermost. */
  readonly wrapper?: PackedWrapper | 'age';
  /** Inside of the encryption. */
  readonly compression?: PackedWrapper;
  /** The file's name at the destination. */
  wrapped(file: string): string;
}

/** @throws AppError `usage` for a wrapper that can only be read. */
export function outputName(name: string): OutputName {
  const { inner: first, wrapper } = splitWrapperName(name);
  if (wrapper === undefined) return { inner: name, wrapped: (file) => file };
  const { inner, wrapper: within } = splitWrapperName(first);
  const extension = name.slice(inner.length);
  const wrapped = (file: string) => file + extension;
  if (within === undefined) return { inner, wrapper: writable(wrapper), wrapped };
  // What is encrypted can't be compressed any more, and what is compressed need not be twice.
  if (wrapper !== 'age' || within === 'age' || splitWrapperName(inner).wrapper !== undefined) {
    throw new AppError('usage', `${name}: written is one compression, and encryption around it`, {
      hint: 'name it like disk.raw.zst.age, or leave one of them out',
    });
  }
  return { inner, wrapper, compression: writable(within) as PackedWrapper, wrapped };
}

function writable(wrapper: Wrapper): PackedWrapper | 'age' {
  if (wrapper === 'age' || canPack(wrapper)) return wrapper;
  throw new AppError('usage', `${wrapper} can be read but not written`, {
    hint: 'choose .gz, .zst, .xz or .age',
  });
}

export const isSealed = (name: string): boolean => splitWrapperName(name).wrapper === 'age';

/** For whom the disks are encrypted; absent where none is. @throws AppError `auth`, `usage`. */
export async function sealFor(plan: Plan, destination: Session): Promise<Seal | undefined> {
  if (!diskFileNames(plan).some(isSealed)) return undefined;
  const { recipients = [] } = plan.destination;
  if (recipients.length === 0) return { passphrase: await newPassphrase(destination) };
  await agePacker({ recipients }); // before a byte moves
  return { recipients };
}

async function newPassphrase(destination: Session): Promise<string> {
  const passphrase = await destination.secret?.(newPassphraseKey).catch((error) => {
    if (toAppError(error).kind !== 'auth') throw error;
    return undefined;
  });
  if (passphrase !== undefined) return passphrase;
  throw new AppError('auth', 'nobody is named for whom the image is encrypted', {
    hint: `give --recipient age1…, or a passphrase with --secret ${newPassphraseKey}=env:NAME`,
  });
}

/** Not the one of the source, which may be encrypted as well. */
const newPassphraseKey = 'new-passphrase';

function sealGiven(seal: Seal | undefined): Seal {
  if (seal === undefined) throw new AppError('bug', 'encrypted for nobody');
  return seal;
}

/** What is compressed becomes one file. */
export function wrapperFindings(name: string, files: readonly EncodedFile[]): Finding[] {
  const { wrapper } = outputName(name);
  if (wrapper === undefined || files.length === 1) return [];
  return [
    {
      rule: 'disk.not-packable',
      severity: 'blocker',
      message: `a disk of ${files.length} files can't be packed with ${wrapper}`,
      evidence: name,
      remedy: 'choose a layout of one file, or leave the packing out',
    },
  ];
}

export interface WrapOptions {
  readonly signal: AbortSignal;
  readonly seal?: Seal | undefined;
  /** For a file that has to be whole before it is packed: `spool` is a folder here. */
  readonly spool: string;
  readonly runId: string;
  /** Where nothing is packed. */
  readonly pour?: PourOptions;
}

/** `pour`, with the compression in front of the destination's sink. @returns the size of what was written there. */
export async function pourWrapped(
  file: EncodedFile,
  sink: ByteSink,
  { wrapper, compression }: OutputName,
  { signal, seal, spool, runId, pour: plain }: WrapOptions,
): Promise<number> {
  if (wrapper === undefined) return pour(file, sink, signal, plain);
  let written = 0;
  const inner: ByteSink = {
    ...sink,
    finish(size, modifiedAt) {
      written = size;
      return sink.finish(size, modifiedAt);
    },
  };
  const outer = packedSink(
    inner,
    wrapper === 'age' ? await agePacker(sealGiven(seal)) : await compressor(wrapper),
  );
  const sealed = compression === undefined ? outer : packedSink(outer, await compressor(compression));
  if (file.late) await pourThroughFile(file, sealed, join(spool, `.vmferry-${runId}.spool`), signal);
  else await pour(file, sealed, signal);
  return written;
}

/**
 * What goes back to its beginning at the end is written to a file first, whose name is gone before it is read.
 * @throws AppError `no-space` …
 */
async function pourThroughFile(file: EncodedFile, outer: ByteSink, path: string, signal: AbortSignal) {
  const spool = await fileSink(path, { mode: 0o600 });
  try {
    await pour(file, spool, signal);
  } catch (error) {
    await spool.abort();
    await rm(path, { force: true });
    throw error;
  }
  const whole = await fileSource(path);
  try {
    await rm(path);
    const buffer = Buffer.allocUnsafe(MiB);
    for (let at = 0; at < whole.size; at += MiB) {
      const bytes = buffer.subarray(0, Math.min(MiB, whole.size - at));
      await whole.read(bytes, at, signal);
      await outer.write(bytes, at, signal);
    }
    await outer.finish(whole.size);
  } finally {
    await whole.close();
  }
}

export const compressor = (wrapper: PackedWrapper) =>
  packerFor(wrapper, (block) => zstdCompress(block, Buffer.allocUnsafe(compressedRoom(block.length)), 0));
