/**
 * The three messages of a login by NTLM, [MS-NLMP] 2.2.1, little-endian:
 *
 *     NEGOTIATE     "NTLMSSP\0" 1 flags, domain and workstation (empty), version
 *     CHALLENGE     "NTLMSSP\0" 2 target name, flags, challenge (8), reserved (8), target info, version
 *     AUTHENTICATE  "NTLMSSP\0" 3 LM and NT response, domain, user, workstation, session key, flags, version, MIC (16)
 *
 * A field of variable length is its length twice and its offset in the message. Target info is a list of AV pairs
 * (2.2.2.1): id, length, value, ended by id 0.
 */
import { AppError } from '../../model/errors.ts';
import { bits64, raw, struct, u16, u32 } from '../struct.ts';
import { utf16 } from './responses.ts';

/** 2.2.2.5. */
export const flags = {
  unicode: 0x1,
  requestTarget: 0x4,
  sign: 0x10,
  seal: 0x20,
  ntlm: 0x200,
  alwaysSign: 0x8000,
  extendedSessionSecurity: 0x80000,
  targetInfo: 0x800000,
  version: 0x2000000,
  bits128: 0x20000000,
  keyExchange: 0x40000000,
  bits56: 0x80000000,
} as const;

/** 2.2.2.1. */
export const avId = { end: 0, flags: 6, timestamp: 7, targetName: 9, channelBindings: 10 } as const;

const mark = Buffer.from('NTLMSSP\0', 'latin1');
/** Windows 10 as 2.2.2.10 writes it: for logs of the other side only. */
const version = Buffer.from([10, 0, 0, 0, 0, 0, 0, 15]);

const challengeHead = struct('NTLM challenge', 48, 'le', {
  signature: [0, bits64],
  type: [8, u32],
  flags: [20, u32],
  challenge: [24, raw(8)],
  targetInfoLength: [40, u16],
  targetInfoOffset: [44, u32],
});

export interface Challenge {
  readonly flags: number;
  readonly serverChallenge: Uint8Array;
  readonly targetInfo: readonly AvPair[];
}

export interface AvPair {
  readonly id: number;
  readonly value: Uint8Array;
}

const wrong = (what: string): AppError => new AppError('corrupt', `NTLM: ${what}`);

export function negotiateMessage(wanted: number): Buffer {
  const message = Buffer.alloc(40);
  mark.copy(message);
  message.writeUInt32LE(1, 8);
  message.writeUInt32LE(wanted >>> 0, 12);
  for (const at of [16, 24]) message.writeUInt32LE(message.length, at + 4);
  version.copy(message, 32);
  return message;
}

/** @throws AppError `corrupt`. */
export function readChallenge(message: Uint8Array): Challenge {
  if (message.length < challengeHead.bytes || !mark.equals(message.subarray(0, 8)))
    throw wrong(`${message.length} bytes that are no message of it`);
  const head = challengeHead.decode(message);
  if (head.type !== 2) throw wrong(`message ${head.type} came where 2, the challenge, was expected`);
  const end = head.targetInfoOffset + head.targetInfoLength;
  if (end > message.length) throw wrong(`the target info ends at ${end} of ${message.length} bytes`);
  return {
    flags: head.flags,
    serverChallenge: head.challenge,
    targetInfo: readPairs(message.subarray(head.targetInfoOffset, end)),
  };
}

/** Without their end. @throws AppError `corrupt`. */
export function readPairs(bytes: Uint8Array): AvPair[] {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const pairs: AvPair[] = [];
  for (let at = 0; at < view.length; ) {
    if (at + 4 > view.length) throw wrong('the target info is cut off');
    const id = view.readUInt16LE(at);
    const end = at + 4 + view.readUInt16LE(at + 2);
    if (id === avId.end) break;
    if (end > view.length) throw wrong(`target info ${id} ends at ${end} of ${view.length} bytes`);
    pairs.push({ id, value: view.subarray(at + 4, end) });
    at = end;
  }
  return pairs;
}

export function writePairs(pairs: readonly AvPair[]): Buffer {
  const parts = [...pairs, { id: avId.end, value: Buffer.alloc(0) }].flatMap(({ id, value }) => {
    const head = Buffer.alloc(4);
    head.writeUInt16LE(id);
    head.writeUInt16LE(value.length, 2);
    return [head, value];
  });
  return Buffer.concat(parts);
}

export interface Authenticate {
  readonly flags: number;
  readonly lmResponse: Uint8Array;
  readonly ntResponse: Uint8Array;
  readonly domain: string;
  readonly user: string;
  readonly workstation: string;
  readonly encryptedSessionKey: Uint8Array;
}

/** Where the MIC is to be written, over the message with zeros there. */
export const micOffset = 72;

export function authenticateMessage(parts: Authenticate): Buffer {
  const head = Buffer.alloc(micOffset + 16);
  mark.copy(head);
  head.writeUInt32LE(3, 8);
  const payload: Uint8Array[] = [];
  let offset = head.length;
  const put = (at: number, value: Uint8Array) => {
    if (value.length > 0xffff) throw new AppError('usage', 'NTLM: the name of the user is too long');
    head.writeUInt16LE(value.length, at);
    head.writeUInt16LE(value.length, at + 2);
    head.writeUInt32LE(offset, at + 4);
    offset += value.length;
    payload.push(value);
  };
  put(28, utf16(parts.domain));
  put(36, utf16(parts.user));
  put(44, utf16(parts.workstation));
  put(12, parts.lmResponse);
  put(20, parts.ntResponse);
  put(52, parts.encryptedSessionKey);
  head.writeUInt32LE(parts.flags >>> 0, 60);
  version.copy(head, 64);
  return Buffer.concat([head, ...payload]);
}
