/** One hosted sparse extent over a source that can be read at random, as a disk of its own; holes are holes. */
import type { ByteSource } from '../../io/byte-source.ts';
import { checkRange, readBytes } from '../../io/byte-source.ts';
import type { Disk } from '../../io/disk.ts';
import { ExtentList } from '../../io/extents.ts';
import { AppError } from '../../model/errors.ts';
import { CompressedGrains } from './compressed-grains.ts';
import { type GrainRun, GrainTables } from './grain-tables.ts';
import { markerStruct, markerType, parseHeader, type SparseHeader, sectorBytes } from './layout.ts';

export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<SparseHeader> {
  return parseHeader(await readBytes(source, 0, sectorBytes, signal), source.name);
}

/** @throws AppError `corrupt` when a table is not inside the file. */
export async function openSparseExtent(
  source: ByteSource,
  head: SparseHeader,
  signal?: AbortSignal,
): Promise<Disk> {
  const header = head.gdOffset === undefined ? await readFooter(source, head, signal) : head;
  const size = header.capacitySectors * sectorBytes;
  const tables = await GrainTables.open(source, header, signal);
  const grains = header.compressed ? new CompressedGrains(source, header, tables) : undefined;
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
      await settled(data.map((run) => readPlain(source, header, target, offset, run, abort)));
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
  header: SparseHeader,
  target: Uint8Array,
  offset: number,
  run: GrainRun,
  signal: AbortSignal | undefined,
): Promise<void> {
  const start = run.offset - offset;
  const at = run.sector * sectorBytes + (run.offset % header.grainBytes);
  return source.read(target.subarray(start, start + run.length), at, signal);
}

/** All of them ended before an error is thrown: the target is the caller's again then. */
export async function settled(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work)) if (result.status === 'rejected') throw result.reason;
}

/** [VDF] "Stream-Optimized Compressed Sparse Extents": the last three sectors are marker, footer, end of stream. */
async function readFooter(
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
