/** A package's files as they are stored: whole, in chunks, or compressed with gzip. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { concatenatedSource } from '../../io/concatenated-source.ts';
import { AppError } from '../../model/errors.ts';
import type { OvfFile } from './package.ts';

const mostChunks = 1_000_000;

/** The name of a chunk: nine digits, counted from zero (DSP0243 7.1, ovf:chunkSize). */
export const chunkName = (href: string, index: number): string => `${href}.${String(index).padStart(9, '0')}`;

/**
 * The file's stored bytes as one source; gzip is not taken off. `open` gives a file of the package by its name, or
 * undefined when there is none.
 * @throws AppError `not-found`, `corrupt` when the sizes are not what the descriptor says.
 */
export async function openStored(
  file: OvfFile,
  open: (name: string) => Promise<ByteSource | undefined>,
): Promise<ByteSource> {
  const missing = (name: string) =>
    new AppError('not-found', `"${name}" is named in the descriptor but not in the package`, {
      where: name,
      hint: 'put the file beside the descriptor, or fetch the package again',
    });
  if (file.chunkSizeBytes === undefined) {
    const source = await open(file.href);
    if (source === undefined) throw missing(file.href);
    try {
      return checkSize(source, file);
    } catch (error) {
      await source.close();
      throw error;
    }
  }
  const chunks: ByteSource[] = [];
  try {
    for (let i = 0; ; i++) {
      if (i > mostChunks)
        throw new AppError('unsupported', `more than ${mostChunks} chunks`, { where: file.href });
      const name = chunkName(file.href, i);
      const chunk = await open(name);
      if (chunk === undefined) {
        if (i === 0) throw missing(name);
        break;
      }
      chunks.push(chunk);
      const before = chunks.at(-2);
      if ((before !== undefined && before.size !== file.chunkSizeBytes) || chunk.size > file.chunkSizeBytes) {
        throw new AppError(
          'corrupt',
          `a chunk is not of the ${file.chunkSizeBytes} bytes that the descriptor says`,
          {
            where: name,
          },
        );
      }
    }
    return checkSize(concatenatedSource(chunks, file.href), file);
  } catch (error) {
    await Promise.all(chunks.map((chunk) => chunk.close()));
    throw error;
  }
}

function checkSize(source: ByteSource, file: OvfFile): ByteSource {
  if (file.sizeBytes === undefined || file.sizeBytes === source.size) return source;
  throw new AppError('corrupt', `${source.size} bytes, the descriptor says ${file.sizeBytes}`, {
    where: source.name,
    hint: 'the file is cut short or not the one of this package; fetch it again',
  });
}

/** Whether the bytes are gzip's: by the descriptor, or by the magic, as some packages forget the attribute. */
export async function isGzip(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < 18) return false;
  const head = await readBytes(source, 0, 3, signal);
  return head[0] === 0x1f && head[1] === 0x8b && head[2] === 8;
}
