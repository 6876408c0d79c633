/** From the trailer to a disk. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { OpenContext, OpenImage } from '../codec.ts';
import { mappedDisk, type Piece, pushPiece } from '../mapped-disk.ts';
import { ChunkReader } from './chunks.ts';
import { chunkType, compressedTypes, sectorBytes, trailer, trailerSignature } from './layout.ts';
import { type Chunk, readChunks, type Trailer } from './tables.ts';

export async function isDmg(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < trailer.bytes || source.access === 'forward') return false;
  const mark = await readBytes(source, source.size - trailer.bytes, 12, signal);
  return (
    mark.subarray(0, 4).toString('latin1') === trailerSignature && mark.readUInt32BE(8) === trailer.bytes
  );
}

export async function openDmg(source: ByteSource, { signal }: OpenContext): Promise<OpenImage> {
  const end = await readTrailer(source, signal);
  const chunks = await readChunks(source, end, signal);
  const size = end.sectorCount * sectorBytes;
  const reader = new ChunkReader(source);
  const disk = mappedDisk({
    source,
    size,
    absent: 'zero',
    pieces: (from, to) => pieces(chunks, reader, from, to),
  });
  let closed: Promise<void> | undefined;
  return {
    ...disk,
    close() {
      closed ??= disk.close();
      return closed;
    },
    info: {
      format: 'dmg',
      variant: variantOf(chunks),
      details: { version: end.version, imageVariant: end.imageVariant, chunks: chunks.length },
      virtualSizeBytes: size,
      files: [source.name],
      findings: [],
    },
  };
}

export async function readTrailer(source: ByteSource, signal: AbortSignal | undefined): Promise<Trailer> {
  const where = source.name;
  const at = Math.max(0, source.size - trailer.bytes);
  const end = trailer.decode(await readBytes(source, at, source.size - at, signal));
  const corrupt = (message: string) =>
    new AppError('corrupt', `DMG trailer: ${message}`, {
      where,
      hint: 'the file is damaged; fetch it again',
    });
  const unsupported = (message: string, hint: string) =>
    new AppError('unsupported', message, { where, hint });
  if (end.signature !== trailerSignature) throw corrupt(`signature "${end.signature}"`);
  if (end.version !== 4 || end.headerSize !== trailer.bytes) {
    throw unsupported(`a DMG of version ${end.version}`, 'convert it on a Mac first, with hdiutil convert');
  }
  if (end.segmentCount > 1) {
    throw unsupported(
      `part ${end.segmentNumber} of a DMG in ${end.segmentCount} parts`,
      'join them on a Mac first: hdiutil convert FIRST -format UDZO -o NEW',
    );
  }
  if (end.xmlLength === 0) {
    throw unsupported(
      'a DMG that keeps its block tables in a resource fork, as before Mac OS X 10.2',
      'convert it on a Mac first, with hdiutil convert',
    );
  }
  const largest = 2 ** 43; // sectors: sums of two stay countable in bytes
  if (end.sectorCount < 1 || end.sectorCount > largest) throw corrupt(`${end.sectorCount} sectors`);
  if (end.dataForkOffset > source.size) throw corrupt(`the data begins at ${end.dataForkOffset}`);
  return end;
}

function* pieces(
  chunks: readonly Chunk[],
  reader: ChunkReader,
  from: number,
  to: number,
): Generator<Piece[]> {
  const out: Piece[] = [];
  let at = from;
  for (let i = firstEndingAfter(chunks, from); i < chunks.length && at < to; i++) {
    const chunk = chunks[i]!;
    const start = Math.max(at, chunk.offset);
    const end = Math.min(to, chunk.offset + chunk.length);
    if (start >= to) break;
    if (start > at) pushPiece(out, 'zero', at, start - at);
    if (chunk.type === chunkType.raw) {
      pushPiece(out, 'data', start, end - start, chunk.host + start - chunk.offset);
    } else {
      pushPiece(out, 'data', start, end - start, 0, (target, offset) => reader.read(chunk, target, offset));
    }
    at = end;
  }
  if (at < to) pushPiece(out, 'zero', at, to - at);
  yield out;
}

function firstEndingAfter(chunks: readonly Chunk[], offset: number): number {
  let low = 0;
  let high = chunks.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { offset: start, length } = chunks[middle]!;
    if (start + length <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The kinds of its chunks, such as `zlib`. */
function variantOf(chunks: readonly Chunk[]): string {
  const kinds = new Set(chunks.map(({ type }) => compressedTypes.get(type) ?? 'uncompressed'));
  if (kinds.size > 1) kinds.delete('uncompressed');
  return [...kinds].join(', ') || 'empty';
}
