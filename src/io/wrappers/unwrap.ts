/** The content of a packed file, from its start to its end: what no codec can read at random. */
import { pipeline, Readable, type Transform } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError, toAppError } from '../../model/errors.ts';
import { GiB, MiB } from '../../model/units.ts';
import { type ByteSource, readBytes } from '../byte-source.ts';
import { throwIfAborted } from '../in-order.ts';
import { type Secret, unage } from './age.ts';
import { Bunzip2 } from './bzip2.ts';
import { unlz4 } from './lz4.ts';
import type { Wrapper } from './wrapper.ts';
import { unzstd } from './zstd.ts';

/**
 * Memory stays constant. The bytes are the taker's until the next piece is asked for.
 * `secret` is asked for what an encrypted file needs.
 * @throws AppError `corrupt` for damaged data, `unsupported`, `auth`.
 */
export async function* unwrap(
  source: ByteSource,
  wrapper: Wrapper,
  signal?: AbortSignal,
  secret?: Secret,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of unwrappers[wrapper](source, signal, secret)) {
      throwIfAborted(signal);
      yield bytes;
    }
  } catch (error) {
    throw told(error, source.name, wrapper);
  }
}

const unwrappers: Record<
  Wrapper,
  (
    source: ByteSource,
    signal: AbortSignal | undefined,
    secret: Secret | undefined,
  ) => AsyncIterable<Uint8Array>
> = {
  gzip: gunzip,
  xz: unxz,
  zstd: (source, signal) => unzstd(taker(source, signal)),
  bzip2: bunzip2,
  lz4: (source, signal) => unlz4(taker(source, signal)),
  age: (source, signal, secret) => unage(source, secret, signal),
};

async function* gunzip(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  yield* throughStream(source, createGunzip({ chunkSize: MiB }), signal);
}

/** liblzma's own limit: `xz -9` takes 65 MiB to unpack. */
const xzMemory = GiB / 4;

/** LZMA_CONCATENATED of liblzma: streams may follow each other. */
const concatenated = 8;

async function* unxz(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  const { default: lzma } = await import('lzma-native').catch((cause) => {
    throw new AppError(
      'unsupported',
      'xz can not be read on this computer: lzma-native has no build for it',
      {
        where: source.name,
        hint: 'unpack the file first, with xz -d',
        cause,
      },
    );
  });
  // The package's types know neither flags nor that this is what they are called.
  const options = { memlimit: xzMemory, flags: concatenated } as object;
  yield* throughStream(source, lzma.createStream('streamDecoder', options), signal);
}

async function* bunzip2(source: ByteSource, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  if (source.size === 0) throw new AppError('corrupt', 'bzip2: no stream in it');
  const decoder = new Bunzip2();
  for await (const { bytes, last } of piecesOf(source, MiB, signal)) {
    yield* decoder.push(bytes, last);
    await new Promise((resolve) => setImmediate(resolve)); // a block takes long: others have their turn
  }
}

async function* throughStream(
  source: ByteSource,
  through: Transform,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer> {
  const pieces = async function* () {
    for await (const { bytes } of piecesOf(source, MiB, signal)) yield bytes;
  };
  const stored = Readable.from(pieces(), { objectMode: false, highWaterMark: MiB });
  // What fails is thrown by the iteration below.
  const pipe = pipeline(stored, through, () => undefined);
  try {
    for await (const bytes of pipe) yield bytes as Buffer;
  } finally {
    stored.destroy();
    through.destroy();
  }
}

interface Piece {
  readonly bytes: Buffer;
  readonly last: boolean;
}

async function* piecesOf(source: ByteSource, size: number, signal?: AbortSignal): AsyncGenerator<Piece> {
  for (let at = 0; at < source.size; at += size) {
    throwIfAborted(signal);
    const length = Math.min(size, source.size - at);
    yield { bytes: await readBytes(source, at, length, signal), last: at + length === source.size };
  }
}

/** Takes from the front, in reads of a megabyte. */
function taker(source: ByteSource, signal: AbortSignal | undefined): (length: number) => Promise<Buffer> {
  const pieces = piecesOf(source, MiB, signal);
  let held = Buffer.alloc(0);
  return async (length) => {
    while (held.length < length) {
      const next = await pieces.next();
      if (next.done) break;
      held = Buffer.concat([held, next.value.bytes]);
    }
    const taken = held.subarray(0, length);
    held = held.subarray(taken.length);
    return taken;
  };
}

function told(error: unknown, where: string, wrapper: Wrapper): AppError {
  if (error instanceof AppError) {
    if (error.where !== undefined || error.kind === 'cancelled') return error;
    const hint = error.hint ?? hints[error.kind] ?? '';
    return new AppError(error.kind, error.message, { where, hint, cause: error });
  }
  const known = toAppError(error);
  const { code = '', name } = error as NodeJS.ErrnoException;
  const ofData = wrapper === 'gzip' ? code.startsWith('Z_') : wrapper === 'zstd' || /^LZMA_/.test(name);
  if (known.kind === 'cancelled' || !ofData) return known;
  return new AppError('corrupt', `the ${wrapper} data is damaged or cut short`, {
    where,
    hint: hints.corrupt!,
    cause: error,
  });
}

const hints: Partial<Record<AppError['kind'], string>> = {
  corrupt: 'fetch the file again',
  unsupported: 'unpack the file first with the tool that made it',
};
