/** Filesystems of Linux, and its swap space. */
import { findSuperblock, geometryOf, incompat, kindOf } from '../filesystems/ext/superblock.ts';
import { bytesAt } from '../looking.ts';
import { fixedText, given, uuidAt } from '../text.ts';
import { type Recognise, sizes, u64be, u64le } from './volume.ts';

export const ext: Recognise = async (looking) => {
  const found = await findSuperblock(looking);
  if (found === undefined) return undefined;
  const { sb, bytes } = found;
  const { blockBytes, blocksCount, freeBlocks } = geometryOf(sb);
  // state: bit 0 cleanly unmounted, bit 1 errors seen.
  const clean = (sb.state & 3) === 1 && (sb.featureIncompat & incompat.recover) === 0;
  return {
    kind: kindOf(sb),
    ...given('label', fixedText(bytes, 120, 16)),
    ...given('uuid', uuidAt(bytes, 104)),
    ...sizes(blocksCount * blockBytes, freeBlocks * blockBytes),
    state: clean ? 'clean' : 'dirty',
    readable: true,
  };
};

/** xfs_dsb in the XFS Filesystem Structure document; big endian. */
export const xfs: Recognise = async (looking) => {
  const sb = await bytesAt(looking, 0, 256);
  if (sb.toString('latin1', 0, 4) !== 'XFSB') return undefined;
  const blockBytes = sb.readUInt32BE(4);
  return {
    kind: 'xfs',
    ...given('label', fixedText(sb, 108, 12)),
    ...given('uuid', uuidAt(sb, 32)),
    ...sizes(u64be(sb, 8) * blockBytes, u64be(sb, 144) * blockBytes),
    state: 'unknown', // only the log tells
    readable: false,
  };
};

/** btrfs_super_block at 64 KiB. */
export const btrfs: Recognise = async (looking) => {
  const sb = await bytesAt(looking, 0x10000, 1024);
  if (sb.toString('latin1', 0x40, 0x48) !== '_BHRfS_M') return undefined;
  const total = u64le(sb, 0x70);
  return {
    kind: 'btrfs',
    ...given('label', fixedText(sb, 0x12b, 256)),
    ...given('uuid', uuidAt(sb, 0x20)),
    ...sizes(total, total - u64le(sb, 0x78)),
    // A tree of unwritten fsyncs is to be replayed at the next mount.
    state: u64le(sb, 0x60) === 0 ? 'clean' : 'dirty',
    readable: false,
  };
};

export const squashfs: Recognise = async (looking) => {
  const sb = await bytesAt(looking, 0, 96);
  if (sb.toString('latin1', 0, 4) !== 'hsqs' || sb.readUInt16LE(28) !== 4) return undefined;
  return { kind: 'squashfs', ...sizes(u64le(sb, 40)), state: 'clean', readable: false };
};

const suspended = ['S1SUSPEND', 'S2SUSPEND', 'ULSUSPEND', 'LINHIB0001'];

/** The mark is in the last ten bytes of the first page, whatever a page was on that machine. */
export const swap: Recognise = async (looking) => {
  for (const page of [4096, 8192, 16384, 65536]) {
    const mark = (await bytesAt(looking, page - 10, 10)).toString('latin1');
    const hibernated = suspended.some((s) => mark.startsWith(s));
    if (mark !== 'SWAPSPACE2' && mark !== 'SWAP-SPACE' && !hibernated) continue;
    const header = await bytesAt(looking, 1024, 64);
    return {
      kind: 'swap',
      ...given('label', fixedText(header, 28, 16)),
      ...given('uuid', uuidAt(header, 12)),
      ...sizes((header.readUInt32LE(4) + 1) * page),
      state: hibernated ? 'hibernated' : 'clean',
      readable: false,
    };
  }
  return undefined;
};
