/** NTLM v2: what is computed of the password and the challenges. [MS-NLMP] 3.3.2. */
import { createHmac } from 'node:crypto';
import { md4 } from './md4.ts';

export interface NtlmAccount {
  /** As it is given; `name@domain` stays whole, with no domain. */
  readonly user: string;
  /** Empty: the server's own accounts, or the one that it belongs to. */
  readonly domain: string;
}

export const hmacMd5 = (key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer => {
  const hmac = createHmac('md5', key);
  for (const part of parts) hmac.update(part);
  return hmac.digest();
};

export const utf16 = (text: string): Buffer => Buffer.from(text, 'utf16le');

/** NTOWFv2: the key that stands for the password. As Windows does it, one code unit becomes one. */
export function ntowfv2({ user, domain }: NtlmAccount, password: string): Buffer {
  const upper = [...user].map((c) => (c.toUpperCase().length === c.length ? c.toUpperCase() : c)).join('');
  return hmacMd5(md4(utf16(password)), utf16(upper + domain));
}

export interface ChallengeParts {
  /** Eight bytes each. */
  readonly serverChallenge: Uint8Array;
  readonly clientChallenge: Uint8Array;
  /** A FILETIME. */
  readonly time: Uint8Array;
  /** AV pairs with their end. */
  readonly targetInfo: Uint8Array;
}

/** The NTLMv2_RESPONSE (2.2.2.8), and the SessionBaseKey. */
export function ntlmV2Response(key: Uint8Array, parts: ChallengeParts) {
  const { serverChallenge, clientChallenge, time, targetInfo } = parts;
  const versions = Buffer.from([1, 1, 0, 0, 0, 0, 0, 0]);
  const challenge = Buffer.concat([
    ...[versions, time, clientChallenge, Buffer.alloc(4)],
    ...[targetInfo, Buffer.alloc(4)],
  ]);
  const proof = hmacMd5(key, serverChallenge, challenge);
  return { response: Buffer.concat([proof, challenge]), sessionBaseKey: hmacMd5(key, proof) };
}
