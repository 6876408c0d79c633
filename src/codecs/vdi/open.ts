/** Opens a VDI with its chain. */
import type { ByteSource } from '../../io/byte-source.ts';
import { overlay } from '../../io/disk.ts';
import { AppError } from '../../model/errors.ts';
import type { ImageInfo, OpenContext, OpenImage } from '../codec.ts';
import { blockPieces, mappedDisk } from '../mapped-disk.ts';
import { blockOffset, readBlockMap, readHeader } from './header.ts';
import { absentBlock, formatUuid, type Header, imageTypes, isNullUuid, zeroBlock } from './layout.ts';
import { openParent } from './parent.ts';

export async function openVdi(source: ByteSource, context: OpenContext): Promise<OpenImage> {
  const header = await readHeader(source, context.signal);
  const differencing = header.imageType === imageTypes.differencing;
  if (!differencing && !isNullUuid(header.uuidLink)) {
    throw new AppError('unsupported', 'a VDI that names a parent but is not of the differencing type', {
      where: source.name,
    });
  }
  const map = await readBlockMap(source, header, context.signal);
  const disk = mappedDisk({
    source,
    size: header.diskSize,
    absent: differencing ? 'hole' : 'zero',
    pieces: (from, to) =>
      blockPieces(from, to, header.blockSize, (block) => {
        const place = map[block]!;
        if (place === absentBlock) return 'hole';
        return place === zeroBlock ? 'zero' : blockOffset(header, place);
      }),
  });
  const info = infoOf(source, header);
  if (!differencing) return { ...disk, info };
  const parent = await openParent(source, header, context);
  return { ...overlay(disk, parent), info: { ...info, parent: parent.info } };
}

function infoOf(source: ByteSource, header: Header): ImageInfo {
  const [variant] = Object.entries(imageTypes).find(([, type]) => type === header.imageType)!;
  return {
    format: 'vdi',
    variant,
    details: {
      blockSize: header.blockSize,
      blockExtraBytes: header.blockExtraBytes,
      blocksAllocated: header.blocksAllocated,
      uuid: formatUuid(header.uuidCreate),
      uuidModify: formatUuid(header.uuidModify),
      ...(isNullUuid(header.uuidLink) ? {} : { uuidParent: formatUuid(header.uuidLink) }),
      ...(header.comment === '' ? {} : { comment: header.comment }),
    },
    virtualSizeBytes: header.diskSize,
    files: [source.name],
    findings: [],
  };
}
