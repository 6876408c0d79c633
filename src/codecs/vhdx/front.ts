/** The fixed structures of the first mebibyte: file identifier, the two headers, the two region tables. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { MiB } from '../../model/units.ts';
import {
  checksum,
  fileIdentifier,
  fileSignature,
  formatGuid,
  frontBytes,
  guids,
  type Header,
  header,
  headerOffsets,
  mostTableEntries,
  noGuid,
  regionEntry,
  regionTableBytes,
  regionTableHeader,
  regionTableOffsets,
} from './layout.ts';

/** The name of the program that made the file. @throws AppError `corrupt` without the mark. */
export async function readCreator(source: ByteSource, signal?: AbortSignal): Promise<string> {
  if (source.size < frontBytes) {
    throw new AppError('corrupt', `${source.size} bytes are too few for a VHDX`, { where: source.name });
  }
  const found = fileIdentifier.decode(await readBytes(source, 0, fileIdentifier.bytes, signal));
  if (found.signature !== fileSignature) {
    throw new AppError('corrupt', `no VHDX: "${fileSignature}" is not at its start`, { where: source.name });
  }
  const text = Buffer.from(found.creator).toString('utf16le').replace(/\0.*$/s, '');
  return text.replace(/[^\x20-\x7e]/g, '?');
}

export interface FoundHeader {
  readonly header: Header;
  readonly offset: number;
  readonly findings: readonly Finding[];
}

/**
 * The current header: of those with a right checksum the one with the higher sequence number (2.2.2).
 * @throws AppError `corrupt` when both are damaged, `unsupported` for another version.
 */
export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<FoundHeader> {
  const copies = await Promise.all(
    headerOffsets.map(async (offset) => ({
      offset,
      bytes: await readBytes(source, offset, header.bytes, signal),
    })),
  );
  const whole = copies
    .filter(({ bytes }) => isWhole(bytes, 'head'))
    .map(({ offset, bytes }) => ({ offset, bytes, header: header.decode(bytes) }));
  const [first, second] = whole;
  if (first === undefined) {
    throw new AppError('corrupt', `both VHDX headers are damaged: ${copies.map(describeCopy).join('; ')}`, {
      where: source.name,
      hint: 'the file is damaged; fetch it again',
    });
  }
  const newer =
    second !== undefined && second.header.sequenceNumber > first.header.sequenceNumber ? second : first;
  // Disk2vhd writes two equal ones; two different ones of one number leave nothing to choose by.
  if (second?.header.sequenceNumber === first.header.sequenceNumber && !second.bytes.equals(first.bytes)) {
    throw new AppError('corrupt', 'two different VHDX headers with one sequence number', {
      where: source.name,
    });
  }
  if (newer.header.version !== 1) {
    throw new AppError('unsupported', `VHDX version ${newer.header.version}, 1 is known`, {
      where: `${source.name} at ${newer.offset}`,
    });
  }
  const bad = copies.find(({ bytes }) => !isWhole(bytes, 'head'));
  const damaged: Finding = {
    rule: 'vhdx.header-damaged',
    severity: 'warning',
    message: `one of the two headers is damaged, the other is taken (${bad === undefined ? '' : describeCopy(bad)})`,
    evidence: source.name,
    remedy: "check the guest's filesystems; the file may be older than it looks",
  };
  return { header: newer.header, offset: newer.offset, findings: bad === undefined ? [] : [damaged] };
}

const isWhole = (bytes: Buffer, signature: string): boolean =>
  bytes.toString('latin1', 0, 4) === signature && bytes.readUInt32LE(4) === checksum(bytes);

function describeCopy({ offset, bytes }: { offset: number; bytes: Buffer }): string {
  const at = `at 0x${offset.toString(16)}`;
  const signature = bytes.toString('latin1', 0, 4);
  if (signature !== 'head' && signature !== 'regi') return `${at} no signature`;
  const found = bytes.readUInt32LE(4).toString(16);
  return `${at} checksum 0x${found}, expected 0x${checksum(bytes).toString(16)}`;
}

export interface Region {
  readonly guid: string;
  readonly offset: number;
  readonly length: number;
}

export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
  /** All, those that are not known as well. */
  readonly all: readonly Region[];
  readonly findings: readonly Finding[];
}

/**
 * The regions by the first region table that is whole, each checked to be inside the file (2.2.3).
 * @throws AppError `corrupt`, or `unsupported` when a region that is not known is required.
 */
export async function readRegions(source: ByteSource, signal?: AbortSignal): Promise<Regions> {
  const copies = await Promise.all(
    regionTableOffsets.map(async (offset) => ({
      offset,
      bytes: await readBytes(source, offset, regionTableBytes, signal),
    })),
  );
  const whole = copies.filter(({ bytes }) => isWhole(bytes, 'regi'));
  if (whole.length === 0) {
    throw new AppError(
      'corrupt',
      `both VHDX region tables are damaged: ${copies.map(describeCopy).join('; ')}`,
      {
        where: source.name,
        hint: 'the file is damaged; fetch it again',
      },
    );
  }
  const lists = whole.map(({ bytes, offset }) => decodeRegions(bytes, offset, source));
  const all = lists[0]!;
  if (lists[1] !== undefined && JSON.stringify(lists[1]) !== JSON.stringify(all)) {
    throw new AppError('corrupt', 'the two VHDX region tables say different things', { where: source.name });
  }
  const bat = all.find((r) => r.guid === guids.batRegion);
  const metadata = all.find((r) => r.guid === guids.metadataRegion);
  if (bat === undefined || metadata === undefined) {
    const missing = bat === undefined ? 'block allocation table' : 'metadata';
    throw new AppError('corrupt', `VHDX without a region of the ${missing}`, { where: source.name });
  }
  const bad = copies.find(({ bytes }) => !isWhole(bytes, 'regi'));
  const damaged: Finding = {
    rule: 'vhdx.region-table-damaged',
    severity: 'warning',
    message: `one of the two region tables is damaged, the other is taken (${bad === undefined ? '' : describeCopy(bad)})`,
    evidence: source.name,
  };
  return { bat, metadata, all, findings: bad === undefined ? [] : [damaged] };
}

function decodeRegions(bytes: Buffer, tableOffset: number, source: ByteSource): Region[] {
  const where = `${source.name} at ${tableOffset}`;
  const { entryCount } = regionTableHeader.decode(bytes);
  if (entryCount > mostTableEntries) {
    throw new AppError('corrupt', `VHDX region table of ${entryCount} entries, at most 2047 are possible`, {
      where,
    });
  }
  const regions: Region[] = [];
  for (let i = 0; i < entryCount; i++) {
    const entry = regionEntry.decode(bytes, regionTableHeader.bytes + i * regionEntry.bytes);
    const guid = formatGuid(entry.guid);
    const known = guid === guids.batRegion || guid === guids.metadataRegion;
    if (!known && (entry.required & 1) !== 0) {
      throw new AppError('unsupported', `the VHDX needs a region that is not known here, ${guid}`, { where });
    }
    if (regions.some((r) => r.guid === guid))
      throw new AppError('corrupt', `VHDX region ${guid} is there twice`, { where });
    regions.push({ guid, ...checkedRange(`VHDX region ${guid}`, entry.fileOffset, entry.length, source) });
  }
  return regions;
}

/** A range of whole mebibytes behind the front and inside the file. @throws AppError `corrupt`. */
export function checkedRange(
  what: string,
  offset: bigint,
  length: number,
  source: ByteSource,
): { offset: number; length: number } {
  const at = Number(offset);
  if (at % MiB !== 0 || at < frontBytes || length % MiB !== 0 || length === 0 || at > source.size - length) {
    throw new AppError(
      'corrupt',
      `${what}: ${length} bytes at ${offset}, whole mebibytes inside the file (${source.size} bytes) are expected`,
      { where: source.name, hint: 'the file may be cut short; fetch it again' },
    );
  }
  return { offset: at, length };
}

export const isNoGuid = (guid: Uint8Array): boolean => formatGuid(guid) === noGuid;
