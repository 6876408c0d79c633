/** Volume descriptors from sector 16 on. ECMA-119, 8; Joliet Specification, "SVD Identification". */
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';

export const sectorBytes = 2048;
const maxDescriptors = 64;

export interface Descriptor {
  readonly bytes: Buffer;
  readonly blockBytes: number;
  /** The record of the root folder. */
  readonly root: Buffer;
}

export interface Descriptors {
  readonly primary: Descriptor;
  readonly joliet?: Descriptor;
  /** There is UDF beside it (ECMA-167, 3/9.1): discs of Windows have all their files there alone. */
  readonly hasUdf: boolean;
}

/** @throws AppError `corrupt`. */
export async function readDescriptors(looking: Looking): Promise<Descriptors> {
  let primary: Descriptor | undefined;
  let joliet: Descriptor | undefined;
  let hasUdf = false;
  for (let i = 0; i < maxDescriptors; i++) {
    const bytes = await bytesAt(looking, (16 + i) * sectorBytes, sectorBytes);
    const mark = bytes.toString('latin1', 1, 6);
    if (/^NSR0[23]$/.test(mark)) hasUdf = true;
    // UDF's own descriptors follow those of ISO 9660.
    if (!/^(CD001|BEA01|NSR0[23])$/.test(mark)) break;
    if (mark !== 'CD001') continue;
    if (bytes[0] === 1) primary ??= descriptorOf(bytes);
    // UCS-2 of level 1, 2 or 3.
    if (bytes[0] === 2 && /^%\/[@CE]/.test(bytes.toString('latin1', 88, 91))) joliet ??= descriptorOf(bytes);
  }
  if (primary === undefined) throw new AppError('corrupt', 'no primary volume descriptor of ISO 9660');
  return { primary, ...(joliet === undefined ? {} : { joliet }), hasUdf };
}

function descriptorOf(bytes: Buffer): Descriptor {
  const blockBytes = bytes.readUInt16LE(128);
  if (blockBytes < 512 || blockBytes > sectorBytes || (blockBytes & (blockBytes - 1)) !== 0)
    throw new AppError('corrupt', `ISO 9660: blocks of ${blockBytes} bytes`);
  return { bytes, blockBytes, root: bytes.subarray(156, 190) };
}
