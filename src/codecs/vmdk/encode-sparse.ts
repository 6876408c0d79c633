/**
 * A hosted sparse extent: [VDF] "Hosted Sparse Extents". The tables have their fixed place in front of the grains
 * and are written last. As grains are stored in the order of the disk, one bit per grain is all that is kept.
 */
import { dataBlocks } from '../../io/blocks.ts';
import type { Disk } from '../../io/disk.ts';
import type { Chunk, EncodedFile } from '../../io/encoded-file.ts';
import { AppError } from '../../model/errors.ts';
import { KiB } from '../../model/units.ts';
import {
  entriesPerTable,
  flag,
  headerStruct,
  hostedMagic,
  sectorBytes,
  tableBytes,
  tableSectors,
} from './layout.ts';
import { shared } from './shared-release.ts';

export const grainBytes = 64 * KiB;
export const grainSectors = grainBytes / sectorBytes;
export const descriptorSectors = 20;
/** Tables written at once: 128 KiB. */
const tablesPerWrite = 64;

export interface SparsePlan {
  /** The part of the disk that this extent holds, bytes. */
  readonly from: number;
  readonly to: number;
  /** Only where it is embedded. */
  readonly descriptor?: Buffer;
}

interface Layout {
  readonly capacitySectors: number;
  readonly grains: number;
  readonly tables: number;
  readonly rgdOffset: number;
  readonly gdOffset: number;
  readonly directorySectors: number;
  readonly overHead: number;
}

export function sparseFile(disk: Disk, name: string, plan: SparsePlan): EncodedFile {
  const layout = layOut(plan.to - plan.from);
  return { name, late: true, chunks: (signal) => chunks(disk, plan, layout, signal) };
}

function layOut(bytes: number): Layout {
  const capacitySectors = Math.ceil(bytes / sectorBytes);
  const grains = Math.ceil(capacitySectors / grainSectors);
  const tables = Math.ceil(grains / entriesPerTable);
  const directorySectors = Math.ceil((tables * 4) / sectorBytes);
  const copySectors = directorySectors + tables * tableSectors;
  const rgdOffset = 1 + descriptorSectors;
  const gdOffset = rgdOffset + copySectors;
  const overHead = Math.ceil((gdOffset + copySectors) / grainSectors) * grainSectors;
  return { capacitySectors, grains, tables, rgdOffset, gdOffset, directorySectors, overHead };
}

async function* chunks(
  disk: Disk,
  plan: SparsePlan,
  layout: Layout,
  signal: AbortSignal | undefined,
): AsyncGenerator<Chunk> {
  const { rgdOffset, gdOffset, overHead } = layout;
  yield { offset: 0, bytes: headOf(layout, plan.descriptor) };
  yield { offset: rgdOffset * sectorBytes, bytes: directory(layout, rgdOffset) };
  yield { offset: gdOffset * sectorBytes, bytes: directory(layout, gdOffset) };

  const present = new Uint8Array(Math.ceil(layout.grains / 8));
  let at = overHead * sectorBytes;
  for await (const block of dataBlocks(disk, { grainBytes, from: plan.from, to: plan.to, signal })) {
    const release = shared(block.runs.length, block.release);
    for (const run of block.runs) {
      const first = (run.offset - plan.from) / grainBytes;
      const count = Math.ceil(run.bytes.length / grainBytes);
      for (let grain = first; grain < first + count; grain++) present[grain >> 3]! |= 1 << (grain & 7);
      const padding = count * grainBytes - run.bytes.length;
      yield { offset: at, bytes: run.bytes, release, disk: run.offset };
      at += count * grainBytes;
      if (padding > 0) yield { offset: at - padding, bytes: Buffer.alloc(padding) };
    }
  }
  if (at > 2 ** 32 * sectorBytes) throw new AppError('bug', `a sparse extent of ${at} bytes`);
  // Readers want the whole overhead to be there, also when no grain follows it.
  if (at === overHead * sectorBytes) yield { offset: at - sectorBytes, bytes: Buffer.alloc(sectorBytes) };
  yield* tables(present, layout);
}

function headOf(layout: Layout, descriptor: Buffer | undefined): Buffer {
  const head = Buffer.alloc((1 + descriptorSectors) * sectorBytes);
  headerStruct
    .encode({
      magicNumber: hostedMagic,
      version: 1,
      flags: flag.newLineTest | flag.redundantTable,
      capacity: layout.capacitySectors,
      grainSize: grainSectors,
      descriptorOffset: 1,
      descriptorSize: descriptorSectors,
      numGTEsPerGT: entriesPerTable,
      rgdOffset: BigInt(layout.rgdOffset),
      gdOffset: BigInt(layout.gdOffset),
      overHead: layout.overHead,
      ...lineEndTest,
    })
    .copy(head);
  if (descriptor !== undefined) embed(descriptor, head);
  return head;
}

/** [VDF] The four bytes that a copy in text mode would change. */
export const lineEndTest = {
  singleEndLineChar: 10,
  nonEndLineChar: 32,
  doubleEndLineChar1: 13,
  doubleEndLineChar2: 10,
};

export function embed(descriptor: Buffer, head: Buffer): void {
  const room = descriptorSectors * sectorBytes;
  if (descriptor.length > room)
    throw new AppError('bug', `a descriptor of ${descriptor.length} bytes, room for ${room}`);
  descriptor.copy(head, sectorBytes);
}

/** A directory at `offset` (sectors): its tables lie right behind it. */
function directory(layout: Layout, offset: number): Buffer {
  const bytes = Buffer.alloc(layout.directorySectors * sectorBytes);
  for (let i = 0; i < layout.tables; i++) {
    bytes.writeUInt32LE(offset + layout.directorySectors + i * tableSectors, i * 4);
  }
  return bytes;
}

/** Both copies of every table that is not all zeros. */
function* tables(present: Uint8Array, layout: Layout): Generator<Chunk> {
  let sector = layout.overHead;
  for (let table = 0; table < layout.tables; table += tablesPerWrite) {
    const count = Math.min(tablesPerWrite, layout.tables - table);
    const bytes = Buffer.alloc(count * tableBytes);
    const before = sector;
    const firstGrain = table * entriesPerTable;
    for (let i = 0; i < count * entriesPerTable; i++) {
      const grain = firstGrain + i;
      if ((present[grain >> 3] ?? 0) & (1 << (grain & 7))) {
        bytes.writeUInt32LE(sector, i * 4);
        sector += grainSectors;
      }
    }
    if (sector === before) continue;
    for (const offset of [layout.rgdOffset, layout.gdOffset]) {
      const at = (offset + layout.directorySectors + table * tableSectors) * sectorBytes;
      yield { offset: at, bytes, late: true };
    }
  }
}
