/**
 * A streamOptimized extent, all of it ascending: [VDF] "Stream-Optimized Compressed Sparse Extents". Grains are
 * deflated side by side on the thread pool and packed into large chunks in the order of the disk.
 */
import { dataBlocks } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { inOrder } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { BufferPool } from '../buffer-pool.ts';
import { compressedRoom, deflate } from '../compression.ts';
import { descriptorSectors, embed, grainBytes, grainSectors, lineEndTest } from './encode-sparse.ts';
import {
  entriesPerTable,
  flag,
  gdAtEnd,
  grainMarkerBytes,
  headerStruct,
  hostedMagic,
  markerStruct,
  markerType,
  sectorBytes,
  tableBytes,
  tableSectors,
} from './layout.ts';
import { SectorPacker } from './sector-packer.ts';
import { shared } from './shared-release.ts';

/** As VMware's own writers: the first grain at 64 KiB. */
const overHead = 128;
/** Grains being deflated at once: enough for the thread pool never to run dry. */
const width = 24;

export interface StreamPlan {
  readonly descriptor: Buffer;
  readonly level: number;
}

interface Grain {
  readonly number: number;
  readonly bytes: Uint8Array;
  release(): void;
}

interface DeflatedGrain {
  readonly number: number;
  readonly data: Buffer;
  /** In which it may lie. */
  readonly buffer: Buffer;
}

export function streamFile(disk: Disk, name: string, plan: StreamPlan): EncodedFile {
  return { name, late: false, chunks: (signal) => chunks(disk, plan, signal) };
}

async function* chunks(disk: Disk, plan: StreamPlan, signal: AbortSignal | undefined): AsyncGenerator<Chunk> {
  const capacitySectors = Math.ceil(disk.size / sectorBytes);
  const packer = new SectorPacker();
  const head = Buffer.alloc(overHead * sectorBytes);
  header(capacitySectors, gdAtEnd).copy(head);
  embed(plan.descriptor, head);
  packer.append(head);

  const directory = new Directory(capacitySectors);
  const buffers = new BufferPool(compressedRoom(grainBytes));
  const compress = async (grain: Grain): Promise<DeflatedGrain> => {
    const buffer = buffers.take();
    const data = await deflate(grain.bytes, buffer, 'zlib', plan.level);
    grain.release();
    return { number: grain.number, data, buffer };
  };
  for await (const { number, data, buffer } of inOrder(grainsOf(disk, signal), width, compress, signal)) {
    directory.flushUnless(number, packer);
    directory.set(number, packer.sector);
    appendGrain(packer, number, data);
    buffers.give(buffer);
    yield* packer.full();
  }
  directory.flush(packer);
  const gdOffset = directory.append(packer);
  appendMarker(packer, markerType.footer, 1);
  packer.append(header(capacitySectors, BigInt(gdOffset)));
  appendMarker(packer, markerType.endOfStream, 0);
  yield* packer.rest();
}

/** Each grain that is not all zeros; the disk's last one filled up with zeros, as ovftool wants it whole. */
async function* grainsOf(disk: Disk, signal: AbortSignal | undefined): AsyncGenerator<Grain> {
  for await (const block of dataBlocks(disk, { grainBytes, signal })) {
    const count = block.runs.reduce((sum, run) => sum + Math.ceil(run.bytes.length / grainBytes), 0);
    const release = shared(count, block.release);
    for (const run of block.runs) {
      for (let at = 0; at < run.bytes.length; at += grainBytes) {
        const bytes = run.bytes.subarray(at, at + grainBytes);
        yield {
          number: (run.offset + at) / grainBytes,
          bytes: bytes.length < grainBytes ? filledUp(bytes) : bytes,
          release,
        };
      }
    }
  }
}

function filledUp(bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(grainBytes);
  whole.set(bytes);
  return whole;
}

function header(capacitySectors: number, gdOffset: bigint): Buffer {
  return headerStruct.encode({
    magicNumber: hostedMagic,
    version: 3,
    flags: flag.newLineTest | flag.compressed | flag.markers,
    capacity: capacitySectors,
    grainSize: grainSectors,
    descriptorOffset: 1,
    descriptorSize: descriptorSectors,
    numGTEsPerGT: entriesPerTable,
    gdOffset,
    overHead,
    compressAlgorithm: 1,
    ...lineEndTest,
  });
}

function appendGrain(packer: SectorPacker, number: number, data: Buffer): void {
  const marker = Buffer.alloc(grainMarkerBytes);
  marker.writeBigUInt64LE(BigInt(number) * BigInt(grainSectors), 0);
  marker.writeUInt32LE(data.length, 8);
  packer.append(marker, data);
}

function appendMarker(packer: SectorPacker, type: number, sectors: number): void {
  packer.append(markerStruct.encode({ value: sectors, type }));
}

/** The grain directory, and the one table that is being filled. */
class Directory {
  readonly #entries: Buffer;
  #table = -1;
  readonly #current = Buffer.alloc(tableBytes);

  constructor(capacitySectors: number) {
    const tables = Math.ceil(capacitySectors / grainSectors / entriesPerTable);
    // At least a sector, so that a disk of no size has a place for it as well.
    this.#entries = Buffer.alloc(Math.max(1, Math.ceil((tables * 4) / sectorBytes)) * sectorBytes);
  }

  /** Writes the current table out unless the grain belongs to it. */
  flushUnless(grain: number, packer: SectorPacker): void {
    const table = Math.floor(grain / entriesPerTable);
    if (table === this.#table) return;
    this.flush(packer);
    this.#table = table;
    this.#current.fill(0);
  }

  set(grain: number, sector: number): void {
    if (sector >= 2 ** 32) {
      throw new AppError(
        'unsupported',
        'the compressed disk passes 2 TiB, more than a streamOptimized VMDK can hold',
        {
          hint: 'choose the layout vmfs or monolithicFlat',
        },
      );
    }
    this.#current.writeUInt32LE(sector, (grain % entriesPerTable) * 4);
  }

  flush(packer: SectorPacker): void {
    if (this.#table < 0) return;
    appendMarker(packer, markerType.grainTable, tableSectors);
    this.#entries.writeUInt32LE(packer.sector, this.#table * 4);
    packer.append(this.#current);
    this.#table = -1;
  }

  /** @returns the directory's first sector. */
  append(packer: SectorPacker): number {
    appendMarker(packer, markerType.grainDirectory, this.#entries.length / sectorBytes);
    const { sector } = packer;
    packer.append(this.#entries);
    return sector;
  }
}
