/** Where things lie in an ext4 filesystem of ours; "ext4 Data Structures and Algorithms" of the Linux kernel. */

export const blockBytes = 4096;
export const blocksPerGroup = 8 * blockBytes;
export const inodeBytes = 256;
export const inodesPerBlock = blockBytes / inodeBytes;
const descriptorBytes = 32;
export const descriptorsPerBlock = blockBytes / descriptorBytes;
/** Room behind each superblock, taken before it is known how many groups there will be: for 2 TiB. */
export const mostDescriptorBlocks = 128;
export const mostGroups = mostDescriptorBlocks * descriptorsPerBlock;
export const reservedBlocks = 1 + mostDescriptorBlocks;
export const rootInode = 2;
export const lostFoundInode = 11;
export const inlineExtents = 4;
export const extentsPerBlock = Math.floor((blockBytes - 12) / 12);

/** Groups 0, 1 and powers of 3, 5 and 7 have a copy of the superblock (sparse_super). */
export function hasSuperblock(group: number): boolean {
  if (group <= 1) return true;
  for (const base of [3, 5, 7]) {
    let power = base;
    while (power < group) power *= base;
    if (power === group) return true;
  }
  return false;
}

export const feature = {
  /** ext_attr, dir_index. */
  compatible: 0x28,
  /** filetype, extents, flex_bg. */
  incompatible: 0x242,
  /** sparse_super, large_file, huge_file, dir_nlink, extra_isize. */
  readOnlyCompatible: 0x6b,
} as const;

export const kind = {
  fifo: { mode: 0x1000, entry: 5 },
  character: { mode: 0x2000, entry: 3 },
  folder: { mode: 0x4000, entry: 2 },
  block: { mode: 0x6000, entry: 4 },
  file: { mode: 0x8000, entry: 1 },
  symlink: { mode: 0xa000, entry: 7 },
} as const;
export type Kind = keyof typeof kind;
