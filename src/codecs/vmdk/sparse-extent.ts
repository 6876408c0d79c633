/** One hosted sparse extent over a source that can be read at random, as a disk of its own; holes are holes. */
import type { ByteSource } from '../../io/byte-source.ts';
import { checkRange, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { ExtentList } from '../../io/extents.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { CompressedGrains } from './compressed-grains.ts';
import { type GrainRun, GrainTables, type TableLayout } from './grain-tables.ts';
import {
  entriesPerTable,
  markerStruct,
  markerType,
  parseHeader,
  type SparseHeader,
  sectorBytes,
} from './layout.ts';

export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<SparseHeader> {
  return parseHeader(await readBytes(source, 0, sectorBytes, signal), source.name);
}

/** @throws AppError `corrupt` when a table is not inside the file. */
export async function openSparseExtent(
  source: ByteSource,
  head: SparseHeader,
  findings: Finding[],
  signal?: AbortSignal,
): Promise<Disk> {
  const header = head.gdOffset === undefined ? await readFooter(source, head, signal) : head;
  const tables = await openTables(source, header, findings, signal);
  const grains = header.compressed ? new CompressedGrains(source, header, tables) : undefined;
  return tabledDisk(source, header, tables, grains);
}

/** The second directory and its tables serve where the first is damaged. */
async function openTables(
  source: ByteSource,
  header: SparseHeader,
  findings: Finding[],
  signal: AbortSignal | undefined,
): Promise<GrainTables> {
  try {
    return await GrainTables.open(source, hostedLayout(header, header.gdOffset), signal);
  } catch (error) {
    const damaged = error instanceof AppError && error.kind === 'corrupt';
    if (!damaged || header.rgdOffset === undefined) throw error;
    const second = await GrainTables.open(source, hostedLayout(header, header.rgdOffset), signal).catch(
      (other) => {
        throw other instanceof AppError && other.kind === 'corrupt' ? error : other;
      },
    );
    findings.push({
      rule: 'vmdk.redundant-directory',
      severity: 'warning',
      message: `${error.message}: the redundant grain directory is used instead`,
      evidence: source.name,
      remedy: 'the file is damaged: check the guest filesystems after the conversion',
    });
    return second;
  }
}

export function hostedLayout(header: SparseHeader, directorySector: number | undefined): TableLayout {
  const { capacitySectors, grainSectors, grainBytes, compressed, zeroedGrain } = header;
  return {
    ...{ capacitySectors, grainSectors, grainBytes, directorySector, entriesPerTable },
    joins: !compressed,
    entryBytes: 4,
    firstSector: Math.max(1, header.descriptorOffset + header.descriptorSectors),
    table: (directory, index) => directory.readUInt32LE(index * 4),
    grain(table, at) {
      const entry = table.readUInt32LE(at);
      if (entry === 0) return 'hole';
      return entry === 1 && zeroedGrain ? 'zero' : entry;
    },
  };
}

/** Closing it closes the source. */
export function tabledDisk(
  source: ByteSource,
  layout: Pick<TableLayout, 'capacitySectors' | 'grainBytes'>,
  tables: GrainTables,
  grains?: CompressedGrains,
): Disk {
  const size = layout.capacitySectors * sectorBytes;
  const named = { name: source.name, size };
  return {
    size,
    sectorSize: sectorBytes,
    async read(target, offset, abort) {
      checkRange(named, offset, target.length);
      const runs = await tables.runs(offset, offset + target.length, abort);
      for (const run of runs)
        if (run.kind !== 'data') target.fill(0, run.offset - offset, run.offset - offset + run.length);
      const data = runs.filter((run) => run.kind === 'data');
      if (grains !== undefined) return grains.read(target, offset, data, abort);
      await settled(data.map((run) => readPlain(source, layout.grainBytes, target, offset, run, abort)));
    },
    async extents(from, to, abort) {
      checkRange(named, from, to - from);
      const out = new ExtentList(from);
      for (const run of await tables.runs(from, to, abort)) out.push(run.kind, run.length);
      return out.list;
    },
    close: () => source.close(),
  };
}

function readPlain(
  source: ByteSource,
  grainBytes: number,
  target: Uint8Array,
  offset: number,
  run: GrainRun,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = run.offset - offset;
  const at = run.sector * sectorBytes + (run.offset % grainBytes);
  return source.read(target.subarray(start, start + run.length), at, signal);
}

/** All of them ended before an error is thrown: the target is the caller's again then. */
export async function settled(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** [VDF] "Stream-Optimized Compressed Sparse Extents": the last three sectors are marker, footer, end of stream. */
export async function readFooter(
  source: ByteSource,
  head: SparseHeader,
  signal?: AbortSignal,
): Promise<SparseHeader> {
  const where = source.name;
  const lost = (message: string) =>
    new AppError('corrupt', `VMDK footer: ${message}`, {
      where,
      hint: 'the file is cut short or damaged; fetch it again',
    });
  if (source.size < 4 * sectorBytes) throw lost(`the file has only ${source.size} bytes`);
  const at = source.size - (source.size % sectorBytes) - 3 * sectorBytes;
  const bytes = await readBytes(source, at, 3 * sectorBytes, signal);
  const marker = markerStruct.decode(bytes);
  const end = markerStruct.decode(bytes, 2 * sectorBytes);
  if (marker.size !== 0 || marker.type !== markerType.footer) throw lost(`no footer marker at offset ${at}`);
  if (end.value !== 0 || end.size !== 0 || end.type !== markerType.endOfStream)
    throw lost('no end-of-stream marker');
  const footer = parseHeader(bytes.subarray(sectorBytes, 2 * sectorBytes), `${where} (footer)`);
  if (footer.gdOffset === undefined) throw lost('it does not tell where the grain directory is');
  for (const field of ['capacitySectors', 'grainSectors', 'compressed'] as const) {
    if (footer[field] !== head[field])
      throw lost(`${field} is ${footer[field]}, in the header ${head[field]}`);
  }
  return { ...footer, descriptorOffset: head.descriptorOffset, descriptorSectors: head.descriptorSectors };
}
