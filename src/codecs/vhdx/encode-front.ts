/** The structures of a new file that don't depend on its data. */
import type { Chunk } from '../../io/encoded-file.ts';
import { KiB, MiB } from '../../model/units.ts';
import {
  fileIdentifier,
  fileParameterFlags,
  fileParameters,
  fileSignature,
  freshGuid,
  guids,
  header,
  headerOffsets,
  metadataEntry,
  metadataFlags,
  metadataHeader,
  metadataTableBytes,
  parseGuid,
  regionEntry,
  regionTableBytes,
  regionTableHeader,
  regionTableOffsets,
  seal,
  virtualDiskSize,
} from './layout.ts';

/** Where everything goes; offsets and sizes in bytes. */
export interface Shape {
  readonly size: number;
  readonly blockSize: number;
  readonly sectorSize: number;
  readonly fixed: boolean;
  readonly blocks: number;
  readonly ratio: number;
  readonly tableOffset: number;
  readonly tableBytes: number;
  readonly dataOffset: number;
}

const logOffset = MiB;
const metadataOffset = 2 * MiB;
/** Hyper-V's own choice, whatever the logical sector is. */
const physicalSectorSize = 4096;

/** The front, and the metadata. What is between them, the empty log, is zeros. */
export function* frontChunks(shape: Shape): Generator<Chunk> {
  const front = Buffer.alloc(regionTableOffsets[1] + regionTableBytes);
  const creator = Buffer.alloc(512);
  creator.write('vmferry', 'utf16le');
  fileIdentifier.encode({ signature: fileSignature, creator }).copy(front);
  const ids = { fileWriteGuid: freshGuid(), dataWriteGuid: freshGuid() };
  headerOffsets.forEach((offset, i) => {
    const fields = { signature: 'head', sequenceNumber: BigInt(i + 1), version: 1, ...ids };
    seal(header.encode({ ...fields, logLength: MiB, logOffset: BigInt(logOffset) })).copy(front, offset);
  });
  for (const offset of regionTableOffsets) regionTable(shape).copy(front, offset);
  yield { offset: 0, bytes: front };
  yield { offset: metadataOffset, bytes: metadataOf(shape) };
}

function regionTable({ tableOffset, tableBytes }: Shape): Buffer {
  const out = Buffer.alloc(regionTableBytes);
  regionTableHeader.encode({ signature: 'regi', entryCount: 2 }).copy(out);
  const regions = [
    { guid: guids.batRegion, offset: tableOffset, length: tableBytes },
    { guid: guids.metadataRegion, offset: metadataOffset, length: MiB },
  ];
  regions.forEach(({ guid, offset, length }, i) => {
    const entry = { guid: parseGuid(guid), fileOffset: BigInt(offset), length, required: 1 };
    regionEntry.encode(entry).copy(out, regionTableHeader.bytes + i * regionEntry.bytes);
  });
  return seal(out);
}

function metadataOf({ size, blockSize, sectorSize, fixed }: Shape): Buffer {
  const u32 = (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return bytes;
  };
  const { isRequired, isVirtualDisk } = metadataFlags;
  const flags = fixed ? fileParameterFlags.leaveBlocksAllocated : 0;
  const ofDisk = isRequired | isVirtualDisk;
  const items: [guid: string, flags: number, bytes: Uint8Array][] = [
    [guids.fileParameters, isRequired, fileParameters.encode({ blockSize, flags })],
    [guids.virtualDiskSize, ofDisk, virtualDiskSize.encode({ bytes: size })],
    [guids.virtualDiskId, ofDisk, freshGuid()],
    [guids.logicalSectorSize, ofDisk, u32(sectorSize)],
    [guids.physicalSectorSize, ofDisk, u32(physicalSectorSize)],
  ];
  const out = Buffer.alloc(metadataTableBytes + 4 * KiB);
  metadataHeader.encode({ signature: 'metadata', entryCount: items.length }).copy(out);
  let offset = metadataTableBytes;
  items.forEach(([guid, flags, bytes], i) => {
    const entry = { itemId: parseGuid(guid), offset, length: bytes.length, flags };
    metadataEntry.encode(entry).copy(out, metadataHeader.bytes + i * metadataEntry.bytes);
    out.set(bytes, offset);
    offset += bytes.length;
  });
  return out;
}
