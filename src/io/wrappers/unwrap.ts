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
  yield* unwrapPieces(piecesOf(source, signal), source.name, wrapper, signal, secret);
}

/** As `unwrap`, of bytes that come one after the other; each piece must stay as it is. */
export async function* unwrapPieces(
  pieces: AsyncIterable<Uint8Array>,
  name: string,
  wrapper: Wrapper,
  signal?: AbortSignal,
  secret?: Secret,
): AsyncGenerator<Uint8Array> {
  const packed: Packed = { pieces, name, signal, secret };
  try {
    for await (const bytes of unwrappers[wrapper](packed)) {
      throwIfAborted(signal);
      yield bytes;
    }
  } catch (error) {
    throw told(error, name, wrapper);
  }
}

interface Packed {
  readonly pieces: AsyncIterable<Uint8Array>;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
  readonly secret: Secret | undefined;
}

const unwrappers: Record<Wrapper, (packed: Packed) => AsyncIterable<Uint8Array>> = {
  gzip: ({ pieces }) => throughStream(pieces, createGunzip({ chunkSize: MiB })),
  xz: unxz,
  zstd: ({ pieces }) => unzstd(taker(pieces)),
  bzip2: bunzip2,
  lz4: ({ pieces }) => unlz4(taker(pieces)),
  age: ({ pieces, secret, signal }) => unage(pieces, secret, signal),
};

/** liblzma's own limit: `xz -9` takes 65 MiB to unpack. */
const xzMemory = GiB / 4;

/** LZMA_CONCATENATED of liblzma: streams may follow each other. */
const concatenated = 8;

async function* unxz({ pieces, name }: Packed): AsyncGenerator<Buffer> {
  const { default: lzma } = await import('lzma-native').catch((cause) => {
    throw new AppError(
      'unsupported',
      'xz can not be read on this computer: lzma-native has no build for it',
      {
        where: name,
        hint: 'unpack the file first, with xz -d',
        cause,
      },
    );
  });
  // The package's types know neither flags nor that this is what they are called.
  const options = { memlimit: xzMemory, flags: concatenated } as object;
  yield* throughStream(pieces, lzma.createStream('streamDecoder', options));
}

async function* bunzip2({ pieces }: Packed): AsyncGenerator<Buffer> {
  const decoder = new Bunzip2();
  for await (const piece of pieces) {
    yield* decoder.push(Buffer.from(piece.buffer, piece.byteOffset, piece.length), false);
    await new Promise((resolve) => setImmediate(resolve)); // a block takes long: others have their turn
  }
  yield* decoder.push(Buffer.alloc(0), true);
}

async function* throughStream(pieces: AsyncIterable<Uint8Array>, through: Transform): AsyncGenerator<Buffer> {
  const stored = Readable.from(pieces, { objectMode: false, highWaterMark: MiB });
  // What fails is thrown by the iteration below.
  const pipe = pipeline(stored, through, () => undefined);
  try {
    for await (const bytes of pipe) yield bytes as Buffer;
  } finally {
    stored.destroy();
    through.destroy();
  }
}

/** The source's bytes in order, a megabyte at a time. `taken` is told how many of them have been asked for. */
export async function* piecesOf(
  source: ByteSource,
  signal?: AbortSignal,
  taken?: (bytes: number) => void,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < source.size; at += MiB) {
    throwIfAborted(signal);
    const length = Math.min(MiB, source.size - at);
    yield await readBytes(source, at, length, signal);
    taken?.(at + length);
  }
}

/** Takes from the front. */
function taker(pieces: AsyncIterable<Uint8Array>): (length: number) => Promise<Buffer> {
  const next = pieces[Symbol.asyncIterator]();
  let held = Buffer.alloc(0);
  return async (length) => {
    while (held.length < length) {
      const piece = await next.next();
      if (piece.done) break;
      held = Buffer.concat([held, piece.value]);
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
