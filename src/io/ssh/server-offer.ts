/**
 * What a server offers, from the first bytes that it sends: its name and its lists of algorithms (RFC 4253, sections
 * 4.2, 6 and 7.1). ssh2 tells only that nothing fits.
 */
import type { AlgorithmLists } from './algorithms.ts';

export interface ServerOffer {
  /** Such as `SSH-2.0-OpenSSH_5.3`. */
  readonly version: string;
  readonly lists?: AlgorithmLists;
}

/** A key exchange message is about 1 KiB. */
export const offerBytes = 32 * 1024;
const keyExchangeInit = 20;

/** Undefined as long as the server has not named itself. */
export function serverOffer(bytes: Buffer): ServerOffer | undefined {
  const line = /(?:^|\n)(SSH-[^\r\n]*)\r?\n/.exec(bytes.toString('latin1', 0, offerBytes));
  if (line === null) return undefined;
  const version = line[1]!;
  const lists = listsIn(bytes.subarray(line.index + line[0].length));
  return { version, ...(lists === undefined ? {} : { lists }) };
}

/** The packet: its length, the length of its padding, then the message: type, 16 bytes cookie, ten lists. */
function listsIn(bytes: Buffer): AlgorithmLists | undefined {
  if (bytes.length < 6 || bytes.readUInt32BE(0) > bytes.length - 4 || bytes[5] !== keyExchangeInit) {
    return undefined;
  }
  const lists: string[][] = [];
  for (let at = 6 + 16; lists.length < 6; ) {
    if (at + 4 > bytes.length) return undefined;
    const length = bytes.readUInt32BE(at);
    if (length > bytes.length - at - 4) return undefined;
    lists.push(bytes.toString('latin1', at + 4, at + 4 + length).split(','));
    at += 4 + length;
  }
  // Each direction has its own cipher and MAC; no server is known that tells them apart.
  return { kex: lists[0]!, hostKey: lists[1]!, cipher: lists[2]!, mac: lists[4]! };
}
