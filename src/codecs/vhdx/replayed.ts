/** A file as it is after its log was replayed, in memory: the file itself is never written to. */
import { type ByteSource, checkRange, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { TiB } from '../../model/units.ts';
import { checkedRange, isNoGuid } from './front.ts';
import { type Header, logSectorBytes, regionTableOffsets } from './layout.ts';
import { activeSequence, holdsEntries, type LogEntry, largestLog } from './log.ts';

/** The largest disk, and its tables twice over. */
const largestFile = 128 * TiB;
/** Sectors that zeros wipe out again: a real log has a few thousand, more is made to keep us busy. */
const mostDrops = 2 ** 24;

export interface Replayed {
  /** The file, or its view with the log applied. Closing it closes the file. */
  readonly source: ByteSource;
  readonly entries: number;
  readonly findings: readonly Finding[];
}

/**
 * @throws AppError `corrupt` when the log can't be replayed, `unsupported` for another version or a huge log.
 */
export async function replayLog(source: ByteSource, header: Header, signal?: AbortSignal): Promise<Replayed> {
  if (isNoGuid(header.logGuid)) return { source, entries: 0, findings: [] };
  const where = source.name;
  if (header.logVersion !== 0) {
    throw new AppError('unsupported', `VHDX log version ${header.logVersion}, 0 is known`, { where });
  }
  const { offset, length } = checkedRange('VHDX log', header.logOffset, header.logLength, source);
  if (length > largestLog) {
    throw new AppError(
      'unsupported',
      `a VHDX log of ${length} bytes to replay, at most ${largestLog} are read`,
      {
        where,
      },
    );
  }
  const log = await readBytes(source, offset, length, signal);
  if (!holdsEntries(log, header.logGuid)) {
    // 2.2.2: the GUID is set first, the entries are written afterwards.
    return { source, entries: 0, findings: [notClosed(source, 'its log is empty')] };
  }
  const entries = activeSequence(log, header.logGuid, where);
  const last = entries?.at(-1);
  if (entries === undefined || last === undefined) {
    throw new AppError('corrupt', 'the VHDX was not closed properly and its log is damaged', {
      where,
      hint: 'let the product that wrote it open it once, or fetch the file again',
    });
  }
  const writes = entries.reduce((sum, e) => sum + e.writes.length, 0);
  return {
    source: writes === 0 ? source : viewAfter(source, entries, last),
    entries: entries.length,
    findings: [
      notClosed(
        source,
        `${countOf(entries.length)} of its log ${entries.length === 1 ? 'is' : 'are'} applied while it is read`,
      ),
    ],
  };
}

const countOf = (entries: number): string => (entries === 1 ? '1 entry' : `${entries} entries`);

const notClosed = (source: ByteSource, rest: string): Finding => ({
  rule: 'vhdx.not-closed',
  severity: 'note',
  message: `the image was not closed properly, or is in use: ${rest}`,
  evidence: source.name,
  remedy: 'make sure that no machine is running on it',
});

function viewAfter(source: ByteSource, entries: readonly LogEntry[], last: LogEntry): ByteSource {
  const where = source.name;
  if (last.flushedFileOffset > BigInt(source.size)) {
    throw new AppError('corrupt', `the VHDX had ${last.flushedFileOffset} bytes, ${source.size} are left`, {
      where,
      hint: 'the file is cut short; fetch it again',
    });
  }
  if (last.lastFileOffset > BigInt(largestFile)) {
    throw new AppError('corrupt', `the VHDX log speaks of a file of ${last.lastFileOffset} bytes`, { where });
  }
  // 2.3.3: the file is made at least that long; what was not there is zeros.
  const size = Math.max(source.size, Number(last.lastFileOffset));
  return overlaid(source, size, collectWrites(entries, size, where));
}

interface Writes {
  /** By offset in the file; these win over the zeros. */
  readonly sectors: ReadonlyMap<number, Buffer>;
  readonly zeros: readonly { readonly from: number; readonly to: number }[];
}

/** All writes in their order, so that the last one of a place stays. */
function collectWrites(entries: readonly LogEntry[], size: number, where: string): Writes {
  const sectors = new Map<number, Buffer>();
  const zeros: { from: number; to: number }[] = [];
  let drops = 0;
  for (const write of entries.flatMap((e) => e.writes)) {
    const length = write.kind === 'zero' ? write.length : BigInt(logSectorBytes);
    if (write.offset < BigInt(regionTableOffsets[0]) || write.offset + length > BigInt(size)) {
      throw new AppError(
        'corrupt',
        `the VHDX log writes ${length} bytes at ${write.offset}, from ${regionTableOffsets[0]} to ${size} is possible`,
        { where },
      );
    }
    const from = Number(write.offset);
    const to = from + Number(length);
    if (write.kind === 'data') sectors.set(from, write.bytes());
    else if (to > from) {
      zeros.push({ from, to });
      drops += dropSectors(sectors, from, to);
      if (drops > mostDrops)
        throw new AppError('corrupt', 'the VHDX log is full of zeros over data', { where });
    }
  }
  return { sectors, zeros: merged(zeros) };
}

/** @returns how many places were looked at. */
function dropSectors(sectors: Map<number, Buffer>, from: number, to: number): number {
  const places = (to - from) / logSectorBytes;
  const steps = Math.min(places, sectors.size);
  if (places === steps) for (let at = from; at < to; at += logSectorBytes) sectors.delete(at);
  else for (const at of sectors.keys()) if (at >= from && at < to) sectors.delete(at);
  return steps;
}

/** Ascending, without overlaps. */
function merged(ranges: { from: number; to: number }[]): { from: number; to: number }[] {
  const out: { from: number; to: number }[] = [];
  for (const range of ranges.sort((a, b) => a.from - b.from)) {
    const before = out.at(-1);
    if (before !== undefined && range.from <= before.to) before.to = Math.max(before.to, range.to);
    else out.push({ ...range });
  }
  return out;
}

/** Without `extents`: the file's holes say nothing of what the log wrote. */
function overlaid(source: ByteSource, size: number, { sectors, zeros }: Writes): ByteSource {
  return {
    name: source.name,
    size,
    access: source.access,
    async read(target, offset, signal) {
      checkRange({ name: source.name, size }, offset, target.length);
      const end = offset + target.length;
      const stored = Math.max(0, Math.min(target.length, source.size - offset));
      if (stored > 0) await source.read(target.subarray(0, stored), offset, signal);
      target.fill(0, stored);
      for (let i = firstAfter(zeros, offset); i < zeros.length && zeros[i]!.from < end; i++) {
        target.fill(0, Math.max(0, zeros[i]!.from - offset), Math.min(end, zeros[i]!.to) - offset);
      }
      for (let at = offset - (offset % logSectorBytes); at < end; at += logSectorBytes) {
        const sector = sectors.get(at);
        if (sector === undefined) continue;
        const from = Math.max(at, offset);
        const to = Math.min(at + logSectorBytes, end);
        target.set(sector.subarray(from - at, to - at), from - offset);
      }
    },
    close: () => source.close(),
  };
}

/** The index of the first range that ends after `offset`. */
function firstAfter(ranges: readonly { readonly to: number }[], offset: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (ranges[middle]!.to > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}
