/** Unpacking and decrypting what can only be read forward into a temporary file, so that a codec can read it at random. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenImage } from '../codecs/codec.ts';
import { dataBlocks, isZero } from '../io/blocks.ts';
import type { ByteSource } from '../io/byte-source.ts';
import { allocatedBytes, sourceDisk } from '../io/disk.ts';
import { fileSink } from '../io/file-sink.ts';
import { fileSource } from '../io/file-source.ts';
import type { Peeled } from '../io/wrappers/peel.ts';

const zeros = Buffer.alloc(64 * 1024);

/**
 * The content from a file in `folder` that is gone once the source is closed, which closes `packed` as well.
 * Zeros become holes. @throws AppError `corrupt`, `no-space`, `auth`.
 */
export async function spooled(
  packed: ByteSource,
  peeled: Peeled,
  folder: string,
  runId: string,
  signal: AbortSignal,
): Promise<ByteSource> {
  const path = join(folder, `.vmferry-${runId}-${process.hrtime.bigint()}.spool`);
  const sink = await fileSink(path, { mode: 0o600 });
  try {
    let at = 0;
    const put = async (bytes: Buffer) => {
      if (!isZero(bytes, 0, bytes.length, zeros)) await sink.write(bytes, at, signal);
      at += bytes.length;
    };
    // In pieces, as zeros are left out piece by piece.
    for (let from = 0; from < peeled.head.length; from += zeros.length)
      await put(peeled.head.subarray(from, from + zeros.length));
    if (!peeled.whole) {
      for await (const piece of peeled.rest)
        await put(Buffer.from(piece.buffer, piece.byteOffset, piece.length));
    }
    await sink.finish(at);
    const source = await fileSource(path);
    // The name is taken away at once: whatever happens to us, the space comes back when the file is closed.
    await rm(path);
    const close = async () => {
      await source.close();
      await packed.close();
    };
    return { ...source, name: packed.name, close };
  } catch (error) {
    await sink.abort();
    await rm(path, { force: true });
    throw error;
  }
}

/**
 * The disk of an image that is read once, from its start to its end, as one that is read at random, by way of a file in
 * `folder` that has no name. Closing it closes `image`. @throws AppError `no-space`, and what reading meets.
 */
export async function spooledImage(
  image: OpenImage,
  folder: string,
  runId: string,
  signal: AbortSignal,
  report?: (step: string, share?: number) => void,
): Promise<OpenImage> {
  const path = join(folder, `.vmferry-${runId}-${process.hrtime.bigint()}.spool`);
  const sink = await fileSink(path, { mode: 0o600 });
  try {
    const step = 'reading the stream once, to a temporary file';
    const total = await allocatedBytes(image, signal);
    let done = 0;
    for await (const block of dataBlocks(image, { grainBytes: zeros.length, signal })) {
      for (const { bytes, offset } of block.runs) {
        await sink.write(bytes, offset, signal);
        done += bytes.length;
      }
      block.release();
      report?.(step, Math.min(1, done / Math.max(1, total)));
    }
    await sink.finish(image.size);
    const disk = sourceDisk(await fileSource(path), image.sectorSize);
    await rm(path);
    const close = async () => {
      await disk.close();
      await image.close();
    };
    return { ...disk, info: image.info, close };
  } catch (error) {
    await sink.abort();
    await rm(path, { force: true });
    throw error;
  }
}
