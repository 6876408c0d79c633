/** One image file: its header and allocation table, checked, and what it holds as a layer. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { MiB } from '../../model/units.ts';
import type { ImageInfo } from '../codec.ts';
import { blockPieces, mappedDisk } from '../mapped-disk.ts';
import {
  emptyFlag,
  formatVersion,
  header,
  headerBytes,
  inUse,
  largestTableBytes,
  newMagic,
  oldMagic,
  sectorBytes,
} from './layout.ts';

/** What is kept of a header, in bytes. */
export interface Shape {
  readonly magic: string;
  readonly size: number;
  readonly clusterBytes: number;
  /** Bytes that a table entry counts. */
  readonly unitBytes: number;
  readonly entries: number;
  /** Of what is beside the clusters (bitmaps), 0 for none. */
  readonly extensionOffset: number;
  readonly findings: readonly Finding[];
}

export interface ParallelsImage {
  readonly size: number;
  readonly info: ImageInfo;
  layer(absent: 'zero' | 'hole'): Disk;
}

export async function hasMagic(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < headerBytes) return false;
  const magic = (await readBytes(source, 0, 16, signal)).toString('latin1');
  return magic === oldMagic || magic === newMagic;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readImage(source: ByteSource, signal?: AbortSignal): Promise<ParallelsImage> {
  const shape = await readShape(source, signal);
  const table = await readTable(source, shape, signal);
  const { size, clusterBytes, unitBytes } = shape;
  return {
    size,
    info: infoOf(source, shape),
    layer: (absent) =>
      mappedDisk({
        source,
        size,
        absent,
        pieces: (from, to) =>
          blockPieces(from, to, clusterBytes, (i) => (table[i] === 0 ? 'hole' : table[i]! * unitBytes)),
      }),
  };
}

export async function readShape(source: ByteSource, signal?: AbortSignal): Promise<Shape> {
  const refuse = (kind: 'corrupt' | 'unsupported', message: string) =>
    new AppError(kind, message, { where: source.name });
  if (!(await hasMagic(source, signal))) throw refuse('corrupt', 'no Parallels disk image');
  const h = header.decode(await readBytes(source, 0, headerBytes, signal));
  if (h.version !== formatVersion) {
    throw refuse('unsupported', `Parallels image version ${h.version}, 2 is known`);
  }
  const old = h.magic === oldMagic;
  if (!old && !Object.values<number>(inUse).includes(h.inUse)) {
    throw refuse('corrupt', `Parallels "in use" mark 0x${h.inUse.toString(16)}, which does not exist`);
  }
  const clusterBytes = h.clusterSectors * sectorBytes;
  if (clusterBytes === 0 || clusterBytes > 256 * MiB) {
    throw refuse('unsupported', `Parallels clusters of ${h.clusterSectors} sectors`);
  }
  const sectors = old ? h.sectors & 0xffff_ffffn : h.sectors;
  if (sectors > BigInt(Number.MAX_SAFE_INTEGER) / BigInt(sectorBytes)) {
    throw refuse('corrupt', `a Parallels image of ${sectors} sectors`);
  }
  const size = Number(sectors) * sectorBytes;
  const entries = Math.ceil(size / clusterBytes);
  if (entries > h.tableEntries) {
    throw refuse('corrupt', `a Parallels table of ${h.tableEntries} clusters, ${entries} are needed`);
  }
  if (entries * 4 > largestTableBytes) {
    throw refuse(
      'unsupported',
      `a Parallels table of ${entries * 4} bytes, at most ${largestTableBytes} are read`,
    );
  }
  if (headerBytes + entries * 4 > source.size) {
    throw refuse('corrupt', `the Parallels table goes past the end (${source.size} bytes)`);
  }
  return {
    magic: h.magic,
    size,
    clusterBytes,
    unitBytes: old ? sectorBytes : clusterBytes,
    entries,
    extensionOffset: old ? 0 : h.extensionOffsetSectors * sectorBytes,
    findings: findingsOf(h.inUse, h.flags, source.name),
  };
}

function findingsOf(mark: number, flags: number, evidence: string): Finding[] {
  const out: Finding[] = [];
  if (mark === inUse.open) {
    out.push({
      rule: 'parallels.in-use',
      severity: 'warning',
      message: 'the image is in use, or was not closed properly: the last writes may be missing',
      evidence,
      remedy:
        'shut the machine down; after a crash, let "ploop check" or "qemu-img check -r all" repair a copy',
    });
  }
  if ((flags & emptyFlag) !== 0) {
    // ploop sets it when it makes an image and never clears it; it and qemu go by the table.
    out.push({
      rule: 'parallels.empty-flag',
      severity: 'note',
      message: 'the image is marked as empty; what counts is its allocation table',
      evidence,
    });
  }
  return out;
}

/** Every cluster lies inside the file, behind the table, and on no other. */
async function readTable(source: ByteSource, shape: Shape, signal?: AbortSignal): Promise<Uint32Array> {
  const { entries, clusterBytes, unitBytes, size } = shape;
  const where = source.name;
  const bytes = await readBytes(source, headerBytes, entries * 4, signal);
  const table = new Uint32Array(entries);
  for (let i = 0; i < entries; i++) {
    const place = bytes.readUInt32LE(i * 4);
    table[i] = place;
    if (place === 0) continue;
    const from = place * unitBytes;
    if (from < headerBytes + entries * 4) {
      throw new AppError('corrupt', `Parallels cluster ${i} at ${from} lies on the table`, { where });
    }
    // Only what the disk needs of its last cluster has to be there.
    const end = from + Math.min(clusterBytes, size - i * clusterBytes);
    if (end > source.size) {
      throw new AppError('corrupt', `Parallels cluster ${i} ends at ${end}, past the end (${source.size})`, {
        where,
        hint: 'the file is cut short; fetch it again',
      });
    }
  }
  const used = table.filter((place) => place !== 0).sort();
  for (let i = 1; i < used.length; i++) {
    if ((used[i]! - used[i - 1]!) * unitBytes < clusterBytes) {
      throw new AppError('corrupt', `two Parallels clusters lie on one another at ${used[i]! * unitBytes}`, {
        where,
        hint: 'it was not closed properly; let "ploop check" or "qemu-img check -r all" repair a copy',
      });
    }
  }
  return table;
}

const infoOf = (source: ByteSource, shape: Shape): ImageInfo => ({
  format: 'parallels',
  variant: shape.magic === oldMagic ? 'v1' : 'v2',
  details: { magic: shape.magic, clusterBytes: shape.clusterBytes },
  virtualSizeBytes: shape.size,
  files: [source.name],
  findings: shape.findings,
});
