/**
 * Windows registry hive ("regf"), after libyal's "Windows NT Registry File (REGF) format" and M. Suhanov's
 * "Windows registry file format specification".
 *
 *   base block (4096) | hbin (header of 32, cells) | hbin | …
 *   a cell: i32 size (negative: in use), then nk | vk | lf | lh | li | ri | db | sk | data
 *
 * Offsets in cells count from the end of the base block.
 */
import { ascii, bits64, struct, u16, u32 } from '../../../io/struct.ts';

export const baseBlockBytes = 4096;
/** No cell there. */
export const nowhere = 0xffffffff;

export const baseBlock = struct('hive base block', 512, 'le', {
  signature: [0, ascii(4)],
  primarySequence: [4, u32],
  secondarySequence: [8, u32],
  lastWritten: [12, bits64],
  major: [20, u32],
  minor: [24, u32],
  /** 0: hive, 1 and 2: log of the old kind, 6: log of the new kind. */
  fileType: [28, u32],
  fileFormat: [32, u32],
  rootCell: [36, u32],
  binsBytes: [40, u32],
  checksum: [508, u32],
});

/** XOR of the 127 words before it; 0 and -1 are avoided. */
export function baseChecksum(block: Buffer): number {
  let sum = 0;
  for (let at = 0; at < 508; at += 4) sum ^= block.readUInt32LE(at);
  sum >>>= 0;
  return sum === 0xffffffff ? 0xfffffffe : sum === 0 ? 1 : sum;
}

export const keyNode = struct('key node', 76, 'le', {
  signature: [0, ascii(2)],
  flags: [2, u16],
  lastWritten: [4, bits64],
  parent: [16, u32],
  subkeyCount: [20, u32],
  subkeyList: [28, u32],
  valueCount: [36, u32],
  valueList: [40, u32],
  classCell: [48, u32],
  nameBytes: [72, u16],
  classBytes: [74, u16],
});
/** nk flags: the name is Latin-1, not UTF-16. */
export const keyNameIsLatin = 0x20;

export const keyValue = struct('key value', 20, 'le', {
  signature: [0, ascii(2)],
  nameBytes: [2, u16],
  /** The top bit: the data lies in `dataCell` itself. */
  dataBytes: [4, u32],
  dataCell: [8, u32],
  type: [12, u32],
  flags: [16, u16],
});
export const valueNameIsLatin = 1;

/** Longer data of a hive of version 1.4 and later is cut into segments of this size, listed by a "db" cell. */
export const segmentBytes = 16344;

export const valueTypes = [
  'REG_NONE',
  'REG_SZ',
  'REG_EXPAND_SZ',
  'REG_BINARY',
  'REG_DWORD',
  'REG_DWORD_BIG_ENDIAN',
  'REG_LINK',
  'REG_MULTI_SZ',
  'REG_RESOURCE_LIST',
  'REG_FULL_RESOURCE_DESCRIPTOR',
  'REG_RESOURCE_REQUIREMENTS_LIST',
  'REG_QWORD',
] as const;
export type ValueType = (typeof valueTypes)[number];
