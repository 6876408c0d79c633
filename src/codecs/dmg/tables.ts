/** The chunks of the disk: out of the property list, checked against the file and each other, in their order. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { child, largestXmlBytes, parseXml, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import {
  chunkStruct,
  chunkType,
  compressedTypes,
  largestChunk,
  sectorBytes,
  tableHeader,
  tableSignature,
  type trailer,
} from './layout.ts';

export type Trailer = ReturnType<typeof trailer.decode>;

/** In bytes; `offset` on the disk, `host` in the file. Without `type`: bytes as they are. */
export interface Chunk {
  readonly type: number;
  readonly offset: number;
  readonly length: number;
  readonly host: number;
  readonly stored: number;
}

const mostChunks = 2 ** 21;

/** The checksum of a block table, and what it is over; in bytes, in the table's order. */
export interface TableSum {
  readonly from: number;
  /** Absent for a kind that is not known here. */
  readonly crc32?: number;
  readonly covers: readonly { readonly offset: number; readonly length: number; readonly zero: boolean }[];
}
/** Of a checksum's type. */
const crc32Type = 2;

/** What holds bytes, ascending; what no chunk says is zeros. @throws AppError `corrupt`, `unsupported`. */
export async function readChunks(
  source: ByteSource,
  end: Trailer,
  signal: AbortSignal | undefined,
  noted?: (sum: TableSum) => void,
): Promise<Chunk[]> {
  const where = source.name;
  if (end.xmlLength > largestXmlBytes) {
    throw new AppError('unsupported', `a DMG with ${end.xmlLength} bytes of block tables`, { where });
  }
  if (end.xmlOffset + end.xmlLength > source.size) {
    throw new AppError('corrupt', `the DMG's block tables end at ${end.xmlOffset + end.xmlLength}`, {
      where,
      hint: 'the file is cut short or damaged; fetch it again',
    });
  }
  const list = await readBytes(source, end.xmlOffset, end.xmlLength, signal);
  const chunks: Chunk[] = [];
  for (const table of blockTables(list, where)) {
    const covered = addChunks(chunks, table, end, source);
    noted?.(covered);
  }
  chunks.sort((a, b) => a.offset - b.offset);
  for (let i = 1; i < chunks.length; i++) {
    const [before, chunk] = [chunks[i - 1]!, chunks[i]!];
    if (before.offset + before.length > chunk.offset) {
      throw new AppError('corrupt', `two chunks of the DMG hold sector ${chunk.offset / sectorBytes}`, {
        where,
      });
    }
  }
  return chunks;
}

/** plist → dict → resource-fork → blkx → [Data]. Keys come before their values, as siblings. */
function blockTables(bytes: Buffer, where: string): Buffer[] {
  const lost = (what: string) => new AppError('corrupt', `the DMG's property list has no ${what}`, { where });
  // It always has a DOCTYPE; without an internal subset there is nothing in it.
  const text = bytes.toString('latin1').replace(/<!DOCTYPE plist[^[>]*>/, '');
  const root = parseXml(Buffer.from(text, 'latin1'), where);
  const dictionary = child(root, 'dict');
  if (root.local !== 'plist' || dictionary === undefined) throw lost('dictionary');
  const fork = entryOf(dictionary, 'resource-fork');
  const tables = fork === undefined ? undefined : entryOf(fork, 'blkx');
  if (tables === undefined) throw lost('block tables');
  return tables.children.map((entry) => {
    const data = entryOf(entry, 'Data');
    if (data === undefined) throw lost('data in a block table');
    return Buffer.from(data.text, 'base64');
  });
}

function entryOf(dictionary: XmlElement, key: string): XmlElement | undefined {
  const at = dictionary.children.findIndex((e) => e.local === 'key' && e.text.trim() === key);
  return at < 0 ? undefined : dictionary.children[at + 1];
}

function addChunks(out: Chunk[], table: Buffer, end: Trailer, source: ByteSource): TableSum {
  const where = source.name;
  const corrupt = (message: string) =>
    new AppError('corrupt', `DMG block table: ${message}`, {
      where,
      hint: 'the file is damaged; fetch it again',
    });
  const head = tableHeader.decode(table);
  if (head.signature !== tableSignature) throw corrupt(`signature "${head.signature}"`);
  if (head.version !== 1)
    throw new AppError('unsupported', `DMG block table of version ${head.version}`, { where });
  if (head.sectorNumber + head.sectorCount > end.sectorCount) {
    throw corrupt(`sectors up to ${head.sectorNumber + head.sectorCount} of ${end.sectorCount}`);
  }
  const room = Math.floor((table.length - tableHeader.bytes) / chunkStruct.bytes);
  if (head.chunkCount > room) throw corrupt(`${head.chunkCount} chunks, and room for ${room}`);
  if (out.length + head.chunkCount > mostChunks)
    throw new AppError('unsupported', 'too many chunks', { where });
  const covers: { offset: number; length: number; zero: boolean }[] = [];
  for (let i = 0; i < head.chunkCount; i++) {
    const c = chunkStruct.decode(table, tableHeader.bytes + i * chunkStruct.bytes);
    if (c.type === chunkType.terminator) break;
    if (c.type === chunkType.comment || c.sectorCount === 0) continue;
    const first = head.sectorNumber + c.sectorNumber;
    if (first + c.sectorCount > end.sectorCount || c.sectorNumber + c.sectorCount > head.sectorCount) {
      throw corrupt(`a chunk of sectors ${first} to ${first + c.sectorCount} of ${end.sectorCount}`);
    }
    const zero = c.type === chunkType.zero || c.type === chunkType.ignore;
    // What is ignored does not count.
    if (c.type !== chunkType.ignore)
      covers.push({ offset: first * sectorBytes, length: c.sectorCount * sectorBytes, zero });
    if (zero) continue;
    const host = end.dataForkOffset + head.dataOffset + c.offset;
    const length = c.sectorCount * sectorBytes;
    if (!(host + c.length <= source.size)) throw corrupt(`a chunk of ${c.length} bytes at ${host}`);
    checkKind(c.type, length, c.length, where, corrupt);
    out.push({ type: c.type, offset: first * sectorBytes, length, host, stored: c.length });
  }
  const summed = head.checksumType === crc32Type && head.checksumBits === 32;
  return {
    from: head.sectorNumber * sectorBytes,
    ...(summed ? { crc32: head.checksum } : {}),
    covers,
  };
}

function checkKind(
  type: number,
  length: number,
  stored: number,
  where: string,
  corrupt: (message: string) => AppError,
): void {
  if (type === chunkType.raw) {
    if (stored !== length) throw corrupt(`a plain chunk of ${stored} bytes for ${length}`);
    return;
  }
  const method = compressedTypes.get(type);
  if (method === undefined) {
    throw new AppError('unsupported', `a DMG with chunks of type ${method ?? `0x${type.toString(16)}`}`, {
      where,
      hint: 'convert it on a Mac first: hdiutil convert IMAGE -format UDZO -o NEW',
    });
  }
  if (length > largestChunk) throw new AppError('unsupported', `a DMG chunk of ${length} bytes`, { where });
  if (stored === 0 || stored > 2 * length + 4096)
    throw corrupt(`a chunk of ${length} bytes stored in ${stored}`);
}
