/** Opens a VHD; what each structure must keep is checked before it is used. */
import { type ByteSource, readBytes, windowOf } from '../../io/byte-source.ts';
import { type Disk, holesAsZeros, overlay, sourceDisk } from '../../io/disk.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { blockDisk, coversSize, readBlockMap } from './block-map.ts';
import { creatorOf, diskSize, type FoundFooter, findFooter, type SizeReading } from './footer.ts';
import {
  checksum,
  type DynamicHeader,
  diskTypes,
  dynamicHeader,
  footerBytes,
  formatUniqueId,
  formatVersion,
  headerBytes,
  headerChecksumAt,
  headerCookie,
  noDataOffset,
} from './layout.ts';
import { openParent } from './parent.ts';

export async function openVhd(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const found = await findFooter(source, context.signal);
  switch (found.footer.diskType) {
    case diskTypes.fixed:
      return openFixed(source, found);
    case diskTypes.dynamic:
    case diskTypes.differencing:
      return openDynamic(source, found, context);
    default:
      throw new AppError('unsupported', `VHD disk type ${found.footer.diskType}, known are 2, 3 and 4`, {
        where: source.name,
      });
  }
}

function openFixed(source: ByteSource, found: FoundFooter): OpenImage {
  const fits = (bytes: number) => bytes <= found.dataEnd;
  const size = diskSize(found.footer, fits);
  if (!fits(size.bytes)) {
    throw new AppError('corrupt', `a fixed VHD of ${size.bytes} bytes in a file of ${source.size}`, {
      where: source.name,
      hint: 'the file is cut short; fetch it again',
    });
  }
  const data = sourceDisk(windowOf(source, 0, size.bytes));
  const disk: Disk = {
    ...data,
    async read(target, offset, signal) {
      throwIfAborted(signal);
      await data.read(target, offset, signal);
    },
    close: () => source.close(),
  };
  return { ...disk, info: infoOf(source, found, size, 'fixed', {}) };
}

async function openDynamic(source: ByteSource, found: FoundFooter, context: OpenContext): Promise<OpenImage> {
  const { header, offset } = await readHeader(source, found, context.signal);
  const size = diskSize(found.footer, (bytes) => coversSize(header, bytes));
  const map = await readBlockMap(source, header, offset, size.bytes, found.dataEnd, context.signal);
  const blocks = blockDisk(source, map, size.bytes);
  const facts = { blockSize: header.blockSize };
  const close = () => source.close();
  if (found.footer.diskType === diskTypes.dynamic) {
    const disk: Disk = { ...withoutParent(blocks), close };
    return { ...disk, info: infoOf(source, found, size, 'dynamic', facts) };
  }
  const parent = await openParent(source, header, context);
  const info = infoOf(source, found, size, 'differencing', facts);
  return { ...overlay({ ...blocks, close }, parent), info: { ...info, parent: parent.info } };
}

/** What the disk does not hold is zeros; bytes under a clear bit are never shown, whatever they are. */
function withoutParent(blocks: Disk): Disk {
  return {
    ...blocks,
    async read(target, offset, signal) {
      const parts = await blocks.extents(offset, offset + target.length, signal);
      const data = parts.filter((e) => e.kind === 'data');
      const [first, last] = [data[0], data.at(-1)];
      // One read for a whole stretch: sectors that are not there are taken out afterwards.
      if (first !== undefined && last !== undefined) {
        await blocks.read(
          target.subarray(first.offset - offset, last.offset + last.length - offset),
          first.offset,
          signal,
        );
      }
      for (const e of parts) {
        if (e.kind !== 'data') target.fill(0, e.offset - offset, e.offset - offset + e.length);
      }
    },
    extents: async (from, to, signal) => holesAsZeros(await blocks.extents(from, to, signal), from),
  };
}

export async function readHeader(
  source: ByteSource,
  found: FoundFooter,
  signal: AbortSignal | undefined,
): Promise<{ header: DynamicHeader; offset: number }> {
  const at = found.footer.dataOffset;
  if (at === noDataOffset || at < BigInt(footerBytes) || at > BigInt(source.size - headerBytes)) {
    throw new AppError('corrupt', `VHD dynamic header at 0x${at.toString(16)}, outside the file`, {
      where: source.name,
    });
  }
  const offset = Number(at);
  const where = `${source.name} at ${offset}`;
  const bytes = await readBytes(source, offset, headerBytes, signal);
  const header = dynamicHeader.decode(bytes);
  if (header.cookie !== headerCookie)
    throw new AppError('corrupt', 'no VHD dynamic header ("cxsparse")', { where });
  const sum = checksum(bytes, headerChecksumAt);
  if (header.checksum !== sum) {
    throw new AppError(
      'corrupt',
      `VHD dynamic header: checksum 0x${header.checksum.toString(16)}, expected 0x${sum.toString(16)}`,
      { where },
    );
  }
  if (header.headerVersion !== formatVersion) {
    throw new AppError(
      'unsupported',
      `VHD dynamic header version 0x${header.headerVersion.toString(16)}, 1.0 is known`,
      { where },
    );
  }
  return { header, offset };
}

function infoOf(
  source: ByteSource,
  { footer, findings }: FoundFooter,
  size: SizeReading,
  variant: string,
  facts: Record<string, number>,
): ImageInfo {
  const saved: Finding[] =
    footer.savedState === 0
      ? []
      : [
          {
            rule: 'vhd.saved-state',
            severity: 'warning',
            message: 'the machine was saved while it ran; what it held in memory is not in this disk',
            evidence: source.name,
            remedy: 'start it where it is and shut it down',
          },
        ];
  return {
    format: 'vhd',
    variant,
    details: {
      creator: creatorOf(footer),
      currentSize: footer.currentSize,
      geometry: `${footer.cylinders}/${footer.heads}/${footer.sectorsPerTrack}`,
      sizeFrom: size.from,
      uniqueId: formatUniqueId(footer.uniqueId),
      ...facts,
    },
    virtualSizeBytes: size.bytes,
    files: [source.name],
    findings: [...findings, ...size.findings, ...saved].map((f) => ({ evidence: source.name, ...f })),
  };
}
