/**
 * An initramfs as the kernel reads it: archives one behind the other, with zeros between, each packed or not. The
 * first are often not packed and hold the processor's microcode. Memory stays bounded whatever their size.
 */
import type { ByteSource } from '../../../io/byte-source.ts';
import { unwrap, unwrapPieces } from '../../../io/wrappers/unwrap.ts';
import type { Wrapper } from '../../../io/wrappers/wrapper.ts';
import { AppError } from '../../../model/errors.ts';
import { GiB, MiB } from '../../../model/units.ts';
import { type Reader, readerOf } from '../reader.ts';
import { type ArchiveEntry, cpioEntries, skipZeros, type Wanted } from './cpio.ts';
import { gunzipMember } from './gunzip.ts';
import { segmentBytes, type Walked } from './segment-bytes.ts';
import { fileStream, piecesStream, type Stream } from './stream.ts';
import { unlzma } from './unlzma.ts';

export type SegmentPacking = 'none' | 'gzip' | 'xz' | 'zstd' | 'lz4' | 'bzip2' | 'lzma' | 'lzo' | 'unknown';

export interface Segment {
  readonly index: number;
  readonly offset: number;
  /** `lzo` and `unknown` are not read, nor what follows. */
  readonly packing: SegmentPacking;
}

export type Found =
  | { readonly kind: 'segment'; readonly segment: Segment }
  | { readonly kind: 'entry'; readonly segment: Segment; readonly entry: ArchiveEntry };

export interface ReadOptions {
  /** Entries to be given with their content; none above `maxContentBytes`. */
  readonly wanted?: Wanted;
  readonly signal?: AbortSignal;
}

const maxContentBytes = 8 * MiB;
const maxEntries = 500_000;
const maxSegments = 64;
/** Unpacked; a distribution's are below a tenth of it. */
const maxUnpackedBytes = 4 * GiB;

/** What the kernel knows: usr/Kconfig, lib/decompress.c; and the magics of each format. */
function packingOf(head: Buffer): SegmentPacking {
  const hex = head.toString('hex');
  if (/^30373037303[12]/.test(hex)) return 'none';
  if (hex.startsWith('1f8b') || hex.startsWith('1f9e')) return 'gzip';
  if (hex.startsWith('fd377a585a00')) return 'xz';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  if (hex.startsWith('02214c18') || hex.startsWith('04224d18')) return 'lz4';
  if (hex.startsWith('425a68')) return 'bzip2';
  if (hex.startsWith('5d0000')) return 'lzma';
  if (hex.startsWith('894c5a4f')) return 'lzo';
  return 'unknown';
}

/**
 * Segments and entries in order; the caller may stop at any time. @throws AppError `corrupt`, `unsupported`,
 * `cancelled`.
 */
export async function* readInitramfs(
  bytes: Buffer | Reader,
  options: ReadOptions = {},
): AsyncGenerator<Found> {
  const reader = readerOf(bytes, 'initramfs');
  const wanted: Wanted = (entry) => entry.size <= maxContentBytes && (options.wanted?.(entry) ?? false);
  let entries = 0;
  let at: number | undefined = 0;
  for (let index = 0; at !== undefined; index++) {
    const start = await behindZeros(reader, at);
    if (start >= reader.size) return;
    if (index >= maxSegments)
      throw new AppError('unsupported', `an initramfs of more than ${maxSegments} archives`);
    const head = await reader.read(start, Math.min(6, reader.size - start));
    const segment: Segment = { index, offset: start, packing: packingOf(head) };
    yield { kind: 'segment', segment };
    if (segment.packing === 'lzo' || segment.packing === 'unknown') return;
    const content = contentOf(reader, segment, head, options.signal);
    try {
      for await (const entry of archives(content.stream, wanted, segment.packing === 'none')) {
        if (++entries > maxEntries)
          throw new AppError('unsupported', `more than ${maxEntries} files in an initramfs`);
        yield { kind: 'entry', segment, entry };
      }
      at = await content.end();
    } finally {
      await content.close();
    }
  }
}

/** Zeros in large steps: padding to a page or a block is usual. */
async function behindZeros(reader: Reader, start: number): Promise<number> {
  for (let at = start; at < reader.size; ) {
    const bytes = await reader.read(at, Math.min(4096, reader.size - at));
    const used = bytes.findIndex((byte) => byte !== 0);
    if (used >= 0) return at + used;
    at += bytes.length;
  }
  return reader.size;
}

/** A packed segment may hold several archives, too; one that is not packed ends with its trailer. */
async function* archives(stream: Stream, wanted: Wanted, single: boolean): AsyncGenerator<ArchiveEntry> {
  yield* cpioEntries(stream, wanted);
  while (!single) {
    const head = await skipZeros(stream);
    if (head.length === 0) return;
    yield* cpioEntries(pushedBack(head, stream), wanted);
  }
}

function pushedBack(head: Buffer, stream: Stream): Stream {
  let held = head;
  return {
    get at() {
      return stream.at - held.length;
    },
    async take(length) {
      const first = held.subarray(0, length);
      held = held.subarray(first.length);
      return first.length === length
        ? first
        : Buffer.concat([first, await stream.take(length - first.length)]);
    },
    async skip(length) {
      const first = Math.min(held.length, length);
      held = held.subarray(first);
      if (length > first) await stream.skip(length - first);
    },
  };
}

interface Content {
  readonly stream: Stream;
  /** The offset behind the segment, once it has been read; undefined where only the end of the file can tell. */
  end(): Promise<number | undefined>;
  close(): Promise<void>;
}

function contentOf(
  reader: Reader,
  { offset, packing }: Segment,
  head: Buffer,
  signal?: AbortSignal,
): Content {
  if (packing === 'none') {
    const stream = fileStream(reader, offset);
    return { stream, end: async () => offset + stream.at, close: async () => undefined };
  }
  let end: number | undefined;
  async function* pieces(): AsyncGenerator<Uint8Array> {
    if (packing === 'gzip') {
      end = yield* gunzipMember(reader, offset);
      return;
    }
    if (packing === 'lzma') return yield* unlzma(reader, offset);
    const legacy = packing === 'lz4' && head[0] === 2;
    const walked = legacy ? 'lz4-legacy' : packing === 'zstd' || packing === 'xz' ? packing : undefined;
    if (walked === undefined)
      return yield* unwrap(windowSource(reader, offset, reader.size), packing as 'bzip2', signal);
    async function* stored(walk: Walked): AsyncGenerator<Buffer> {
      end = yield* segmentBytes(reader, offset, walk);
    }
    yield* unwrapPieces(stored(walked), 'initramfs', packing as Wrapper, signal);
  }
  const running = pieces();
  const stream = piecesStream(running, maxUnpackedBytes);
  return {
    stream,
    async end() {
      await stream.skip(maxUnpackedBytes);
      return end;
    },
    async close() {
      await running.return(undefined);
    },
  };
}

function windowSource(reader: Reader, start: number, end: number): ByteSource {
  return {
    name: 'initramfs',
    size: end - start,
    access: 'random',
    async read(target, offset) {
      target.set(await reader.read(start + offset, target.length));
    },
    close: async () => undefined,
  };
}
