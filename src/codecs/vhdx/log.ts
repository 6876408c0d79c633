/**
 * The log, 2.3: a ring of entries, each of which writes whole 4 KiB sectors of metadata. A file that was not closed
 * properly holds changes that are only there. Here is found what to write; `replayed.ts` shows the file as if it had
 * been written.
 */
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { checksum, logDataSector, logDescriptor, logEntryHeader, logSectorBytes } from './layout.ts';

/** Hyper-V's log has 1 MiB. A dirty one is read as a whole. */
export const largestLog = 32 * MiB;

export type LogWrite =
  | { readonly kind: 'zero'; readonly offset: bigint; readonly length: bigint }
  /** `bytes()` copies: an entry that is not replayed after all costs nothing. */
  | { readonly kind: 'data'; readonly offset: bigint; bytes(): Buffer };

export interface LogEntry {
  /** From the start of the log, bytes. */
  readonly offset: number;
  readonly length: number;
  readonly tail: number;
  readonly sequenceNumber: bigint;
  readonly flushedFileOffset: bigint;
  readonly lastFileOffset: bigint;
  readonly writes: readonly LogWrite[];
}

/**
 * The active sequence (2.3.2): of all runs of valid entries with ascending numbers that hold the entry that their last
 * one calls its tail, the one with the highest number; from that tail on. Undefined when there is none.
 */
export function activeSequence(log: Buffer, logGuid: Uint8Array, where: string): LogEntry[] | undefined {
  const entryAt = entryReader(log, logGuid, where);
  let best: LogEntry[] | undefined;
  for (let tail = 0; tail < log.length; ) {
    const { entries, head } = runFrom(entryAt, tail, log.length);
    const last = entries.at(-1);
    if (last === undefined) {
      tail += logSectorBytes;
      continue;
    }
    const from = entries.findIndex((e) => e.offset === last.tail);
    if (from >= 0 && last.sequenceNumber > (best?.at(-1)?.sequenceNumber ?? 0n)) best = entries.slice(from);
    if (head <= tail) break; // it went over the end: all that follows was seen
    tail = head;
  }
  return best;
}

/** Entries one behind the other from `tail` on, with no number left out, once around at most. */
function runFrom(entryAt: (offset: number) => LogEntry | undefined, tail: number, ring: number) {
  const entries: LogEntry[] = [];
  let used = 0;
  for (;;) {
    const entry = entryAt((tail + used) % ring);
    const before = entries.at(-1);
    if (entry === undefined || used + entry.length > ring) break;
    if (before !== undefined && entry.sequenceNumber !== before.sequenceNumber + 1n) break;
    entries.push(entry);
    used += entry.length;
    if (used === ring) break;
  }
  return { entries, head: (tail + used) % ring };
}

/** Whether any sector could be the start of an entry under this GUID: else the log is as good as empty. */
export function holdsEntries(log: Buffer, logGuid: Uint8Array): boolean {
  for (let at = 0; at < log.length; at += logSectorBytes) if (startsEntry(log, at, logGuid)) return true;
  return false;
}

const startsEntry = (log: Buffer, at: number, logGuid: Uint8Array): boolean =>
  log.toString('latin1', at, at + 4) === 'loge' && log.subarray(at + 32, at + 48).equals(logGuid);

/** Reads the entry at an offset, each at most once; undefined for what is no valid entry. */
function entryReader(log: Buffer, logGuid: Uint8Array, where: string) {
  const known = new Map<number, LogEntry | undefined>();
  // Entries don't overlap, stale ones little; more than this is made to keep us busy.
  let budget = 4 * log.length;
  const read = (at: number): LogEntry | undefined => {
    if (!startsEntry(log, at, logGuid)) return undefined;
    const { entryLength } = logEntryHeader.decode(log, at);
    if (entryLength < logSectorBytes || entryLength % logSectorBytes !== 0 || entryLength > log.length)
      return;
    budget -= entryLength;
    if (budget < 0)
      throw new AppError('corrupt', 'the VHDX log is full of entries within entries', { where });
    const end = at + entryLength;
    const bytes =
      end <= log.length
        ? log.subarray(at, end)
        : Buffer.concat([log.subarray(at), log.subarray(0, end - log.length)]);
    return decodeEntry(bytes, at, log.length);
  };
  return (at: number): LogEntry | undefined => {
    if (!known.has(at)) known.set(at, read(at));
    return known.get(at);
  };
}

/** The entry, when its checksum is right and every descriptor and data sector belongs to it (2.3.1). */
function decodeEntry(bytes: Buffer, offset: number, ring: number): LogEntry | undefined {
  const head = logEntryHeader.decode(bytes);
  const { sequenceNumber, descriptorCount, tail } = head;
  if (sequenceNumber === 0n || tail % logSectorBytes !== 0 || tail >= ring) return undefined;
  const descriptorsEnd = logEntryHeader.bytes + descriptorCount * logDescriptor.bytes;
  if (descriptorsEnd > bytes.length || head.checksum !== checksum(bytes)) return undefined;
  const writes: LogWrite[] = [];
  let sector = Math.ceil(descriptorsEnd / logSectorBytes) * logSectorBytes;
  for (let at = logEntryHeader.bytes; at < descriptorsEnd; at += logDescriptor.bytes) {
    const descriptor = logDescriptor.decode(bytes, at);
    if (descriptor.sequenceNumber !== sequenceNumber) return undefined;
    const place = descriptor.fileOffset;
    if (place % BigInt(logSectorBytes) !== 0n) return undefined;
    if (descriptor.signature === 'zero') {
      const length = Buffer.from(descriptor.leadingBytes).readBigUInt64LE();
      if (length % BigInt(logSectorBytes) !== 0n) return undefined;
      writes.push({ kind: 'zero', offset: place, length });
    } else if (descriptor.signature === 'desc' && sector < bytes.length) {
      const data = dataSector(bytes.subarray(sector, sector + logSectorBytes), descriptor, sequenceNumber);
      if (data === undefined) return undefined;
      writes.push({ kind: 'data', offset: place, bytes: data });
      sector += logSectorBytes;
    } else return undefined;
  }
  const { flushedFileOffset, lastFileOffset } = head;
  return { offset, length: bytes.length, tail, sequenceNumber, flushedFileOffset, lastFileOffset, writes };
}

/** The 4 KiB to write: the middle from the sector, its ends from the descriptor. */
function dataSector(
  bytes: Buffer,
  ends: { readonly leadingBytes: Uint8Array; readonly trailingBytes: Uint8Array },
  sequenceNumber: bigint,
): (() => Buffer) | undefined {
  const { signature, sequenceHigh, sequenceLow } = logDataSector.decode(bytes);
  const number = (BigInt(sequenceHigh) << 32n) | BigInt(sequenceLow);
  if (signature !== 'data' || number !== sequenceNumber) return undefined;
  return () => {
    const out = Buffer.from(bytes);
    out.set(ends.leadingBytes, 0);
    out.set(ends.trailingBytes, logSectorBytes - 4);
    return out;
  };
}
