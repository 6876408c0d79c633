/** Filesystems of CDs, Apple, BSD, and those that are told by a mark alone. */
import { bytesAt } from '../looking.ts';
import { fixedText, given, uuidAt } from '../text.ts';
import { type Recognise, sizes, u64le } from './volume.ts';

/** ECMA-119 8.4, the primary volume descriptor in sector 16. */
export const iso9660: Recognise = async (looking) => {
  const descriptor = await bytesAt(looking, 32768, 256);
  if (descriptor.toString('latin1', 1, 6) !== 'CD001') return undefined;
  return {
    kind: 'iso9660',
    ...given('label', fixedText(descriptor, 40, 32, 'latin1')),
    ...sizes(descriptor.readUInt32LE(80) * descriptor.readUInt16LE(128)),
    state: 'clean',
    readable: false,
  };
};

/** Apple TN1150, volume header at 1024; big endian. */
export const hfsPlus: Recognise = async (looking) => {
  const header = await bytesAt(looking, 1024, 512);
  const mark = header.toString('latin1', 0, 2);
  const version = header.readUInt16BE(2);
  if (!((mark === 'H+' && version === 4) || (mark === 'HX' && version === 5))) return undefined;
  const blockBytes = header.readUInt32BE(40);
  return {
    kind: mark === 'H+' ? 'hfs+' : 'hfsx',
    ...sizes(header.readUInt32BE(44) * blockBytes, header.readUInt32BE(48) * blockBytes),
    // kHFSVolumeUnmountedBit
    state: (header.readUInt32BE(4) & 0x100) !== 0 ? 'clean' : 'dirty',
    readable: false,
  };
};

/** Apple File System Reference, nx_superblock_t. */
export const apfs: Recognise = async (looking) => {
  const sb = await bytesAt(looking, 0, 128);
  if (sb.toString('latin1', 32, 36) !== 'NXSB') return undefined;
  return {
    kind: 'apfs',
    ...given('uuid', uuidAt(sb, 72)),
    ...sizes(u64le(sb, 40) * sb.readUInt32LE(36)),
    state: 'unknown',
    readable: false,
  };
};

/** FreeBSD sys/ufs/ffs/fs.h: the superblock at 64 KiB (UFS2) or 8 KiB (UFS1), its magic number at 1372. */
export const ufs: Recognise = async (looking) => {
  for (const [kind, offset, magic] of [
    ['ufs2', 65536, 0x19540119],
    ['ufs1', 8192, 0x00011954],
  ] as const) {
    const sb = await bytesAt(looking, offset, 1376);
    if (sb.readUInt32LE(1372) !== magic) continue;
    return { kind, ...given('label', fixedText(sb, 680, 32)), state: 'unknown', readable: false };
  }
  return undefined;
};

const marks: readonly { kind: string; offset: number; hex: string }[] = [
  { kind: 'jfs', offset: 32768, hex: Buffer.from('JFS1').toString('hex') },
  { kind: 'reiserfs', offset: 65588, hex: Buffer.from('ReIsEr').toString('hex') },
  { kind: 'f2fs', offset: 1024, hex: '1020f5f2' },
  { kind: 'erofs', offset: 1024, hex: 'e2e1f5e0' },
  { kind: 'vmfs', offset: 2 ** 20, hex: '0dd001c0' },
];

export const byMark: Recognise = async (looking) => {
  for (const { kind, offset, hex } of marks) {
    const found = await bytesAt(looking, offset, hex.length / 2);
    if (found.toString('hex') === hex) return { kind, state: 'unknown', readable: false };
  }
  return undefined;
};
