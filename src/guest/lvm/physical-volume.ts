/**
 * A physical volume of LVM2: a label in one of the first four sectors, behind it the header with the places of data
 * and metadata; in each metadata area a header of 512 bytes and the text of the group, newest of many in a ring.
 * libyal documents both ("Logical Volume Manager (LVM) format").
 */
import { crc32 } from 'node:zlib';
import { ascii, raw, struct, u32, u64 } from '../../io/struct.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { bytesAt, type Looking } from '../looking.ts';
import { fixedText } from '../text.ts';

const sectorBytes = 512;
const labelSectors = 4;

const labelHeader = struct('LVM2 label', 32, 'le', {
  id: [0, ascii(8)],
  sectorNumber: [8, u64],
  checksum: [16, u32],
  dataOffset: [20, u32],
  type: [24, ascii(8)],
});

const areaHeader = struct('LVM2 metadata area', 512, 'le', {
  checksum: [0, u32],
  magic: [4, raw(16)],
  version: [20, u32],
  start: [24, u64],
  size: [32, u64],
  textOffset: [40, u64],
  textSize: [48, u64],
  textChecksum: [56, u32],
  flags: [60, u32],
});
const areaMagic = Buffer.from(' LVM2 x[5A%r0N*>', 'latin1');
const ignored = 1;

/** A group of some thousand volumes takes a few MiB. */
const maxTextBytes = 16 * MiB;
const maxAreas = 16;

export interface PhysicalVolume {
  /** As LVM2 writes it, with dashes. */
  readonly uuid: string;
  readonly deviceBytes: number;
  /** The text of the group in each whole metadata area; none on a volume that is in no group or keeps no metadata. */
  readonly texts: readonly string[];
  /** Of areas that can't be read. */
  readonly problems: readonly string[];
}

/** LVM2's CRC-32: another start, and no inversion at the end. */
export const lvmChecksum = (bytes: Uint8Array): number => ~crc32(bytes, ~0xf597a6cf >>> 0) >>> 0;

/** Undefined where there is no label. @throws AppError `corrupt` where its header makes no sense. */
export async function readPhysicalVolume(looking: Looking): Promise<PhysicalVolume | undefined> {
  const head = await bytesAt(looking, 0, labelSectors * sectorBytes);
  for (let at = 0; at < head.length; at += sectorBytes) {
    const sector = head.subarray(at, at + sectorBytes);
    if (sector.toString('latin1', 0, 8) !== 'LABELONE') continue;
    const { checksum, dataOffset, type } = labelHeader.decode(sector);
    if (type !== 'LVM2 001') continue;
    if (lvmChecksum(sector.subarray(20)) !== checksum)
      throw new AppError('corrupt', `LVM2 label in sector ${at / sectorBytes}: its checksum is wrong`);
    if (dataOffset < labelHeader.bytes || dataOffset > sectorBytes - 40)
      throw new AppError('corrupt', `LVM2 label: the header is at ${dataOffset} in a sector`);
    return fromHeader(looking, sector.subarray(dataOffset));
  }
  return undefined;
}

async function fromHeader(looking: Looking, header: Buffer): Promise<PhysicalVolume> {
  const id = fixedText(header, 0, 32);
  let at = 40;
  const places = () => {
    const found: { offset: number; size: number }[] = [];
    for (; at + 16 <= header.length; at += 16) {
      const [offset, size] = [number64(header, at), number64(header, at + 8)];
      if (offset === 0) break;
      found.push({ offset, size });
    }
    at += 16;
    return found;
  };
  places(); // data: the group tells it better
  const texts: string[] = [];
  const problems: string[] = [];
  for (const { offset, size } of places().slice(0, maxAreas)) {
    try {
      const text = await textOf(looking, offset, size);
      if (text !== undefined) texts.push(text);
    } catch (error) {
      if (!(error instanceof AppError) || error.kind === 'cancelled') throw error;
      problems.push(`metadata area at ${offset}: ${error.message}`);
    }
  }
  return { uuid: dashedId(id), deviceBytes: number64(header, 32), texts, problems };
}

/** Past 2^53 only fit to be refused. */
const number64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at));

/** 32 characters as LVM2 shows them: 6-4-4-4-4-4-6. */
export const dashedId = (id: string): string =>
  [id.slice(0, 6), ...(id.slice(6, 26).match(/.{1,4}/g) ?? []), id.slice(26)].join('-');

/** Undefined where the area is empty or not in use. */
async function textOf(looking: Looking, offset: number, size: number): Promise<string | undefined> {
  const corrupt = (message: string) => new AppError('corrupt', message);
  if (!(size >= 1024 && offset + size <= looking.disk.size)) throw corrupt(`${size} bytes, not on the disk`);
  const head = await bytesAt(looking, offset, areaHeader.bytes);
  if (lvmChecksum(head.subarray(4)) !== head.readUInt32LE(0))
    throw corrupt('the checksum of its header is wrong');
  const area = areaHeader.decode(head);
  if (!areaMagic.equals(area.magic) || area.version !== 1) throw corrupt('not of LVM2, version 1');
  if (area.start !== offset || area.size !== size)
    throw corrupt(`it says ${area.size} bytes at ${area.start}`);
  const { textOffset, textSize } = area;
  if (textOffset === 0 || (area.flags & ignored) !== 0) return undefined;
  const inRing = textOffset >= areaHeader.bytes && textOffset < size && textSize <= size - areaHeader.bytes;
  if (!inRing || textSize > maxTextBytes) throw corrupt(`its text is ${textSize} bytes at ${textOffset}`);
  // The ring goes on behind the header.
  const straight = Math.min(textSize, size - textOffset);
  const text = Buffer.concat([
    await bytesAt(looking, offset + textOffset, straight),
    await bytesAt(looking, offset + areaHeader.bytes, textSize - straight),
  ]);
  if (lvmChecksum(text) !== area.textChecksum) throw corrupt('the checksum of its text is wrong');
  return text.toString('utf8');
}
