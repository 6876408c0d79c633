/**
 * A hive whose last write did not end, and its logs: those of the new kind (Windows 8.1 and later) are applied, in
 * memory; those of the old kind are not, the hive stays dirty.
 *
 *   log of the new kind: base block (512) | "HvLE" entry | …
 *   an entry: header (40) | (offset, size) of each dirty page | the pages | padding to 512
 */
import { ascii, bits64, struct, u32 } from '../../../io/struct.ts';
import { checkInside, type Reader } from '../reader.ts';
import { baseBlock, baseBlockBytes, baseChecksum } from './layout.ts';
import { marvin32 } from './marvin32.ts';

const logEntry = struct('registry log entry', 40, 'le', {
  signature: [0, ascii(4)],
  bytes: [4, u32],
  flags: [8, u32],
  sequence: [12, u32],
  binsBytes: [16, u32],
  pageCount: [20, u32],
  /** Of all behind the header. */
  dataHash: [24, bits64],
  /** Of the 32 bytes before it. */
  headHash: [32, bits64],
});

const sectorBytes = 512;
const newLog = 6;
/** Windows itself refuses hives of 4 GiB; a page past this is damage. */
const maxHiveBytes = 2 ** 32;

interface Entry {
  readonly sequence: number;
  readonly binsBytes: number;
  readonly pages: readonly { readonly offset: number; readonly bytes: Buffer }[];
}

export interface Opened {
  readonly reader: Reader;
  readonly dirty: boolean;
  readonly replayed: number;
}

export async function applyLogs(file: Reader, logs: readonly Buffer[], where: string): Promise<Opened> {
  const head = await file.read(0, baseBlock.bytes);
  const base = baseBlock.decode(head);
  const sound = base.signature === 'regf' && baseChecksum(head) === base.checksum;
  if (sound && base.primarySequence === base.secondarySequence) {
    return { reader: file, dirty: false, replayed: 0 };
  }
  const usable = logs.flatMap((log) => {
    const found = readLog(log);
    return found === undefined ? [] : [found];
  });
  // Where the hive's own header is broken, a log's is taken, that of the log which was begun last.
  const newest = usable.reduce(
    (a, b) => (b.base.secondarySequence > a.base.secondarySequence ? b : a),
    usable[0]!,
  );
  const from = sound ? base : newest?.base;
  if (from === undefined) return { reader: file, dirty: true, replayed: 0 };
  const entries = runFrom(
    (sound ? usable : [newest!]).flatMap((log) => log.entries),
    from.secondarySequence,
  );
  if (entries.length === 0) return { reader: file, dirty: true, replayed: 0 };
  const last = entries.at(-1)!;
  const fresh = Buffer.from(sound ? head : newest!.head);
  fresh.writeUInt32LE(last.sequence, 4);
  fresh.writeUInt32LE(last.sequence, 8);
  fresh.writeUInt32LE(0, 28);
  fresh.writeUInt32LE(last.binsBytes, 40);
  fresh.writeUInt32LE(baseChecksum(fresh), 508);
  return { reader: overlaid(file, fresh, entries, where), dirty: false, replayed: entries.length };
}

/** The entries from this sequence number on, as long as none is missing. */
function runFrom(entries: readonly Entry[], start: number): Entry[] {
  const run: Entry[] = [];
  for (const entry of entries.toSorted((a, b) => a.sequence - b.sequence)) {
    if (entry.sequence < start) continue;
    if (run.length > 0 && entry.sequence !== run.at(-1)!.sequence + 1) break;
    run.push(entry);
  }
  return run;
}

function readLog(log: Buffer) {
  if (log.length < sectorBytes) return undefined;
  const head = log.subarray(0, baseBlock.bytes);
  const base = baseBlock.decode(head);
  if (base.signature !== 'regf' || base.fileType !== newLog || baseChecksum(head) !== base.checksum)
    return undefined;
  const entries: Entry[] = [];
  for (let at = sectorBytes; at + logEntry.bytes <= log.length; ) {
    const entry = readEntry(log, at);
    if (entry === undefined || (entries.length > 0 && entry.sequence !== entries.at(-1)!.sequence + 1)) break;
    entries.push(entry);
    at += entry.bytes;
  }
  return { head, base, entries };
}

/** Undefined for what is no whole entry: the rest of a log is what was there before. */
function readEntry(log: Buffer, at: number): (Entry & { bytes: number }) | undefined {
  const head = logEntry.decode(log, at);
  const { bytes, pageCount, binsBytes, sequence } = head;
  const pagesAt = logEntry.bytes + pageCount * 8;
  if (head.signature !== 'HvLE' || bytes % sectorBytes !== 0 || bytes > log.length - at || pagesAt > bytes)
    return undefined;
  const entry = log.subarray(at, at + bytes);
  if (marvin32(entry.subarray(0, 32)) !== head.headHash) return undefined;
  if (marvin32(entry.subarray(logEntry.bytes)) !== head.dataHash) return undefined;
  const pages: { offset: number; bytes: Buffer }[] = [];
  let from = pagesAt;
  for (let i = 0; i < pageCount; i++) {
    const offset = entry.readUInt32LE(logEntry.bytes + i * 8);
    const length = entry.readUInt32LE(logEntry.bytes + i * 8 + 4);
    if (offset % sectorBytes !== 0 || length % sectorBytes !== 0 || length > bytes - from) return undefined;
    if (offset + length > maxHiveBytes) return undefined;
    pages.push({ offset: baseBlockBytes + offset, bytes: entry.subarray(from, from + length) });
    from += length;
  }
  return { sequence, binsBytes, pages, bytes };
}

/** The file with the pages over it; zeros where neither has something. */
function overlaid(file: Reader, head: Buffer, entries: readonly Entry[], where: string): Reader {
  const sectors = new Map<number, Buffer>([[0, head]]);
  for (const { pages } of entries) {
    for (const { offset, bytes } of pages) {
      for (let at = 0; at < bytes.length; at += sectorBytes) {
        sectors.set((offset + at) / sectorBytes, bytes.subarray(at, at + sectorBytes));
      }
    }
  }
  const size = Math.max(file.size, baseBlockBytes + entries.at(-1)!.binsBytes);
  return {
    size,
    async read(offset, length) {
      checkInside(size, offset, length, where);
      const out = Buffer.alloc(length);
      const own = Math.max(0, Math.min(length, file.size - offset));
      if (own > 0) (await file.read(offset, own)).copy(out);
      for (let number = Math.floor(offset / sectorBytes); number * sectorBytes < offset + length; number++) {
        const start = number * sectorBytes;
        const over = sectors.get(number);
        over?.copy(out, Math.max(0, start - offset), Math.max(0, offset - start), offset + length - start);
      }
      return out;
    },
  };
}
