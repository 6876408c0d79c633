/** btrfs superblock: 4096 bytes at 64 KiB, with copies at 64 MiB and 256 GiB. btrfs wiki, "On-disk Format". */
import { createHash } from 'node:crypto';
import xxhash from 'xxhash-wasm';
import { crc32c } from '../../../io/crc32c.ts';
import { raw, struct, u8, u16, u32, u64 } from '../../../io/struct.ts';
import { AppError } from '../../../model/errors.ts';
import { bytesAt, type Looking } from '../../looking.ts';

export const superblock = struct('btrfs superblock', 4096, 'le', {
  fsid: [0x20, raw(16)],
  bytenr: [0x30, u64],
  generation: [0x48, u64],
  root: [0x50, u64],
  chunkRoot: [0x58, u64],
  logRoot: [0x60, u64],
  totalBytes: [0x70, u64],
  bytesUsed: [0x78, u64],
  rootDirObjectid: [0x80, u64],
  numDevices: [0x88, u64],
  sectorsize: [0x90, u32],
  nodesize: [0x94, u32],
  sysChunkArraySize: [0xa0, u32],
  incompatFlags: [0xbc, u64],
  csumType: [0xc4, u16],
  rootLevel: [0xc6, u8],
  chunkRootLevel: [0xc7, u8],
  devid: [0xc9, u64],
});
export type Superblock = ReturnType<typeof superblock.decode>;

export const sysChunkArrayAt = 0x32b;
const copies = [0x10000, 2 ** 26, 2 ** 38];
/** Up to SIMPLE_QUOTA, without ZONED, EXTENT_TREE_V2 and RAID_STRIPE_TREE, where things lie elsewhere. */
const knownIncompat = 0x10fff;

/** What a checksum is taken by; undefined: it can't be checked here. */
export type Checksum = ((bytes: Buffer) => Buffer) | undefined;

const fourBytes = (value: number) => {
  const out = Buffer.alloc(4);
  out.writeUInt32LE(value);
  return out;
};

async function checksumOf(type: number): Promise<Checksum> {
  if (type === 0) return (bytes) => fourBytes(crc32c(bytes));
  if (type === 1) {
    const { h64Raw } = await xxhash();
    return (bytes) => {
      const out = Buffer.alloc(8);
      out.writeBigUInt64LE(h64Raw(bytes));
      return out;
    };
  }
  if (type === 2) return (bytes) => createHash('sha256').update(bytes).digest();
  // BLAKE2b with 256 bits is not in Node's OpenSSL.
  if (type === 3) return undefined;
  throw new AppError('unsupported', `btrfs superblock: checksums of kind ${type}`);
}

/** The checksum is in front, of all that follows. */
export const fits = (checksum: Checksum, bytes: Buffer): boolean => {
  const found = checksum?.(bytes.subarray(32));
  return found === undefined || found.equals(bytes.subarray(0, found.length));
};

export interface BtrfsHead {
  readonly sb: Superblock;
  readonly bytes: Buffer;
  readonly checksum: Checksum;
}

/** The newest good copy. @throws AppError `corrupt`, `unsupported`. */
export async function readSuperblock(looking: Looking): Promise<BtrfsHead> {
  let best: BtrfsHead | undefined;
  for (const at of copies) {
    if (at + superblock.bytes > looking.disk.size) continue;
    const bytes = await bytesAt(looking, at, superblock.bytes);
    if (bytes.toString('latin1', 0x40, 0x48) !== '_BHRfS_M' || bytes.readBigUInt64LE(0x30) !== BigInt(at))
      continue;
    const checksum = await checksumOf(bytes.readUInt16LE(0xc4));
    if (!fits(checksum, bytes)) continue;
    const sb = superblock.decode(bytes);
    if (best === undefined || sb.generation > best.sb.generation) best = { sb, bytes, checksum };
  }
  if (best === undefined) throw new AppError('corrupt', 'no btrfs superblock with a good checksum');
  checkNumbers(best.sb);
  return best;
}

function checkNumbers(sb: Superblock): void {
  const unknown =
    sb.incompatFlags - (sb.incompatFlags % 2 ** 17) + ((sb.incompatFlags % 2 ** 17) & ~knownIncompat);
  if (unknown !== 0)
    throw new AppError(
      'unsupported',
      `btrfs superblock: unknown incompatible features 0x${unknown.toString(16)}`,
    );
  const power = (value: number, from: number) =>
    value >= from && value <= 65536 && (value & (value - 1)) === 0;
  if (!power(sb.sectorsize, 512) || !power(sb.nodesize, 4096))
    throw new AppError(
      'corrupt',
      `btrfs superblock: sectors of ${sb.sectorsize}, nodes of ${sb.nodesize} bytes`,
    );
  if (sb.sysChunkArraySize > 2048)
    throw new AppError('corrupt', `btrfs superblock: ${sb.sysChunkArraySize} bytes of system chunks`);
}
