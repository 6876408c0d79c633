/**
 * What is spoken with the helper at the far end (`python-program.ts`, `perl-program.ts`), big-endian. The helper says
 * the token it was given and one byte of abilities; then each request is answered, in the order of the requests.
 *
 *     request: payload length u32, id u32, op u8, flags u8, file u16, offset u64, argument u64, payload
 *     answer:  payload length u32, id u32, status u8, flags u8, zero u16, value u64, payload
 */
import { bits64, struct, u8, u16, u32, u64 } from '../../struct.ts';

export const requestHeader = struct('request to the helper', 28, 'be', {
  length: [0, u32],
  id: [4, u32],
  op: [8, u8],
  flags: [9, u8],
  file: [10, u16],
  offset: [12, u64],
  argument: [20, u64],
});

export const answerHeader = struct('answer of the helper', 20, 'be', {
  length: [0, u32],
  id: [4, u32],
  status: [8, u8],
  flags: [9, u8],
  value: [12, u64],
});

/** What stat(2) says; size of a block device as seek(2) says it. */
export const factsLayout = struct('facts about a file', 44, 'be', {
  /** 0 other, 1 file, 2 folder, 3 block device. */
  kind: [0, u32],
  size: [4, u64],
  allocatedBytes: [12, u64],
  modifiedAt: [20, u64],
  device: [28, bits64],
  inode: [36, bits64],
});

export const op = {
  /** argument: 0 to read, 1 to write what exists. → value: file; facts */
  open: 1,
  /** file, offset, argument: length; flag 1: may be compressed. → the bytes, see `answerFlag`; value: µs of compressing */
  read: 2,
  /** file, offset, argument: end. → value: how far; pairs of u64: start and end of data */
  extents: 3,
  /** argument: mode; path. → value: file; facts */
  create: 4,
  /** file, offset; bytes */
  write: 5,
  /** file, argument: size */
  truncate: 6,
  sync: 7,
  /** file, argument: seconds since 1970 */
  setTime: 8,
  close: 9,
  stat: 10,
  /** → entries one behind the other: facts, name length u16, name; more answers follow while `value` is 1 */
  list: 11,
  realpath: 12,
  makeFolder: 13,
  /** from, NUL, to */
  rename: 14,
  remove: 15,
  home: 16,
  /** file, offset, argument: length. → SHA-256 of each MiB from the offset on, one behind the other; nothing: it can't */
  sums: 17,
} as const;

export const answerStatus = { fine: 0, failed: 1 } as const;

/**
 * `read`: nothing set, the bytes. `zeros`: all of them are zero, none are sent. `bitmap`: one bit for each 64 KiB from
 * the offset on, the lowest first, tells whether they are sent; it stands before them. `deflated`: what is sent, the
 * bitmap aside, is a zlib stream.
 */
export const answerFlag = { deflated: 1, zeros: 2, bitmap: 4 } as const;
export const mayDeflate = 1;
export const canDeflate = 1;
export const grainBytes = 64 * 1024;
export const mostExtents = 2048;
/** A list's answer is no longer than this. */
export const listAnswerBytes = 128 * 1024;
