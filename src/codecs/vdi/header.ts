/** Reading the header and the block map; every number is checked against the file before it is used. */
import { type ByteSource, readBytes } from '../../io/byte-source.ts';
import { AppError } from '../../model/errors.ts';
import { KiB, MiB } from '../../model/units.ts';
import {
  absentBlock,
  type Header,
  header,
  imageTypes,
  largestTableBytes,
  preheaderBytes,
  sectorBytes,
  signature,
  signatureAt,
  smallestHeaderBytes,
  version11,
  zeroBlock,
} from './layout.ts';

export async function hasSignature(source: ByteSource, signal?: AbortSignal): Promise<boolean> {
  if (source.size < preheaderBytes) return false;
  return (await readBytes(source, signatureAt, 4, signal)).readUInt32LE(0) === signature;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readHeader(source: ByteSource, signal?: AbortSignal): Promise<Header> {
  const where = source.name;
  if (!(await hasSignature(source, signal)))
    throw new AppError('corrupt', 'no VDI signature at 64', { where });
  const version = (await readBytes(source, signatureAt + 4, 4, signal)).readUInt32LE(0);
  if (version !== version11) {
    throw new AppError('unsupported', `VDI version ${version >>> 16}.${version & 0xffff}, 1.1 is known`, {
      where,
      hint: 'let VirtualBox write it again: VBoxManage clonemedium',
    });
  }
  if (source.size < header.bytes) throw new AppError('corrupt', 'the VDI header is cut short', { where });
  const found = header.decode(await readBytes(source, 0, header.bytes, signal));
  checkHeader(found, source);
  return found;
}

function checkHeader(h: Header, source: ByteSource): void {
  const refuse = (kind: 'corrupt' | 'unsupported', message: string) =>
    new AppError(kind, message, { where: source.name });
  if (h.headerBytes < smallestHeaderBytes || h.headerBytes > 64 * KiB) {
    throw refuse('corrupt', `VDI header of ${h.headerBytes} bytes, ${smallestHeaderBytes} are needed`);
  }
  if (h.imageType === imageTypes.undo || !Object.values<number>(imageTypes).includes(h.imageType)) {
    throw refuse('unsupported', `VDI image type ${h.imageType}, known are 1, 2 and 4`);
  }
  if (h.sectorBytes !== sectorBytes && h.sectorBytes !== 0) {
    throw refuse('unsupported', `VDI sectors of ${h.sectorBytes} bytes, 512 are known`);
  }
  if (h.blockSize < sectorBytes || h.blockSize > 256 * MiB || h.blockSize % sectorBytes !== 0) {
    throw refuse('unsupported', `VDI blocks of ${h.blockSize} bytes, whole sectors up to 256 MiB are known`);
  }
  if (h.blockExtraBytes > h.blockSize || h.blockExtraBytes % sectorBytes !== 0) {
    throw refuse('unsupported', `VDI blocks with ${h.blockExtraBytes} bytes of extra data each`);
  }
  const needed = Math.ceil(h.diskSize / h.blockSize);
  if (h.blocks < needed) {
    throw refuse('corrupt', `a VDI map of ${h.blocks} blocks for ${h.diskSize} bytes, ${needed} are needed`);
  }
  if (needed * 4 > largestTableBytes) {
    throw refuse('unsupported', `a VDI map of ${needed * 4} bytes, at most ${largestTableBytes} are read`);
  }
  if (h.blocksOffset < preheaderBytes + smallestHeaderBytes) {
    throw refuse('corrupt', `the VDI block map at ${h.blocksOffset} lies on the header`);
  }
  if (h.blocksOffset + needed * 4 > source.size) {
    throw refuse('corrupt', `the VDI block map at ${h.blocksOffset} goes past the end (${source.size})`);
  }
  if (h.dataOffset < h.blocksOffset + needed * 4) {
    throw refuse('corrupt', `VDI data at ${h.dataOffset} lies on the header or the block map`);
  }
}

/**
 * The map of the blocks that the disk has, each inside the file and used once.
 * @throws AppError `corrupt`.
 */
export async function readBlockMap(
  source: ByteSource,
  h: Header,
  signal?: AbortSignal,
): Promise<Uint32Array> {
  const where = source.name;
  const entries = Math.ceil(h.diskSize / h.blockSize);
  const bytes = await readBytes(source, h.blocksOffset, entries * 4, signal);
  const map = new Uint32Array(entries);
  for (let i = 0; i < entries; i++) {
    const place = bytes.readUInt32LE(i * 4);
    map[i] = place;
    if (place === absentBlock || place === zeroBlock) continue;
    // Only what the disk needs of its last block has to be there.
    const end = blockOffset(h, place) + Math.min(h.blockSize, h.diskSize - i * h.blockSize);
    if (end > source.size) {
      throw new AppError('corrupt', `VDI block ${i} ends at ${end}, past the end (${source.size})`, {
        where,
        hint: 'the file is cut short; fetch it again',
      });
    }
  }
  const used = map.filter((place) => place < zeroBlock).sort();
  for (let i = 1; i < used.length; i++) {
    if (used[i] === used[i - 1])
      throw new AppError('corrupt', `two VDI blocks lie at place ${used[i]}`, { where });
  }
  return map;
}

/** Offset in the file of the block at a place of the data area; its extra data lie before it. */
export const blockOffset = (h: Header, place: number): number =>
  h.dataOffset + place * (h.blockSize + h.blockExtraBytes) + h.blockExtraBytes;
