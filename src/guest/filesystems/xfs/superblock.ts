/** XFS superblock, one sector at the start of each allocation group, big endian. XFS Algorithms & Data Structures, 8.2. */
import { crc32c } from '../../../io/crc32c.ts';
import { ascii, struct, u8, u16, u32, u64 } from '../../../io/struct.ts';
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';

export const superblock = struct('XFS superblock', 264, 'be', {
  magic: [0, ascii(4)],
  blocksize: [4, u32],
  dblocks: [8, u64],
  logstart: [48, u64],
  rootino: [56, u64],
  agblocks: [84, u32],
  agcount: [88, u32],
  logblocks: [96, u32],
  versionnum: [100, u16],
  sectsize: [102, u16],
  inodesize: [104, u16],
  inopblock: [106, u16],
  inopblog: [123, u8],
  agblklog: [124, u8],
  inprogress: [126, u8],
  imaxpct: [127, u8],
  icount: [128, u64],
  ifree: [136, u64],
  fdblocks: [144, u64],
  dirblklog: [192, u8],
  features2: [200, u32],
  featuresIncompat: [216, u32],
});
export type Superblock = ReturnType<typeof superblock.decode>;

const incompat = { ftype: 1, needsRepair: 0x10, zoned: 0x200 } as const;
/** FTYPE, SPINODES, META_UUID, BIGTIME, NEEDSREPAIR, NREXT64, EXCHRANGE, PARENT, METADIR. */
const knownIncompat = 0x1ff;
const features2Ftype = 0x200;
const versionDirV2 = 0x2000;
const versionAsciiCi = 0x4000;

export interface XfsLayout {
  readonly sb: Superblock;
  readonly v5: boolean;
  readonly hasFtype: boolean;
  readonly ignoresCase: boolean;
  readonly needsRepair: boolean;
  readonly folderBlockBytes: number;
}

/** @throws AppError `corrupt`, `unsupported`. */
export async function readSuperblock(looking: Looking): Promise<XfsLayout> {
  const bytes = await bytesAt(looking, 0, superblock.bytes);
  if (bytes.toString('latin1', 0, 4) !== 'XFSB') throw new AppError('corrupt', 'no XFS superblock at 0');
  const sb = superblock.decode(bytes);
  const version = sb.versionnum & 0xf;
  if ((version !== 4 && version !== 5) || (sb.versionnum & versionDirV2) === 0)
    throw new AppError('unsupported', `XFS superblock: version ${version}, 4 or 5 expected`);
  const v5 = version === 5;
  checkNumbers(sb);
  if (v5) await checkFeatures(looking, sb);
  return {
    sb,
    v5,
    hasFtype: v5 ? (sb.featuresIncompat & incompat.ftype) !== 0 : (sb.features2 & features2Ftype) !== 0,
    ignoresCase: (sb.versionnum & versionAsciiCi) !== 0,
    needsRepair: v5 && (sb.featuresIncompat & incompat.needsRepair) !== 0,
    folderBlockBytes: sb.blocksize << sb.dirblklog,
  };
}

async function checkFeatures(looking: Looking, sb: Superblock): Promise<void> {
  const unknown = sb.featuresIncompat & ~knownIncompat;
  if (unknown !== 0)
    throw new AppError(
      'unsupported',
      `XFS superblock: unknown incompatible features 0x${(unknown >>> 0).toString(16)}`,
    );
  checkCrc(await bytesAt(looking, 0, sb.sectsize), 224, 'XFS superblock');
}

/** Over the whole structure with the field itself zero; kept little endian, unlike all else. */
export function checkCrc(bytes: Buffer, field: number, what: string): void {
  const kept = bytes.readUInt32LE(field);
  const found = crc32c(bytes.subarray(field + 4), crc32c(Buffer.alloc(4), crc32c(bytes.subarray(0, field))));
  if (found !== kept)
    throw new AppError(
      'corrupt',
      `${what}: checksum 0x${found.toString(16)}, 0x${kept.toString(16)} expected`,
    );
}

function checkNumbers(sb: Superblock): void {
  const bad = (what: string) => new AppError('corrupt', `XFS superblock: ${what}`);
  const power = (value: number, from: number, to: number) =>
    value >= from && value <= to && (value & (value - 1)) === 0;
  if (sb.inprogress !== 0) throw bad('mkfs did not finish');
  if (!power(sb.blocksize, 512, 65536)) throw bad(`blocks of ${sb.blocksize} bytes`);
  if (!power(sb.sectsize, 512, 32768)) throw bad(`sectors of ${sb.sectsize} bytes`);
  if (!power(sb.inodesize, 256, 2048) || sb.inopblock !== sb.blocksize / sb.inodesize)
    throw bad(`${sb.inopblock} inodes of ${sb.inodesize} bytes in a block of ${sb.blocksize}`);
  if (2 ** sb.inopblog !== sb.inopblock) throw bad(`${sb.inopblock} inodes in a block, log ${sb.inopblog}`);
  if (sb.blocksize * 2 ** sb.dirblklog > 65536) throw bad(`folder blocks of 2^${sb.dirblklog} blocks`);
  // agblocks is rounded up to a power of two in numbers of inodes and blocks.
  if (sb.agblocks < 2 || sb.agblklog > 31 || sb.agblocks > 2 ** sb.agblklog)
    throw bad(`groups of ${sb.agblocks} blocks, log ${sb.agblklog}`);
  const most = sb.agcount * sb.agblocks;
  if (sb.dblocks === 0 || sb.dblocks > most || !Number.isSafeInteger(most * sb.blocksize))
    throw bad(`${sb.dblocks} blocks in ${sb.agcount} groups of ${sb.agblocks}`);
}
