/** NTFS boot sector. libyal, "NTFS documentation", The volume header. */
import { AppError } from '../../../model/errors.ts';

export interface NtfsLayout {
  readonly clusterBytes: number;
  readonly clusters: number;
  readonly recordBytes: number;
  readonly indexBytes: number;
  readonly mftCluster: number;
}

const isPowerOf2 = (n: number): boolean => n > 0 && (n & (n - 1)) === 0;

/** @throws AppError `corrupt`. */
export function readBoot(sector: Buffer): NtfsLayout {
  const bad = (what: string) => new AppError('corrupt', `NTFS boot sector: ${what}`);
  if (sector.toString('latin1', 3, 11) !== 'NTFS    ') throw bad('no mark');
  const sectorBytes = sector.readUInt16LE(11);
  if (!isPowerOf2(sectorBytes) || sectorBytes < 256 || sectorBytes > 4096)
    throw bad(`sectors of ${sectorBytes} bytes`);
  // From 0x80 on it is 2 to the power of the negated value: clusters of up to 2 MiB.
  const perCluster = sector[13]! > 0x80 ? 2 ** -sector.readInt8(13) : sector[13]!;
  const clusterBytes = perCluster * sectorBytes;
  if (!isPowerOf2(clusterBytes) || clusterBytes > 2 ** 21) throw bad(`clusters of ${clusterBytes} bytes`);
  const sized = (at: number, what: string) => {
    const field = sector.readInt8(at);
    const bytes = field < 0 ? 2 ** -field : field * clusterBytes;
    if (!isPowerOf2(bytes) || bytes < 512 || bytes > 65536) throw bad(`${what} of ${bytes} bytes`);
    return bytes;
  };
  const sectors = Number(sector.readBigUInt64LE(40));
  const clusters = Math.floor((sectors * sectorBytes) / clusterBytes);
  const mftCluster = Number(sector.readBigUInt64LE(48));
  if (!Number.isSafeInteger(sectors * sectorBytes)) throw bad(`${sectors} sectors`);
  if (mftCluster >= clusters) throw bad(`file table in cluster ${mftCluster} of ${clusters}`);
  return {
    clusterBytes,
    clusters,
    recordBytes: sized(64, 'file records'),
    indexBytes: sized(68, 'index blocks'),
    mftCluster,
  };
}
