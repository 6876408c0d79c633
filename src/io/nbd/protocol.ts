/**
 * The words of the NBD protocol, for both sides. Spec: doc/proto.md of the NetworkBlockDevice/nbd project. Numbers
 * are big-endian.
 *
 *   option     "IHAVEOPT"  option u32  length u32  payload
 *   its reply  magic u64   option u32  type u32    length u32  payload
 *   request    magic u32   flags u16   type u16    cookie u64  offset u64  length u32  (data of a write)
 *   simple     magic u32   error u32   cookie u64  (data of a read)
 *   chunk      magic u32   flags u16   type u16    cookie u64  length u32  payload
 */
import { bits64, struct, u16, u32, u64 } from '../struct.ts';

export const magic = {
  server: Buffer.from('NBDMAGIC'),
  option: Buffer.from('IHAVEOPT'),
  /** Where `option` stands in the handshake of servers before 2011. */
  oldStyle: Buffer.from('0000420281861253', 'hex'),
  optionReply: 0x0003e889045565a9n,
  request: 0x25609513,
  simpleReply: 0x67446698,
  chunk: 0x668e33ef,
} as const;

/** Handshake flags of the server, and the client's in answer: the same bits. */
export const handshakeFlag = { fixedNewstyle: 1, noZeroes: 2 } as const;

export const option = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  info: 6,
  go: 7,
  structuredReply: 8,
  listMetaContext: 9,
  setMetaContext: 10,
} as const;

export const optionReply = { ack: 1, server: 2, info: 3, metaContext: 4 } as const;

const refusal = (number: number): number => 0x8000_0000 + number;

export const optionError = {
  unsupported: refusal(1),
  policy: refusal(2),
  invalid: refusal(3),
  platform: refusal(4),
  tlsRequired: refusal(5),
  unknownExport: refusal(6),
  shutdown: refusal(7),
  blockSizeRequired: refusal(8),
  tooBig: refusal(9),
} as const;

export const info = { export: 0, name: 1, description: 2, blockSize: 3 } as const;

export const transmissionFlag = {
  hasFlags: 1,
  readOnly: 2,
  flush: 4,
  fua: 8,
  trim: 32,
  writeZeroes: 64,
  dontFragment: 128,
  multiConn: 256,
} as const;

export const command = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const;

export const commandFlag = { fua: 1, noHole: 2, dontFragment: 4, one: 8 } as const;

export const chunkDone = 1;
/** From this bit on a chunk is an error. */
const chunkError = 0x8000;
export const chunkType = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: chunkError + 1,
  errorOffset: chunkError + 2,
} as const;
export const isErrorChunk = (type: number): boolean => type >= chunkError;

/** Error numbers on the wire, whatever the system's own are. */
export const errorNumber = {
  permission: 1,
  io: 5,
  memory: 12,
  invalid: 22,
  noSpace: 28,
  overflow: 75,
  notSupported: 95,
  shutdown: 108,
} as const;

/** Flags of `base:allocation`. A hole without `zero` may hold anything. */
export const allocation = { name: 'base:allocation', hole: 1, zero: 2 } as const;

/** What a side may send or ask for at once where nothing else was agreed on. */
export const usualMaximumBytes = 32 * 2 ** 20;
/** Longest name of an export or a context. */
export const longestName = 4096;

export const optionHead = struct('NBD option', 16, 'be', {
  magic: [0, bits64],
  option: [8, u32],
  length: [12, u32],
});
export const optionReplyHead = struct('NBD option reply', 20, 'be', {
  magic: [0, bits64],
  option: [8, u32],
  type: [12, u32],
  length: [16, u32],
});
export const requestHead = struct('NBD request', 28, 'be', {
  magic: [0, u32],
  flags: [4, u16],
  type: [6, u16],
  cookie: [8, bits64],
  offset: [16, bits64],
  length: [24, u32],
});
export const simpleReplyHead = struct('NBD simple reply', 16, 'be', {
  magic: [0, u32],
  error: [4, u32],
  cookie: [8, bits64],
});
export const chunkHead = struct('NBD reply chunk', 20, 'be', {
  magic: [0, u32],
  flags: [4, u16],
  type: [6, u16],
  cookie: [8, bits64],
  length: [16, u32],
});
export const exportInfo = struct('NBD export', 10, 'be', { size: [0, u64], flags: [8, u16] });
