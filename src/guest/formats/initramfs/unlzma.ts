/** The older LZMA format (".lzma"), as mkinitramfs can be told to use it; it tells its end to the decoder alone. */
import { pipeline, Readable } from 'node:stream';
import { AppError } from '../../../model/errors.ts';
import { MiB } from '../../../model/units.ts';
import type { Reader } from '../reader.ts';

const memoryBytes = 256 * MiB;

/** @throws AppError `corrupt`, `unsupported`. */
export async function* unlzma(reader: Reader, start: number): AsyncGenerator<Buffer> {
  const { default: lzma } = await import('lzma-native').catch((cause) => {
    throw new AppError(
      'unsupported',
      'lzma can not be read on this computer: lzma-native has no build for it',
      {
        where: 'initramfs',
        cause,
      },
    );
  });
  async function* bytes(): AsyncGenerator<Buffer> {
    for (let at = start; at < reader.size; at += MiB)
      yield await reader.read(at, Math.min(MiB, reader.size - at));
  }
  const stored = Readable.from(bytes(), { objectMode: false, highWaterMark: MiB });
  const through = lzma.createStream('aloneDecoder', { memlimit: memoryBytes } as object);
  try {
    for await (const piece of pipeline(stored, through, () => undefined)) yield piece as Buffer;
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError('corrupt', 'initramfs: the lzma data is damaged or cut short', { cause: error });
  } finally {
    stored.destroy();
    through.destroy();
  }
}
