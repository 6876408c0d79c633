/** Compressed clusters: neighbours in the file are fetched with one read and decompressed at the same time. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { KiB, MiB } from '../../model/units.ts';
import { BufferPool } from '../buffer-pool.ts';
import { exactly, inflateInto, unzstdInto } from '../compression.ts';
import { ByteCache } from './byte-cache.ts';
import type { Piece } from './cluster-map.ts';
import type { Header } from './header.ts';

const groupBytes = 2 * MiB;
/** Bytes between two clusters that are cheaper to read than to leave out. */
const gapBytes = 64 * KiB;
/** For small reads that come back to the same cluster. */
const cacheBytes = 16 * MiB;

export class CompressedClusters {
  readonly #source: ByteSource;
  readonly #header: Header;
  readonly #recent: ByteCache<number>;
  readonly #buffers: BufferPool;

  constructor(source: ByteSource, header: Header) {
    this.#source = source;
    this.#header = header;
    this.#recent = new ByteCache(cacheBytes, header.clusterBytes);
    this.#buffers = new BufferPool(Math.max(groupBytes, 2 * header.clusterBytes));
  }

  /** Fills the part of `target` (the guest's bytes from `offset` on) that these clusters cover. */
  async read(
    pieces: readonly Piece[],
    target: Uint8Array,
    offset: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const end = offset + target.length;
    const whole = pieces.filter((p) => p.offset >= offset && p.offset + p.length <= end);
    const partial = pieces.filter((p) => p.offset < offset || p.offset + p.length > end);
    await allOf([
      ...groups(whole).map((group) => this.#readGroup(group, target, offset, signal)),
      ...partial.map((piece) => this.#readPart(piece, target, offset, signal)),
    ]);
  }

  async #readGroup(group: readonly Piece[], target: Uint8Array, offset: number, signal?: AbortSignal) {
    const start = group[0]!.host;
    const end = Math.max(...group.map((p) => p.host + p.bytes));
    const buffer = this.#buffers.take();
    try {
      const bytes = buffer.subarray(0, end - start);
      await this.#source.read(bytes, start, signal);
      await this.#unpackAll(group, bytes, start, target, offset, signal);
    } finally {
      this.#buffers.give(buffer);
    }
  }

  async #unpackAll(
    group: readonly Piece[],
    bytes: Buffer,
    start: number,
    target: Uint8Array,
    offset: number,
    signal?: AbortSignal,
  ): Promise<void> {
    await allOf(
      group.map(async (piece) => {
        throwIfAborted(signal);
        const packed = bytes.subarray(piece.host - start, piece.host - start + piece.bytes);
        const at = piece.offset - offset;
        await this.#unpack(packed, piece, target.subarray(at, at + piece.length));
      }),
    );
  }

  async #readPart(piece: Piece, target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    const cluster = await this.#recent.get(piece.offset, async () => {
      const whole = Buffer.allocUnsafe(piece.length);
      await this.#unpack(await readBytes(this.#source, piece.host, piece.bytes), piece, whole);
      return whole;
    });
    throwIfAborted(signal);
    const from = Math.max(0, offset - piece.offset);
    const to = Math.min(piece.length, offset + target.length - piece.offset);
    target.set(cluster.subarray(from, to), piece.offset + from - offset);
  }

  /** Fills `target`, a whole cluster. */
  async #unpack(packed: Buffer, piece: Piece, target: Uint8Array): Promise<void> {
    const where = `${this.#source.name}, compressed cluster at ${piece.offset} in the file at ${piece.host}`;
    const size = await (this.#header.compressionType === 'zstd'
      ? unzstdInto(packed, target, where)
      : inflateInto(packed, target, 'raw', where));
    exactly(size, target.length, where);
  }
}

/** Ascending neighbours in the file together, up to `groupBytes` each. */
function groups(pieces: readonly Piece[]): Piece[][] {
  const out: Piece[][] = [];
  for (const piece of pieces) {
    const group = out.at(-1);
    const last = group?.at(-1);
    // Neighbours may share a sector, so that one ends a little behind the start of the next; but written in
    // another order, the next in the guest may also lie before.
    const joins =
      group !== undefined &&
      last !== undefined &&
      piece.host >= last.host &&
      piece.host - (last.host + last.bytes) <= gapBytes &&
      piece.host + piece.bytes - group[0]!.host <= groupBytes;
    if (joins) group.push(piece);
    else out.push([piece]);
  }
  return out;
}

/** Waits for all, also after an error: they write into a buffer that is the caller's again afterwards. */
export async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(work);
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
