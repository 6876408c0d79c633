/** The superblock, its 1024 bytes. */
import { blocksPerGroup, feature, inodeBytes, lostFoundInode } from './layout.ts';

export interface SuperblockFacts {
  readonly group: number;
  readonly groups: number;
  readonly inodesPerGroup: number;
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly uuid: Uint8Array;
  readonly now: number;
}

/** user_xattr and acl: older kernels do not take them for granted. */
const mountOptions = 0x0c;

export function superblock(facts: SuperblockFacts): Buffer {
  const block = Buffer.alloc(1024);
  const u32 = (at: number, value: number) => block.writeUInt32LE(value, at);
  const u16 = (at: number, value: number) => block.writeUInt16LE(value, at);
  u32(0, facts.groups * facts.inodesPerGroup);
  u32(4, facts.groups * blocksPerGroup);
  u32(12, facts.freeBlocks);
  u32(16, facts.freeInodes);
  u32(24, 2); // blocks of 1024 << 2
  u32(28, 2); // clusters alike
  u32(32, blocksPerGroup);
  u32(36, blocksPerGroup);
  u32(40, facts.inodesPerGroup);
  u32(48, facts.now); // written
  u16(54, 0xffff); // no check after so many mounts
  u16(56, 0xef53);
  u16(58, 1); // clean
  u16(60, 1); // go on after errors
  u32(64, facts.now); // checked
  u32(76, 1); // revision with features
  u32(84, lostFoundInode); // the first that is not reserved
  u16(88, inodeBytes);
  u16(90, facts.group);
  u32(92, feature.compatible);
  u32(96, feature.incompatible);
  u32(100, feature.readOnlyCompatible);
  Buffer.from(facts.uuid).copy(block, 104, 0, 16);
  Buffer.from(facts.uuid).copy(block, 236, 0, 16); // seed of hashes
  block[252] = 1; // half MD4
  u32(256, mountOptions);
  u32(264, facts.now); // made
  u16(348, 32); // extra bytes of inodes, at least
  u16(350, 32);
  u32(352, 1); // hashes of signed characters
  block[372] = 4; // 16 groups together (flex_bg)
  return block;
}
