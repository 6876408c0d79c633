/** Cells of a hive, and the lists and data made of them. Counts are bounded before they are believed. */
import { AppError } from '../../../model/errors.ts';
import { checkInside, type Reader } from '../reader.ts';
import { baseBlockBytes, nowhere, segmentBytes } from './layout.ts';

/** The largest allocation that a cell can ask for: a key of Windows has at most 1 MiB per value by default. */
const maxCellBytes = 16 * 1024 * 1024;
/** Far more than any key of a real system has. */
const maxEntries = 100_000;
const maxDataBytes = 16 * 1024 * 1024;

export interface Cells {
  /** The content of the cell at this offset, without its size field; it may be longer than what lies in it. */
  cell(offset: number, most?: number): Promise<Buffer>;
  /** Offsets of the key nodes in a list of subkeys, at any depth. */
  subkeyOffsets(list: number, count: number): Promise<number[]>;
  valueOffsets(list: number, count: number): Promise<number[]>;
  /** The error to throw for a cell that is not of this kind. */
  noSuch(kind: string, offset: number): AppError;
  /** `bytes` bytes of data of a value. */
  data(offset: number, bytes: number): Promise<Buffer>;
}

export function cellsOf(reader: Reader, binsBytes: number, bigData: boolean, where: string): Cells {
  const damaged = (message: string) =>
    new AppError('corrupt', message, {
      where,
      hint: 'the registry hive is damaged; Windows repairs it itself',
    });

  const cell = async (offset: number, most = maxCellBytes): Promise<Buffer> => {
    if (offset === nowhere || offset % 8 !== 0) throw damaged(`no cell can be at offset ${offset}`);
    checkInside(binsBytes, offset, 4, where);
    const size = -(await reader.read(baseBlockBytes + offset, 4)).readInt32LE(0);
    if (size < 8 || size > binsBytes - offset) throw damaged(`the cell at ${offset} has a size of ${size}`);
    return reader.read(baseBlockBytes + offset + 4, Math.min(size - 4, most, maxCellBytes));
  };

  const gather = async (list: number, found: number[], seen: Set<number>, depth: number): Promise<void> => {
    if (seen.has(list)) throw damaged(`the list of subkeys at ${list} is in itself`);
    seen.add(list);
    const bytes = await cell(list, 4 + 8 * 0xffff);
    const kind = bytes.toString('latin1', 0, 2);
    const step = kind === 'lf' || kind === 'lh' ? 8 : 4;
    if (step === 4 && kind !== 'li' && kind !== 'ri') throw damaged(`no list of subkeys at ${list}`);
    const count = bytes.readUInt16LE(2);
    if (4 + count * step > bytes.length)
      throw damaged(`the list at ${list} has ${count} entries and no room`);
    for (let i = 0; i < count; i++) {
      const entry = bytes.readUInt32LE(4 + i * step);
      if (kind !== 'ri') found.push(entry);
      else if (depth >= 2) throw damaged(`lists of lists at ${list}`);
      else await gather(entry, found, seen, depth + 1);
      if (found.length > maxEntries) throw damaged(`a key with more than ${maxEntries} subkeys`);
    }
  };

  return {
    cell,
    noSuch: (kind, offset) => damaged(`no sound "${kind}" at ${offset}`),
    async subkeyOffsets(list, count) {
      if (count === 0 || list === nowhere) return [];
      const found: number[] = [];
      await gather(list, found, new Set(), 0);
      return found;
    },
    async valueOffsets(list, count) {
      if (count === 0 || list === nowhere) return [];
      if (count > maxEntries) throw damaged(`a key with ${count} values`);
      const bytes = await cell(list);
      if (count * 4 > bytes.length) throw damaged(`a list of ${count} values in ${bytes.length} bytes`);
      return Array.from({ length: count }, (_, i) => bytes.readUInt32LE(i * 4));
    },
    async data(offset, bytes) {
      if (bytes > maxDataBytes) throw damaged(`a value of ${bytes} bytes`);
      const first = await cell(offset, bytes);
      if (bytes <= segmentBytes || !bigData || first.toString('latin1', 0, 2) !== 'db') {
        if (first.length < bytes) throw damaged(`a value of ${bytes} bytes in a cell of ${first.length}`);
        return first;
      }
      const count = first.readUInt16LE(2);
      if (count !== Math.ceil(bytes / segmentBytes)) throw damaged(`${bytes} bytes in ${count} segments`);
      const list = await cell(first.readUInt32LE(4));
      if (list.length < count * 4) throw damaged(`a list of ${count} segments in ${list.length} bytes`);
      const parts: Buffer[] = [];
      for (let i = 0; i < count; i++) {
        const length = Math.min(segmentBytes, bytes - i * segmentBytes);
        const part = await cell(list.readUInt32LE(i * 4), length);
        if (part.length < length) throw damaged(`segment ${i} of a value is cut short`);
        parts.push(part);
      }
      return Buffer.concat(parts);
    },
  };
}
