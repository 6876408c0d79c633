/**
 * vmfsSparse, the copy-on-write extent of ESX snapshots ("COWD"): [VDF] "ESX Server Sparse Extents". Grains are
 * mostly one sector, tables have 4096 entries; what no grain holds is the parent's, which the descriptor names.
 */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { ascii, struct, u32 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { GrainTables, type TableLayout } from './grain-tables.ts';
import { cowdMagic, sectorBytes } from './layout.ts';
import { tabledDisk } from './sparse-extent.ts';

// [VDF] COWDisk_Header, four sectors.
export const cowdHeader = struct('COWD header', 2048, 'le', {
  magicNumber: [0, ascii(4)],
  version: [4, u32],
  flags: [8, u32],
  numSectors: [12, u32],
  grainSize: [16, u32],
  gdOffset: [20, u32],
  numGDEntries: [24, u32],
  freeSector: [28, u32],
  uncleanShutdown: [1648, u32],
});
const headerSectors = cowdHeader.bytes / sectorBytes;
const entriesPerTable = 4096;
/** Flags: 1 a root disk, 2 can be checked, 4 inconsistent. */
const knownFlags = 7;
const inconsistent = 4;

/** @throws AppError `corrupt`, `unsupported`. The source stays the caller's then. */
export async function openCowd(source: ByteSource, findings: Finding[], signal?: AbortSignal): Promise<Disk> {
  const layout = await readCowd(source, findings, signal);
  return tabledDisk(source, layout, await GrainTables.open(source, layout, signal));
}

/** The header, checked: where the tables are. */
export async function readCowd(
  source: ByteSource,
  findings: Finding[],
  signal?: AbortSignal,
): Promise<TableLayout> {
  const where = source.name;
  const corrupt = (message: string) =>
    new AppError('corrupt', `COWD header: ${message}`, {
      where,
      hint: 'the file is damaged; fetch it again',
    });
  const h = cowdHeader.decode(await readBytes(source, 0, Math.min(cowdHeader.bytes, source.size), signal));
  if (h.magicNumber !== cowdMagic) throw corrupt(`signature "${h.magicNumber}", expected "${cowdMagic}"`);
  if (h.version !== 1 || (h.flags & ~knownFlags) !== 0) {
    throw new AppError('unsupported', `COWD header: version ${h.version}, flags 0x${h.flags.toString(16)}`, {
      where,
    });
  }
  const { grainSize } = h;
  if (grainSize < 1 || grainSize > 2 ** 16 || (grainSize & (grainSize - 1)) !== 0) {
    throw corrupt(`grainSize ${grainSize}, expected a power of two up to 65536`);
  }
  const needed = Math.ceil(h.numSectors / grainSize / entriesPerTable);
  if (h.numGDEntries < needed) {
    throw corrupt(
      `a directory of ${h.numGDEntries} entries for ${h.numSectors} sectors, which need ${needed}`,
    );
  }
  if (h.uncleanShutdown !== 0 || (h.flags & inconsistent) !== 0) {
    findings.push({
      rule: 'vmdk.unclean-shutdown',
      severity: 'warning',
      message: 'the extent was not closed properly by its last user',
      evidence: where,
    });
  }
  return layoutOf(h.numSectors, grainSize, h.gdOffset);
}

function layoutOf(capacitySectors: number, grainSectors: number, directorySector: number): TableLayout {
  return {
    ...{ capacitySectors, grainSectors, directorySector, entriesPerTable },
    grainBytes: grainSectors * sectorBytes,
    joins: true,
    entryBytes: 4,
    firstSector: headerSectors,
    table: (directory, index) => directory.readUInt32LE(index * 4),
    grain: (table, at) => {
      const entry = table.readUInt32LE(at);
      return entry === 0 ? 'hole' : entry;
    },
  };
}
