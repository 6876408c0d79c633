/** Makes by hand what no tool here makes: logs that are to be replayed, and differencing disks. [MS-VHDX]. */
import {
  blockStates,
  chunkRatio,
  encodeEntry,
  entryIndex,
  fileIdentifier,
  fileParameters,
  fileSignature,
  guids,
  header,
  headerOffsets,
  locatorEntry,
  locatorHeader,
  logDescriptor,
  logEntryHeader,
  metadataEntry,
  metadataHeader,
  parseGuid,
  regionEntry,
  regionTableBytes,
  regionTableHeader,
  regionTableOffsets,
  seal,
  virtualDiskSize,
} from '../../src/codecs/vhdx/layout.ts';
import { KiB, MiB } from '../../src/model/units.ts';

export const logOffset = MiB;
export const logLength = MiB;
/** In files of ours. */
export const metadataOffset = 2 * MiB;
export const tableOffset = 3 * MiB;
const logGuid = parseGuid('11112222-3333-4444-5555-666677778888');

export type Write =
  | { readonly at: number; readonly bytes: Buffer }
  | { readonly at: number; readonly zeros: number };

export interface Entry {
  readonly writes: readonly Write[];
  readonly sequence: number;
  /** Where it is in the log; behind the one before when not given, over the end where need be. */
  readonly at?: number;
  /** Where the sequence starts; at the first entry when not given. */
  readonly tail?: number;
  readonly guid?: Uint8Array;
  readonly flushed?: number;
  readonly last?: number;
  /** Changes the entry after its checksum was made. */
  readonly damage?: (bytes: Buffer) => void;
}

/** One entry, sealed. */
export function logEntry(entry: Entry, tail: number, fileSize: number): Buffer {
  const { writes, sequence } = entry;
  const head = Math.ceil((64 + writes.length * 32) / 4096) * 4096;
  const data = writes.filter((w) => 'bytes' in w);
  const out = Buffer.alloc(head + data.length * 4096);
  logEntryHeader
    .encode({
      signature: 'loge',
      entryLength: out.length,
      tail,
      sequenceNumber: BigInt(sequence),
      descriptorCount: writes.length,
      logGuid: entry.guid ?? logGuid,
      flushedFileOffset: BigInt(entry.flushed ?? fileSize),
      lastFileOffset: BigInt(entry.last ?? fileSize),
    })
    .copy(out);
  writes.forEach((write, i) => {
    const fields = { fileOffset: BigInt(write.at), sequenceNumber: BigInt(sequence) };
    const eight = Buffer.alloc(8);
    let descriptor: Buffer;
    if ('zeros' in write) {
      eight.writeBigUInt64LE(BigInt(write.zeros));
      descriptor = logDescriptor.encode({ signature: 'zero', leadingBytes: eight, ...fields });
    } else {
      const ends = {
        leadingBytes: write.bytes.subarray(0, 8),
        trailingBytes: write.bytes.subarray(4092, 4096),
      };
      descriptor = logDescriptor.encode({ signature: 'desc', ...ends, ...fields });
    }
    descriptor.copy(out, 64 + i * 32);
  });
  data.forEach((write, i) => {
    const at = head + i * 4096;
    write.bytes.copy(out, at, 0, 4096);
    out.write('data', at, 'latin1');
    out.writeUInt32LE(Math.floor(sequence / 2 ** 32), at + 4);
    out.writeUInt32LE(sequence % 2 ** 32, at + 4092);
  });
  return seal(out);
}

/** Puts the entries into the log of a file of ours (in place) and says so in its current header. */
export function putLog(file: Buffer, entries: readonly Entry[]): void {
  let at = entries[0]?.at ?? 0;
  const start = at;
  for (const entry of entries) {
    at = entry.at ?? at;
    const bytes = logEntry(entry, entry.tail ?? start, file.length);
    entry.damage?.(bytes);
    for (let done = 0; done < bytes.length; done += 4096) {
      bytes.copy(file, logOffset + ((at + done) % logLength), done, done + 4096);
    }
    at = (at + bytes.length) % logLength;
  }
  changeHeader(file, (bytes) => Buffer.from(logGuid).copy(bytes, 48));
}

/** Changes both headers and seals them again. */
export function changeHeader(file: Buffer, change: (header: Buffer) => void): void {
  for (const offset of headerOffsets) {
    const bytes = file.subarray(offset, offset + header.bytes);
    change(bytes);
    seal(bytes);
  }
}

export function changeRegions(file: Buffer, change: (table: Buffer) => void): void {
  for (const offset of regionTableOffsets) {
    const bytes = file.subarray(offset, offset + regionTableBytes);
    change(bytes);
    seal(bytes);
  }
}

export const dataWriteGuidOf = (file: Buffer): Uint8Array =>
  header.decode(file, headerOffsets[1]).dataWriteGuid;

export interface ChildBlock {
  readonly state: keyof typeof blockStates;
  /** The block's bytes, where it is present. */
  readonly bytes?: Buffer;
  /** Which sectors are here, where it is partially present. */
  readonly sectors?: readonly boolean[];
}

export interface ChildOf {
  readonly size: number;
  readonly blockSize: number;
  readonly sectorSize: number;
  readonly blocks: ReadonlyMap<number, ChildBlock>;
  readonly locator: Readonly<Record<string, string>>;
}

/** A differencing disk, 2.2 to 2.6, with a bitmap for every chunk. */
export function childFile({ size, blockSize, sectorSize, blocks, locator }: ChildOf): Buffer {
  const ratio = chunkRatio(blockSize, sectorSize);
  const chunks = Math.ceil(Math.ceil(size / blockSize) / ratio);
  const table = Buffer.alloc(Math.ceil((chunks * (ratio + 1) * 8) / MiB) * MiB);
  const parts: Buffer[] = [
    frontOf(table.length),
    Buffer.alloc(MiB),
    metadataOf(size, blockSize, sectorSize, locator),
    table,
  ];
  let end = tableOffset + table.length;
  const place = (index: number, state: number, bytes: Buffer) => {
    encodeEntry(table, index * 8, { state, offset: end });
    parts.push(bytes);
    end += bytes.length;
  };
  const bitmaps = Array.from({ length: chunks }, () => Buffer.alloc(MiB));
  for (const [chunk, bits] of bitmaps.entries()) place((chunk + 1) * (ratio + 1) - 1, 6, bits);
  for (const [block, { state, bytes, sectors }] of blocks) {
    if (bytes !== undefined) place(entryIndex(block, ratio), blockStates[state], bytes);
    else encodeEntry(table, entryIndex(block, ratio) * 8, { state: blockStates[state], offset: 0 });
    sectors?.forEach((here, i) => {
      const bit = (block % ratio) * (blockSize / sectorSize) + i;
      if (here) bitmaps[Math.floor(block / ratio)]![bit >> 3]! |= 1 << (bit & 7);
    });
  }
  return Buffer.concat(parts);
}

function frontOf(tableBytes: number): Buffer {
  const out = Buffer.alloc(MiB);
  fileIdentifier.encode({ signature: fileSignature }).copy(out);
  for (const [i, offset] of headerOffsets.entries()) {
    header
      .encode({
        signature: 'head',
        sequenceNumber: BigInt(7 + i),
        fileWriteGuid: parseGuid('aaaaaaaa-0000-4000-8000-000000000001'),
        dataWriteGuid: parseGuid('aaaaaaaa-0000-4000-8000-000000000002'),
        version: 1,
        logLength,
        logOffset: BigInt(logOffset),
      })
      .copy(out, offset);
  }
  changeHeader(out, () => undefined);
  for (const offset of regionTableOffsets) {
    regionTableHeader.encode({ signature: 'regi', entryCount: 2 }).copy(out, offset);
    const regions = [
      [guids.metadataRegion, metadataOffset, MiB],
      [guids.batRegion, tableOffset, tableBytes],
    ] as const;
    regions.forEach(([guid, at, length], i) => {
      const entry = { guid: parseGuid(guid), fileOffset: BigInt(at), length, required: 1 };
      regionEntry.encode(entry).copy(out, offset + 16 + i * 32);
    });
  }
  changeRegions(out, () => undefined);
  return out;
}

function metadataOf(
  size: number,
  blockSize: number,
  sectorSize: number,
  locator: Readonly<Record<string, string>>,
): Buffer {
  const u32 = (value: number) => Buffer.from(new Uint32Array([value]).buffer);
  const items: [string, number, Buffer][] = [
    [guids.fileParameters, 4, fileParameters.encode({ blockSize, flags: 2 })],
    [guids.virtualDiskSize, 6, virtualDiskSize.encode({ bytes: size })],
    [guids.virtualDiskId, 6, Buffer.from(parseGuid('aaaaaaaa-0000-4000-8000-000000000003'))],
    [guids.logicalSectorSize, 6, u32(sectorSize)],
    [guids.physicalSectorSize, 6, u32(4096)],
    [guids.parentLocator, 4, locatorOf(locator)],
  ];
  const out = Buffer.alloc(MiB);
  metadataHeader.encode({ signature: 'metadata', entryCount: items.length }).copy(out);
  let offset = 64 * KiB;
  items.forEach(([guid, flags, bytes], i) => {
    metadataEntry
      .encode({ itemId: parseGuid(guid), offset, length: bytes.length, flags })
      .copy(out, 32 + i * 32);
    bytes.copy(out, offset);
    offset += bytes.length;
  });
  return out;
}

function locatorOf(locator: Readonly<Record<string, string>>): Buffer {
  const pairs = Object.entries(locator);
  const head = [
    locatorHeader.encode({ locatorType: parseGuid(guids.parentLocatorVhdx), keyValueCount: pairs.length }),
  ];
  const texts: Buffer[] = [];
  let at = locatorHeader.bytes + pairs.length * locatorEntry.bytes;
  for (const pair of pairs) {
    const [key, value] = pair.map((text) => Buffer.from(text, 'utf16le')) as [Buffer, Buffer];
    const lengths = { keyLength: key.length, valueLength: value.length };
    head.push(locatorEntry.encode({ keyOffset: at, valueOffset: at + key.length, ...lengths }));
    texts.push(key, value);
    at += key.length + value.length;
  }
  return Buffer.concat([...head, ...texts]);
}
