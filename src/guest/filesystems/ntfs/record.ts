/** File records and the attributes in them. libyal, "NTFS documentation", MFT entry. */
import { AppError } from '../../../model/errors.ts';

export const types = {
  standardInformation: 0x10,
  attributeList: 0x20,
  volumeName: 0x60,
  volumeInformation: 0x70,
  data: 0x80,
  indexRoot: 0x90,
  indexAllocation: 0xa0,
  reparsePoint: 0xc0,
} as const;

/** One attribute, or one piece of it. */
export interface Attribute {
  readonly type: number;
  readonly name: string;
  readonly flags: number;
  readonly content: Resident | Piece;
}

export interface Resident {
  readonly resident: true;
  readonly value: Buffer;
}

export interface Piece {
  readonly resident: false;
  readonly firstVcn: number;
  readonly lastVcn: number;
  /** The list of runs, up to the attribute's end. */
  readonly list: Buffer;
  /** Clusters that are compressed together: 2 to this power; 0: not at all. */
  readonly unitShift: number;
  /** In the first piece only. */
  readonly size: number;
  readonly initialised: number;
}

export interface FileRecord {
  readonly inUse: boolean;
  readonly isFolder: boolean;
  readonly sequence: number;
  readonly attributes: readonly Attribute[];
}

/**
 * The last two bytes of each 512 were replaced by a number that shows whether all were written; puts them back.
 * @throws AppError `corrupt`.
 */
export function applyFixups(bytes: Buffer, mark: string, what: string): void {
  const bad = (detail: string) => new AppError('corrupt', `NTFS ${what}: ${detail}`);
  if (bytes.toString('latin1', 0, 4) !== mark) throw bad(`no mark ${mark}`);
  const at = bytes.readUInt16LE(4);
  const count = bytes.readUInt16LE(6);
  if (count !== bytes.length / 512 + 1 || at % 2 !== 0 || at + count * 2 > 510)
    throw bad(`${count} fixups at ${at}`);
  for (let i = 1; i < count; i++) {
    const end = i * 512 - 2;
    if (bytes.readUInt16LE(end) !== bytes.readUInt16LE(at)) throw bad('only a part of it was written');
    bytes.copy(bytes, end, at + i * 2, at + i * 2 + 2);
  }
}

/** `bytes` is changed in place. @throws AppError `corrupt`. */
export function decodeRecord(number: number, bytes: Buffer): FileRecord {
  const what = `file record ${number}`;
  applyFixups(bytes, 'FILE', what);
  const attributes: Attribute[] = [];
  for (let at = bytes.readUInt16LE(20); ; ) {
    if (at + 4 > bytes.length) throw new AppError('corrupt', `NTFS ${what}: attributes go past its end`);
    if (bytes.readUInt32LE(at) === 0xffffffff) break;
    const length = at + 24 <= bytes.length ? bytes.readUInt32LE(at + 4) : 0;
    if (length < 24 || length % 8 !== 0 || at + length > bytes.length)
      throw new AppError('corrupt', `NTFS ${what}: an attribute of ${length} bytes at ${at}`);
    attributes.push(decodeAttribute(what, bytes.subarray(at, at + length)));
    at += length;
  }
  const flags = bytes.readUInt16LE(22);
  return {
    inUse: (flags & 1) !== 0,
    isFolder: (flags & 2) !== 0,
    sequence: bytes.readUInt16LE(16),
    attributes,
  };
}

function decodeAttribute(what: string, bytes: Buffer): Attribute {
  const type = bytes.readUInt32LE(0);
  const bad = (detail: string) =>
    new AppError('corrupt', `NTFS ${what}: attribute 0x${type.toString(16)} with ${detail}`);
  const nameAt = bytes.readUInt16LE(10);
  const nameEnd = nameAt + bytes[9]! * 2;
  if (nameEnd > bytes.length) throw bad('a name past its end');
  return {
    type,
    name: bytes.toString('utf16le', nameAt, nameEnd),
    flags: bytes.readUInt16LE(12),
    content: bytes[8] === 0 ? decodeResident(bytes, bad) : decodePiece(bytes, bad),
  };
}

function decodeResident(bytes: Buffer, bad: (detail: string) => AppError): Resident {
  const at = bytes.readUInt16LE(20);
  const length = bytes.readUInt32LE(16);
  if (at + length > bytes.length) throw bad('a value past its end');
  return { resident: true, value: bytes.subarray(at, at + length) };
}

function decodePiece(bytes: Buffer, bad: (detail: string) => AppError): Piece {
  const listAt = bytes.length >= 64 ? bytes.readUInt16LE(32) : 0;
  const number = (at: number) => Number(bytes.readBigUInt64LE(at));
  if (listAt < 64 || listAt > bytes.length) throw bad(`its runs at ${listAt}`);
  const firstVcn = number(16);
  // An empty one ends at -1.
  const lastVcn = Number(bytes.readBigInt64LE(24));
  const size = number(48);
  const initialised = number(56);
  const all = [firstVcn, lastVcn, ...(firstVcn === 0 ? [size, initialised] : [])];
  if (!all.every(Number.isSafeInteger)) throw bad('impossible sizes');
  const unitShift = bytes[34]!;
  if (unitShift > 4) throw bad(`compression units of 2^${unitShift} clusters`);
  return { resident: false, firstVcn, lastVcn, list: bytes.subarray(listAt), unitShift, size, initialised };
}
