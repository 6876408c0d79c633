/**
 * VirtualBox's disk (VDI), as `VDICore.h` of VirtualBox describes it; version 1.1, all little-endian.
 * Read: static, dynamic, differencing. Written: static, dynamic.
 *
 *   preheader 72 | header 384 or 400 | … block map (4 bytes a block) | … blocks, each after its extra data
 */
import { randomBytes } from 'node:crypto';
import { ascii, raw, struct, u32, u64 } from '../../io/struct.ts';
import { MiB } from '../../model/units.ts';

export const signature = 0xbeda107f;
export const signatureAt = 64;
export const version11 = 0x0001_0001;
export const imageTypes = { dynamic: 1, static: 2, undo: 3, differencing: 4 } as const;
/** Block map: the layer says nothing of the block. */
export const absentBlock = 0xffff_ffff;
/** Block map: the block is zeros. */
export const zeroBlock = 0xffff_fffe;
export const sectorBytes = 512;
/** 16 TiB of blocks of 1 MiB. */
export const largestTableBytes = 64 * MiB;

/** VDIPREHEADER and VDIHEADER1PLUS. `lchs` are in headers of 400 bytes only. */
export const header = struct('VDI header', 472, 'le', {
  fileInfo: [0, ascii(64)],
  signature: [64, u32],
  version: [68, u32],
  headerBytes: [72, u32],
  imageType: [76, u32],
  flags: [80, u32],
  comment: [84, ascii(256)],
  blocksOffset: [340, u32],
  dataOffset: [344, u32],
  sectorBytes: [360, u32],
  diskSize: [368, u64],
  blockSize: [376, u32],
  blockExtraBytes: [380, u32],
  blocks: [384, u32],
  blocksAllocated: [388, u32],
  uuidCreate: [392, raw(16)],
  uuidModify: [408, raw(16)],
  uuidLink: [424, raw(16)],
  uuidParentModify: [440, raw(16)],
  lchsCylinders: [456, u32],
  lchsHeads: [460, u32],
  lchsSectors: [464, u32],
  lchsSectorBytes: [468, u32],
});
export type Header = ReturnType<typeof header.decode>;

export const preheaderBytes = 72;
export const smallestHeaderBytes = 384;

/** As VirtualBox shows it: the first three fields are numbers, little-endian. */
export function formatUuid(bytes: Uint8Array): string {
  const b = Buffer.from(bytes);
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  return [
    hex(b.readUInt32LE(0), 8),
    hex(b.readUInt16LE(4), 4),
    hex(b.readUInt16LE(6), 4),
    b.toString('hex', 8, 10),
    b.toString('hex', 10, 16),
  ].join('-');
}

export const isNullUuid = (bytes: Uint8Array): boolean => bytes.every((b) => b === 0);

/** A random UUID (version 4) in VirtualBox's order of bytes. */
export function freshUuid(): Uint8Array {
  const bytes = new Uint8Array(randomBytes(16));
  bytes[7] = (bytes[7]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}
