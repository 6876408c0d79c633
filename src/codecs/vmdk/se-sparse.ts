/**
 * seSparse, the space-efficient extent of ESXi snapshots (VMFS 6, or disks past 2 TiB). VMware publishes no
 * description; this is what QEMU's reader and the notes of forensic tools agree on. Numbers are 64 bits, offsets
 * in sectors; grains of 4 KiB, tables of 4096 entries.
 *
 *   header | volatile header | journal header | journal | directory | tables | free bitmap | back map | grains
 */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { bits64, struct, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { GrainTables, type TableLayout } from './grain-tables.ts';
import { sectorBytes } from './layout.ts';
import { tabledDisk } from './sparse-extent.ts';

const magic = 0xcafebaben;
const volatileMagic = 0xcafecafen;
const version = 0x200000001n;

export const seSparseHeader = struct('seSparse header', 512, 'le', {
  magic: [0, bits64],
  version: [8, bits64],
  capacity: [16, u64],
  grainSize: [24, u64],
  grainTableSize: [32, u64],
  flags: [40, bits64],
  volatileHeaderOffset: [80, u64],
  volatileHeaderSize: [88, u64],
  journalHeaderOffset: [96, u64],
  journalHeaderSize: [104, u64],
  journalOffset: [112, u64],
  journalSize: [120, u64],
  grainDirOffset: [128, u64],
  grainDirSize: [136, u64],
  grainTablesOffset: [144, u64],
  grainTablesSize: [152, u64],
  freeBitmapOffset: [160, u64],
  freeBitmapSize: [168, u64],
  backmapOffset: [176, u64],
  backmapSize: [184, u64],
  grainsOffset: [192, u64],
  grainsSize: [200, u64],
});
export const volatileHeader = struct('seSparse volatile header', 512, 'le', {
  magic: [0, bits64],
  freeGtNumber: [8, bits64],
  nextTxnSeqNumber: [16, bits64],
  replayJournal: [24, bits64],
});
type Header = ReturnType<typeof seSparseHeader.decode>;

export function isSeSparse(head: Buffer): boolean {
  return head.length >= 16 && head.readBigUInt64LE(0) === magic && head.readBigUInt64LE(8) === version;
}

/** @throws AppError `corrupt`, `unsupported`. The source stays the caller's then. */
export async function openSeSparse(source: ByteSource, signal?: AbortSignal): Promise<Disk> {
  const layout = await readSeSparse(source, signal);
  return tabledDisk(source, layout, await GrainTables.open(source, layout, signal));
}

/** The headers, checked: where the tables are. */
export async function readSeSparse(source: ByteSource, signal?: AbortSignal): Promise<TableLayout> {
  const where = source.name;
  const refuse = (kind: 'corrupt' | 'unsupported', message: string, hint?: string) =>
    new AppError(kind, `seSparse header: ${message}`, { where, ...(hint === undefined ? {} : { hint }) });
  const h = seSparseHeader.decode(await readBytes(source, 0, Math.min(512, source.size), signal));
  if (h.magic !== magic) throw refuse('corrupt', `magic 0x${h.magic.toString(16)}`);
  if (h.version !== version) throw refuse('unsupported', `version 0x${h.version.toString(16)}`);
  if (h.flags !== 0n) throw refuse('unsupported', `flags 0x${h.flags.toString(16)}`);
  if (h.grainSize !== 8 || h.grainTableSize !== 64) {
    throw refuse('unsupported', `grains of ${h.grainSize} and tables of ${h.grainTableSize} sectors`);
  }
  checkPlaces(h, source.size, (message) => refuse('corrupt', message, 'the file is damaged; fetch it again'));
  const at = h.volatileHeaderOffset * sectorBytes;
  const state = volatileHeader.decode(await readBytes(source, at, volatileHeader.bytes, signal));
  if (state.magic !== volatileMagic) {
    throw refuse('corrupt', `the volatile header has magic 0x${state.magic.toString(16)}`);
  }
  if (state.replayJournal !== 0n) {
    throw refuse(
      'unsupported',
      'its journal was not replayed: the last changes are not in place',
      'start and shut down the machine there once, or remove its snapshots, then copy the disk again',
    );
  }
  return layoutOf(h);
}

function checkPlaces(h: Header, fileBytes: number, corrupt: (message: string) => AppError): void {
  const largest = 2 ** 43; // sectors: sums of two stay countable in bytes
  const inFile = ['volatileHeader', 'grainDir'] as const;
  for (const part of [...inFile, 'grainTables', 'grains'] as const) {
    const [offset, size] = [h[`${part}Offset`], h[`${part}Size`]];
    if (offset < 1 || offset > largest || size > largest) throw corrupt(`${part} at ${offset}, size ${size}`);
  }
  for (const part of inFile) {
    const end = h[`${part}Offset`] + h[`${part}Size`];
    if (h[`${part}Size`] < 1 || end * sectorBytes > fileBytes) throw corrupt(`${part} ends at sector ${end}`);
  }
  const entries = Math.ceil(h.capacity / (8 * 4096));
  if (h.capacity > largest || entries * 8 > h.grainDirSize * sectorBytes) {
    throw corrupt(`a directory of ${h.grainDirSize} sectors for a disk of ${h.capacity}`);
  }
}

function layoutOf(h: Header): TableLayout {
  return {
    capacitySectors: h.capacity,
    grainSectors: h.grainSize,
    grainBytes: h.grainSize * sectorBytes,
    joins: true,
    entriesPerTable: 4096,
    entryBytes: 8,
    directorySector: h.grainDirOffset,
    firstSector: 1,
    // The top four bits say that there is a table, the low 32 which one.
    table(directory, index) {
      const [low, high] = [directory.readUInt32LE(index * 8), directory.readUInt32LE(index * 8 + 4)];
      if (low === 0 && high === 0) return 0;
      const inside = high === 0x10000000 && (low + 1) * h.grainTableSize <= h.grainTablesSize;
      return inside ? h.grainTablesOffset + low * h.grainTableSize : Number.NaN;
    },
    // The top four bits are the kind; the grain's number has its low 12 bits in front of the other 48.
    grain(table, at) {
      const [low, high] = [table.readUInt32LE(at), table.readUInt32LE(at + 4)];
      const kind = high >>> 28;
      if (kind === 0) return low === 0 && high === 0 ? 'hole' : Number.NaN;
      if (kind === 1 || kind === 2) return 'zero'; // unmapped by the guest, or written with zeros
      if (kind !== 3) return Number.NaN;
      const grain = ((high & 0xffff) * 2 ** 32 + low) * 4096 + ((high >>> 16) & 0xfff);
      const inside = (grain + 1) * h.grainSize <= h.grainsSize;
      return inside ? h.grainsOffset + grain * h.grainSize : Number.NaN;
    },
  };
}
