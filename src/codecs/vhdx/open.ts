/** Opens a VHDX; what each structure must keep is checked before it is used. */
import type { ByteSource } from '../../io/byte-source.ts';
import { overlay } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { blockDisk } from './blocks-of.ts';
import { readCreator, readHeader, readRegions } from './front.ts';
import { formatGuid, frontBytes, type Header } from './layout.ts';
import { type Metadata, readMetadata } from './metadata.ts';
import { openParent } from './parent.ts';
import { replayLog } from './replayed.ts';
import { openTable } from './table.ts';

export async function openVhdx(file: ByteSource, context: OpenContext): Promise<OpenImage> {
  const { signal } = context;
  if (file.access === 'forward') {
    throw new AppError('unsupported', 'a VHDX can not be read from a stream', {
      where: file.name,
      hint: 'store it in a file first',
    });
  }
  const { source, table, metadata, ...found } = await openStructure(file, signal);
  const layer = blockDisk(source, table, metadata);
  const info = infoOf(source, { metadata, ...found }, [
    ...found.findings,
    ...sectorFindings(source, metadata),
  ]);
  if (metadata.parent === undefined) return { ...layer, info };
  const parent = await openParent(metadata.parent, source.name, context);
  return { ...overlay(layer, parent), info: { ...info, parent: parent.info } };
}

/** All but the data: each structure checked, the log replayed. @throws AppError `corrupt`, `unsupported`. */
export async function openStructure(file: ByteSource, signal?: AbortSignal) {
  const creator = await readCreator(file, signal);
  const { header, findings } = await readHeader(file, signal);
  const replayed = await replayLog(file, header, signal);
  const { source } = replayed;
  const regions = await readRegions(source, signal);
  const metadata = await readMetadata(source, regions.metadata, signal);
  const structures = [{ offset: 0, length: frontBytes }, ...logRange(header, source), ...regions.all];
  const table = await openTable({ source, region: regions.bat, metadata, structures }, signal);
  return {
    ...{ source, creator, header, metadata, table, logEntries: replayed.entries },
    findings: [...findings, ...replayed.findings, ...regions.findings],
  };
}

/** The log's place, where it has a proper one: an empty log need not be there. */
function logRange({ logOffset, logLength }: Header, source: ByteSource) {
  const offset = Number(logOffset);
  const placed = offset >= frontBytes && offset % frontBytes === 0 && offset <= source.size - logLength;
  return placed ? [{ offset, length: logLength }] : [];
}

/** Partition tables count in sectors: on a disk of another sector nothing is found. */
function sectorFindings(source: ByteSource, { logicalSectorSize }: Metadata): Finding[] {
  if (logicalSectorSize === 512) return [];
  return [
    {
      rule: 'vhdx.large-sectors',
      severity: 'warning',
      message: `the disk has logical sectors of ${logicalSectorSize} bytes; the guest needs the same at the destination`,
      evidence: source.name,
      remedy: 'write a vhdx with logicalSectorSize=4096, or give the virtual disk such sectors there',
    },
  ];
}

interface Facts {
  readonly creator: string;
  readonly header: Header;
  readonly metadata: Metadata;
  readonly logEntries: number;
}

function infoOf(source: ByteSource, facts: Facts, findings: readonly Finding[]): ImageInfo {
  const { metadata, header } = facts;
  const { parent, leaveBlocksAllocated, physicalSectorSize, virtualDiskId } = metadata;
  return {
    format: 'vhdx',
    variant: parent !== undefined ? 'differencing' : leaveBlocksAllocated ? 'fixed' : 'dynamic',
    details: {
      ...(facts.creator === '' ? {} : { creator: facts.creator }),
      blockSize: metadata.blockSize,
      logicalSectorSize: metadata.logicalSectorSize,
      ...(physicalSectorSize === undefined ? {} : { physicalSectorSize }),
      ...(virtualDiskId === undefined ? {} : { virtualDiskId }),
      dataWriteGuid: formatGuid(header.dataWriteGuid),
      sequenceNumber: header.sequenceNumber.toString(),
      logEntriesReplayed: facts.logEntries,
      ...(parent === undefined ? {} : { parentLinkage: parent.get('parent_linkage') ?? '' }),
    },
    virtualSizeBytes: metadata.virtualDiskSize,
    files: [source.name],
    findings,
  };
}
