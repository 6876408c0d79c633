/**
 * The growing image file: places are given out in ascending order, and everything that has one is counted.
 *
 *   header | L1 table | data and L2 tables, as they come | refcount blocks | refcount table
 */
import { sharedRelease } from '../../io/blocks.ts';
import type { Chunk } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import { type BackingName, encodeHeader } from './encode-header.ts';
import {
  markSubclusters,
  maximumRefcountTableBytes,
  putCompressedEntry,
  putStandardEntry,
  putZeroEntry,
  subclusters,
} from './layout.ts';
import { coveredBytes, type EncodeSettings, entryBytes } from './options.ts';

/** Bits of a reference count, as qemu's default. */
const refcountBytes = 2;

interface RefcountPlan {
  readonly blocks: number;
  readonly blocksOffset: number;
  readonly tableOffset: number;
  readonly tableClusters: number;
}

export class ImageWriter {
  readonly #settings: EncodeSettings;
  readonly #size: number;
  readonly #backing: BackingName | undefined;
  /** Guest bytes of one L2 table. */
  readonly #covered: number;
  readonly #l1: Buffer;
  readonly #l1Offset: number;
  /** End of what has been given out; a multiple of the cluster except behind compressed data. */
  #end: number;
  /** How many compressed clusters touch a host cluster, by refcount block; 0 is one of another kind. */
  readonly #shared: Uint16Array[] = [];
  #table: { readonly index: number; readonly bytes: Buffer } | undefined;
  /** The guest cluster that got the last place for plain data: more of its parts may follow. */
  #last: { readonly cluster: number; readonly host: number } | undefined;

  constructor(size: number, settings: EncodeSettings, backing: BackingName | undefined) {
    const { clusterBytes } = settings;
    this.#settings = settings;
    this.#size = size;
    this.#backing = backing;
    this.#covered = coveredBytes(settings);
    // At least one entry: qemu-img check takes a table of none at a cluster of its own for a leak.
    this.#l1 = Buffer.alloc(8 * Math.max(1, Math.ceil(size / this.#covered)));
    this.#l1Offset = clusterBytes;
    this.#end = clusterBytes + Math.ceil(this.#l1.length / clusterBytes) * clusterBytes;
  }

  /** Data of whole grains (the disk's last one may be shorter) in the tables of the ranges they belong to. */
  *data(offset: number, bytes: Uint8Array, release: () => void): Generator<Chunk> {
    const covered = this.#covered;
    const parts = Math.floor((offset + bytes.length - 1) / covered) - Math.floor(offset / covered) + 1;
    const shared = sharedRelease({ release }, parts);
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      yield* this.#tableFor(at);
      const stop = Math.min(bytes.length, done + covered - (at % covered));
      const part = bytes.subarray(done, stop);
      yield { offset: this.#place(at, stop - done), bytes: part, release: shared, disk: at };
      done = stop;
    }
  }

  /** Whole grains that read as zeros, whatever is below. */
  *zeros(offset: number, length: number): Generator<Chunk> {
    const { clusterBytes, extendedL2 } = this.#settings;
    const end = offset + length;
    for (let at = offset; at < end; at += clusterBytes - (at % clusterBytes)) {
      yield* this.#tableFor(at);
      if (extendedL2) this.#mark('zero', at, end);
      else putZeroEntry(this.#table!.bytes, this.#entryAt(at));
    }
  }

  /** Places for `length` bytes of one table, entered in it. @returns where in the file they begin. */
  #place(offset: number, length: number): number {
    const { clusterBytes, extendedL2 } = this.#settings;
    const end = offset + length;
    const first = Math.floor(offset / clusterBytes);
    const last = Math.ceil(end / clusterBytes) - 1;
    const begun = this.#last?.cluster === first ? this.#last.host : undefined;
    const more = last - first + (begun === undefined ? 1 : 0);
    // The cluster that is begun is the last one that was given out: what follows lies right behind it.
    const next = more === 0 ? 0 : this.#allocate(more);
    const place = begun ?? next;
    for (let cluster = first; cluster <= last; cluster++) {
      const guest = Math.max(offset, cluster * clusterBytes);
      putStandardEntry(this.#table!.bytes, this.#entryAt(guest), place + (cluster - first) * clusterBytes);
      if (extendedL2) this.#mark('data', guest, end);
    }
    this.#last = { cluster: last, host: place + (last - first) * clusterBytes };
    return place + (offset % clusterBytes);
  }

  /** Marks the parts of one cluster from `offset` on, up to `end` at most. */
  #mark(kind: 'data' | 'zero', offset: number, end: number): void {
    const { clusterBytes } = this.#settings;
    const partBytes = clusterBytes / subclusters;
    const start = offset - (offset % clusterBytes);
    const stop = Math.min(end - start, clusterBytes);
    const [first, behind] = [Math.floor((offset - start) / partBytes), Math.ceil(stop / partBytes)];
    markSubclusters(this.#table!.bytes, this.#entryAt(offset), kind, first, behind);
  }

  /** The compressed bytes of one cluster, right behind what was written before them. */
  *compressed(offset: number, bytes: Uint8Array, release: () => void): Generator<Chunk> {
    const { clusterBytes, clusterBits } = this.#settings;
    yield* this.#tableFor(offset);
    const place = this.#end;
    this.#end += bytes.length;
    putCompressedEntry(this.#table!.bytes, this.#entryAt(offset), place, bytes.length, clusterBits);
    // Every host cluster that it touches counts it.
    const last = Math.floor((this.#end - 1) / clusterBytes);
    for (let cluster = Math.floor(place / clusterBytes); cluster <= last; cluster++) this.#share(cluster);
    yield { offset: place, bytes, release };
  }

  /** The last L2 table, the refcounts, and what was left open: L1 table and header. */
  *finish(): Generator<Chunk> {
    yield* this.#closeTable();
    const refcounts = this.#planRefcounts();
    yield* this.#refcountBlocks(refcounts);
    const places = {
      l1Offset: this.#l1Offset,
      l1Entries: this.#l1.length / 8,
      refcountTableOffset: refcounts.tableOffset,
      refcountTableClusters: refcounts.tableClusters,
    };
    const header = encodeHeader(this.#size, this.#settings, places, this.#backing);
    yield { offset: this.#l1Offset, bytes: this.#l1, late: true };
    yield { offset: 0, bytes: header, late: true };
  }

  #entryAt(offset: number): number {
    const cluster = Math.floor((offset % this.#covered) / this.#settings.clusterBytes);
    return cluster * entryBytes(this.#settings);
  }

  /** Makes the L2 table for the guest's byte `offset` the open one; the one before it is complete then. */
  *#tableFor(offset: number): Generator<Chunk> {
    const { clusterBytes } = this.#settings;
    const index = Math.floor(offset / this.#covered);
    if (this.#table?.index === index) return;
    yield* this.#closeTable();
    this.#table = { index, bytes: Buffer.alloc(clusterBytes) };
  }

  *#closeTable(): Generator<Chunk> {
    if (this.#table === undefined) return;
    const { index, bytes } = this.#table;
    this.#table = undefined;
    const place = this.#allocate(1);
    putStandardEntry(this.#l1, index * 8, place); // the same bits as in an L2 entry
    yield { offset: place, bytes };
  }

  /** @returns the offset of `clusters` whole clusters. */
  #allocate(clusters: number): number {
    const { clusterBytes } = this.#settings;
    const place = Math.ceil(this.#end / clusterBytes) * clusterBytes;
    this.#end = place + clusters * clusterBytes;
    return place;
  }

  #share(cluster: number): void {
    const entries = this.#settings.clusterBytes / refcountBytes;
    const block = Math.floor(cluster / entries);
    this.#shared[block] ??= new Uint16Array(entries);
    this.#shared[block][cluster % entries]!++;
  }

  #planRefcounts(): RefcountPlan {
    const { clusterBytes } = this.#settings;
    const entries = clusterBytes / refcountBytes;
    const first = Math.ceil(this.#end / clusterBytes);
    // The blocks and their table are counted in the blocks as well: grow until they fit.
    let blocks = 0;
    let tableClusters = 0;
    for (let total = first; ; total = first + blocks + tableClusters) {
      const needed = Math.ceil(total / entries);
      if (needed === blocks) break;
      blocks = needed;
      tableClusters = Math.ceil((blocks * 8) / clusterBytes);
    }
    if (blocks * 8 > maximumRefcountTableBytes) {
      throw new AppError('unsupported', `the image needs ${blocks} refcount blocks, more than qemu opens`, {
        hint: 'choose a larger cluster size',
      });
    }
    const blocksOffset = this.#allocate(blocks);
    const tableOffset = this.#allocate(tableClusters);
    return { blocks, blocksOffset, tableOffset, tableClusters };
  }

  *#refcountBlocks(plan: RefcountPlan): Generator<Chunk> {
    const { clusterBytes } = this.#settings;
    const entries = clusterBytes / refcountBytes;
    const clusters = this.#end / clusterBytes;
    const table = Buffer.alloc(plan.tableClusters * clusterBytes);
    for (let block = 0; block < plan.blocks; block++) {
      const bytes = Buffer.alloc(clusterBytes);
      const shared = this.#shared[block];
      const used = Math.min(entries, clusters - block * entries);
      for (let i = 0; i < used; i++) bytes.writeUInt16BE(shared?.[i] || 1, i * refcountBytes);
      const offset = plan.blocksOffset + block * clusterBytes;
      table.writeBigUInt64BE(BigInt(offset), block * 8);
      yield { offset, bytes };
    }
    yield { offset: plan.tableOffset, bytes: table };
  }
}
