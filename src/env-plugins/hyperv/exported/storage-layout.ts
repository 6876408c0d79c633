/**
 * The container of .vmcx, .vmrs and .vmgs-like settings ("HyperVStorage"), version 0x400. Microsoft publishes no
 * layout: this is how public projects that read such files describe it. All is little-endian and packed.
 *
 *   0x0000  header            the one of the two with the higher sequence number counts
 *   0x1000  header
 *   0x2000  object table      type, offset and size of each block of the file, further object tables as well
 *   …       key tables        entries of a tree: their parent is (index of a table, offset in it), or table 0: the root
 *   …       file objects      values of 2 KiB and more
 *   …       replay log        changes that are not yet in the tables
 *
 * The checksums' algorithm is not known: they are not looked at.
 */
import { bits64, struct, u8, u16, u32, u64 } from '../../../io/struct.ts';

export const headerOffsets = [0, 0x1000] as const;
export const objectTableOffset = 0x2000;
export const knownVersion = 0x400;

export const signatures = { header: 0x01282014, log: 0x01110003, objects: 0x01110001, keys: 2 } as const;

export const storageHeader = struct('HyperVStorage header', 46, 'le', {
  signature: [0, u32],
  checksum: [4, u32],
  sequence: [8, u16],
  version: [10, u32],
  unknown: [14, bits64],
  alignment: [22, u32],
  logOffset: [26, u64],
  logSize: [34, u64],
  headerSize: [42, u32],
});

export const logHeader = struct('HyperVStorage log', 34, 'le', {
  signature: [0, u32],
  checksum: [4, u32],
  entries: [8, u32],
});

export const objectTable = struct('HyperVStorage object table', 8, 'le', {
  signature: [0, u32],
  entries: [4, u32],
});

export const objectEntry = struct('HyperVStorage object', 18, 'le', {
  type: [0, u8],
  checksum: [1, u32],
  offset: [5, u64],
  size: [13, u32],
  allocated: [17, u8],
});

export const objectTypes = { objectTable: 1, keyTable: 2, file: 3 } as const;

export const keyTable = struct('HyperVStorage key table', 10, 'le', {
  signature: [0, u16],
  index: [2, u16],
  sequence: [4, u16],
  checksum: [6, u32],
});

export const keyEntry = struct('HyperVStorage key', 21, 'le', {
  type: [0, u8],
  flags: [1, u8],
  size: [2, u32],
  parentTable: [6, u16],
  parentOffset: [8, u32],
  checksum: [12, u32],
  insertion: [16, u32],
  /** Where the value begins behind this header: the length of the name with its NUL. */
  dataOffset: [20, u8],
});

export const keyTypes = {
  free: 1,
  integer: 3,
  unsigned: 4,
  double: 5,
  text: 6,
  bytes: 7,
  flag: 8,
  node: 9,
} as const;

/** The value is a `filePointer` to a file object. */
export const pointsToFile = 1;

export const filePointer = struct('HyperVStorage file pointer', 12, 'le', {
  size: [0, u32],
  offset: [4, u64],
});
