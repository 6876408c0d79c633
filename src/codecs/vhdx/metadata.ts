/** The metadata region, 2.6: what the disk is. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Region } from './front.ts';
import {
  fileParameterFlags,
  fileParameters,
  formatGuid,
  guids,
  largestBlock,
  largestBytes,
  locatorEntry,
  locatorHeader,
  metadataEntry,
  metadataFlags,
  metadataHeader,
  metadataTableBytes,
  mostTableEntries,
  smallestBlock,
  virtualDiskSize,
} from './layout.ts';

export interface Metadata {
  readonly blockSize: number;
  readonly leaveBlocksAllocated: boolean;
  readonly virtualDiskSize: number;
  readonly logicalSectorSize: number;
  readonly physicalSectorSize: number | undefined;
  readonly virtualDiskId: string | undefined;
  /** The keys and values of the parent locator, of a differencing disk. */
  readonly parent: ReadonlyMap<string, string> | undefined;
}

interface Item {
  readonly offset: number;
  readonly length: number;
}

/** 2.6.1.2: no item is longer. */
const longestItem = 1024 * 1024;

/** @throws AppError `corrupt`, `unsupported`. */
export async function readMetadata(
  source: ByteSource,
  region: Region,
  signal?: AbortSignal,
): Promise<Metadata> {
  const where = `${source.name}, metadata at ${region.offset}`;
  const items = await readTable(source, region, where, signal);
  const item = async (guid: string, name: string, bytes: number) => {
    const found = items.get(guid);
    if (found === undefined) return undefined;
    if (found.length !== bytes)
      throw new AppError('corrupt', `VHDX ${name} of ${found.length} bytes, ${bytes} are expected`, {
        where,
      });
    return readBytes(source, found.offset, bytes, signal);
  };
  const needed = async (guid: string, name: string, bytes: number) => {
    const found = await item(guid, name, bytes);
    if (found === undefined) throw new AppError('corrupt', `VHDX without ${name}`, { where });
    return found;
  };
  const parameters = fileParameters.decode(await needed(guids.fileParameters, 'file parameters', 8));
  const size = virtualDiskSize.decode(await needed(guids.virtualDiskSize, 'virtual disk size', 8)).bytes;
  const sector = (await needed(guids.logicalSectorSize, 'logical sector size', 4)).readUInt32LE();
  const physical = (await item(guids.physicalSectorSize, 'physical sector size', 4))?.readUInt32LE();
  const id = await item(guids.virtualDiskId, 'virtual disk id', 16);
  checkGeometry(parameters.blockSize, parameters.flags, sector, size, where);
  const hasParent = (parameters.flags & fileParameterFlags.hasParent) !== 0;
  return {
    blockSize: parameters.blockSize,
    leaveBlocksAllocated: (parameters.flags & fileParameterFlags.leaveBlocksAllocated) !== 0,
    virtualDiskSize: size,
    logicalSectorSize: sector,
    physicalSectorSize: physical,
    virtualDiskId: id === undefined ? undefined : formatGuid(id),
    parent: hasParent ? await readLocator(source, items.get(guids.parentLocator), where, signal) : undefined,
  };
}

function checkGeometry(blockSize: number, flags: number, sector: number, size: number, where: string): void {
  if ((flags & ~(fileParameterFlags.leaveBlocksAllocated | fileParameterFlags.hasParent)) !== 0) {
    throw new AppError('unsupported', `VHDX file parameters 0x${flags.toString(16)} are not known`, {
      where,
    });
  }
  if (blockSize < smallestBlock || blockSize > largestBlock || !Number.isInteger(Math.log2(blockSize))) {
    throw new AppError(
      'corrupt',
      `VHDX block size ${blockSize}, a power of two from 1 to 256 MiB is expected`,
      {
        where,
      },
    );
  }
  if (sector !== 512 && sector !== 4096) {
    throw new AppError('corrupt', `VHDX logical sector of ${sector} bytes, 512 or 4096 is expected`, {
      where,
    });
  }
  if (size > largestBytes || size % sector !== 0) {
    throw new AppError(
      'corrupt',
      `VHDX disk of ${size} bytes, a multiple of ${sector} up to ${largestBytes} is expected`,
      { where },
    );
  }
}

/** The items, each checked to be inside the region; their offsets counted from the file's start. */
async function readTable(
  source: ByteSource,
  region: Region,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, Item>> {
  const bytes = await readBytes(source, region.offset, metadataTableBytes, signal);
  const { signature, entryCount } = metadataHeader.decode(bytes);
  if (signature !== 'metadata') throw new AppError('corrupt', 'no VHDX metadata table', { where });
  if (entryCount > mostTableEntries) {
    throw new AppError('corrupt', `VHDX metadata table of ${entryCount} entries, at most 2047 are possible`, {
      where,
    });
  }
  const known: readonly string[] = Object.values(guids);
  const items = new Map<string, Item>();
  for (let i = 0; i < entryCount; i++) {
    const { itemId, offset, length, flags } = metadataEntry.decode(
      bytes,
      metadataHeader.bytes + i * metadataEntry.bytes,
    );
    const guid = formatGuid(itemId);
    const user = (flags & metadataFlags.isUser) !== 0;
    if (user || !known.includes(guid)) {
      if ((flags & metadataFlags.isRequired) === 0) continue;
      throw new AppError('unsupported', `the VHDX needs metadata that is not known here, ${guid}`, { where });
    }
    const empty = offset === 0 && length === 0;
    if (!empty && (offset < metadataTableBytes || length > longestItem || offset > region.length - length)) {
      throw new AppError(
        'corrupt',
        `VHDX metadata ${guid}: ${length} bytes at ${offset}, outside its region`,
        {
          where,
        },
      );
    }
    if (items.has(guid)) throw new AppError('corrupt', `VHDX metadata ${guid} is there twice`, { where });
    items.set(guid, { offset: region.offset + offset, length });
  }
  return items;
}

/** 2.6.2.6. Keys are lower case as the spec writes them. */
async function readLocator(
  source: ByteSource,
  item: Item | undefined,
  where: string,
  signal: AbortSignal | undefined,
): Promise<Map<string, string>> {
  if (item === undefined || item.length < locatorHeader.bytes) {
    throw new AppError('corrupt', 'a differencing VHDX without a parent locator', { where });
  }
  const bytes = await readBytes(source, item.offset, item.length, signal);
  const { locatorType, keyValueCount } = locatorHeader.decode(bytes);
  const type = formatGuid(locatorType);
  if (type !== guids.parentLocatorVhdx) {
    throw new AppError(
      'unsupported',
      `a VHDX parent locator of type ${type}, only ${guids.parentLocatorVhdx} is known`,
      {
        where,
      },
    );
  }
  const text = (offset: number, length: number) => {
    if (offset > bytes.length - length || length % 2 !== 0)
      throw new AppError('corrupt', `VHDX parent locator: ${length} bytes at ${offset}, outside it`, {
        where,
      });
    return bytes.toString('utf16le', offset, offset + length).replace(/\0.*$/s, '');
  };
  if (keyValueCount * locatorEntry.bytes > bytes.length - locatorHeader.bytes) {
    throw new AppError(
      'corrupt',
      `VHDX parent locator of ${keyValueCount} entries in ${bytes.length} bytes`,
      {
        where,
      },
    );
  }
  const pairs = new Map<string, string>();
  for (let i = 0; i < keyValueCount; i++) {
    const entry = locatorEntry.decode(bytes, locatorHeader.bytes + i * locatorEntry.bytes);
    pairs.set(
      text(entry.keyOffset, entry.keyLength).toLowerCase(),
      text(entry.valueOffset, entry.valueLength),
    );
  }
  return pairs;
}
