/** An XVA that is compressed as a whole (gzip, zstd), read from its start; each block is checked as it comes. */
import type { ByteSource } from '../../io/byte-source.ts';
import { forwardSource } from '../../io/wrappers/forward-source.ts';
import { peel } from '../../io/wrappers/peel.ts';
import type { Wrapper } from '../../io/wrappers/wrapper.ts';
import { KiB } from '../../model/units.ts';
import { tarBlockBytes } from '../ovf/tar-header.ts';
import type { XvaDescription } from './ova-xml.ts';
import type { XvaBlocks } from './xva-machines.ts';
import { XvaStream } from './xva-stream.ts';

/** Kept, so that whoever opens the disk may look at its beginning first. */
const headBytes = 64 * KiB;

/** The description alone. @throws AppError. */
export async function streamDescription(
  archive: ByteSource,
  wrapper: Wrapper,
  signal?: AbortSignal,
): Promise<XvaDescription> {
  const pieces = unpacked(archive, wrapper, signal);
  try {
    return await new XvaStream(pieces, archive.name, signal).description();
  } finally {
    await pieces.return(undefined);
  }
}

/** Closing it closes nothing but what unpacks. @throws AppError. */
export async function streamXvaDisk(
  archive: ByteSource,
  wrapper: Wrapper,
  disk: XvaBlocks,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const pieces = unpacked(archive, wrapper, signal);
  const close = async () => void (await pieces.return(undefined));
  try {
    const content = new XvaStream(pieces, archive.name, signal).disk(disk);
    return await diskSource(content, `${archive.name}:${disk.directory}`, disk.size, close);
  } catch (error) {
    await close();
    throw error;
  }
}

/** A disk whose bytes come one after the other. `close` ends what they come from. @throws AppError. */
export async function diskSource(
  pieces: AsyncGenerator<Uint8Array>,
  name: string,
  size: number,
  close: () => Promise<void>,
): Promise<ByteSource> {
  const first = await pieces.next();
  const start: Uint8Array = first.done ? new Uint8Array(0) : first.value;
  const head = Buffer.from(start.subarray(0, headBytes));
  async function* rest() {
    yield start.subarray(headBytes);
    yield* pieces;
  }
  const inner: ByteSource = { name, size, access: 'forward', read: async () => undefined, close };
  const peeled = {
    wrappers: [],
    head,
    whole: size <= head.length,
    rest: rest(),
    close: async () => undefined,
  };
  return forwardSource(peeled, inner, size);
}

async function* unpacked(archive: ByteSource, wrapper: Wrapper, signal: AbortSignal | undefined) {
  const peeled = await peel(archive, wrapper, { headBytes: tarBlockBytes, signal });
  try {
    yield peeled.head;
    yield* peeled.rest;
  } finally {
    await peeled.close();
  }
}
