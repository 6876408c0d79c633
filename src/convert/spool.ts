/** Unpacking and decrypting what can only be read forward into a temporary file, so that a codec can read it at random. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { OpenDisk } from '../env-plugins/plugin.ts';
import { isZero } from '../io/blocks.ts';
import { fileSink } from '../io/file-sink.ts';
import { fileSource } from '../io/file-source.ts';
import type { Secret } from '../io/wrappers/age.ts';
import { unwrap } from '../io/wrappers/unwrap.ts';
import type { Wrapper } from '../io/wrappers/wrapper.ts';

const zeros = Buffer.alloc(64 * 1024);

/**
 * The disk without its compression, from a file in `folder` that is gone once the source is closed.
 * Zeros become holes. @throws AppError `corrupt`, `no-space`, `auth`.
 */
export async function unpacked(
  disk: OpenDisk,
  wrapper: Wrapper,
  folder: string,
  runId: string,
  signal: AbortSignal,
  secret?: Secret,
): Promise<OpenDisk> {
  const path = join(folder, `.vmferry-${runId}-${process.hrtime.bigint()}.spool`);
  const sink = await fileSink(path, { mode: 0o600 });
  try {
    let at = 0;
    for await (const piece of unwrap(disk.source, wrapper, signal, secret)) {
      const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      if (!isZero(bytes, 0, bytes.length, zeros)) await sink.write(bytes, at, signal);
      at += bytes.length;
    }
    await sink.finish(at);
    const source = await fileSource(path);
    // The name is taken away at once: whatever happens to us, the space comes back when the file is closed.
    await rm(path);
    const { gzip: _, ...rest } = disk;
    const close = async () => {
      await source.close();
      await disk.source.close();
    };
    return { ...rest, source: { ...source, name: disk.source.name, close } };
  } catch (error) {
    await sink.abort();
    await rm(path, { force: true });
    throw error;
  }
}
