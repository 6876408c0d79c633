/** Unpacking and decrypting what can only be read forward into a temporary file, so that a codec can read it at random. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isZero } from '../io/blocks.ts';
import type { ByteSource } from '../io/byte-source.ts';
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
