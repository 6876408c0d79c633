/** The client's side of a login by NTLM v2. [MS-NLMP] 3.1.5.1.2. Nothing older is spoken. */
import { createHash, randomBytes } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import {
  type AvPair,
  authenticateMessage,
  avId,
  flags,
  micOffset,
  negotiateMessage,
  readChallenge,
  writePairs,
} from './messages.ts';
import { Rc4 } from './rc4.ts';
import { hmacMd5, type NtlmAccount, ntlmV2Response, ntowfv2, utf16 } from './responses.ts';
import { ntlmSealing, type Sealing } from './sealing.ts';

export interface NtlmLogin {
  /** The first message. */
  readonly negotiate: Buffer;
  /**
   * The third, for the challenge that came, and what the messages after it are sealed with.
   * @throws AppError `corrupt`; `unsupported` when the server wants less than all that keeps a login safe.
   */
  answer(challenge: Uint8Array, password: string): { authenticate: Buffer; sealing: Sealing };
}

export interface NtlmLoginOptions {
  readonly account: NtlmAccount;
  /** What is talked to, `HTTP/host`: it can't be passed off as a login somewhere else. */
  readonly targetName: string;
  /** RFC 5929 of the TLS connection, where there is one: see `endPointBinding`. */
  readonly channelBinding?: Uint8Array | undefined;
}

const needed =
  flags.unicode |
  flags.sign |
  flags.seal |
  flags.ntlm |
  flags.extendedSessionSecurity |
  flags.targetInfo |
  flags.bits128 |
  flags.keyExchange;
const wanted = needed | flags.requestTarget | flags.alwaysSign | flags.version | flags.bits56;

/** `DOMAIN\user`, `user@domain`, or `user`. */
export function accountOf(login: string): NtlmAccount {
  const [domain, user] = login.includes('\\') ? login.split(/\\(.*)/s) : ['', login];
  // A dot stands for the server's own accounts.
  return { user: user ?? '', domain: domain === '.' ? '' : domain! };
}

export function ntlmLogin({ account, targetName, channelBinding }: NtlmLoginOptions): NtlmLogin {
  const negotiate = negotiateMessage(wanted);
  return {
    negotiate,
    answer(message, password) {
      const challenge = readChallenge(message);
      const time = challenge.targetInfo.find(({ id }) => id === avId.timestamp)?.value;
      // Every Windows since Vista has a time there, which a MIC depends on: without it someone could take flags away.
      if ((challenge.flags & needed) !== (needed | 0) || time?.length !== 8) {
        throw new AppError(
          'unsupported',
          'NTLM: the server does not do NTLM v2 with signed 128-bit sessions',
          {
            hint: 'it is older than Windows Server 2008, or something between weakens the login',
          },
        );
      }
      const bindings = bindingHash(channelBinding);
      const targetInfo = writePairs(answeredPairs(challenge.targetInfo, targetName, bindings));
      const { serverChallenge } = challenge;
      const key = ntowfv2(account, password);
      const parts = { serverChallenge, clientChallenge: randomBytes(8), time, targetInfo };
      const { response, sessionBaseKey } = ntlmV2Response(key, parts);
      const sessionKey = randomBytes(16);
      const authenticate = authenticateMessage({
        flags: challenge.flags & wanted,
        lmResponse: Buffer.alloc(24),
        ntResponse: response,
        ...account,
        workstation: '',
        encryptedSessionKey: new Rc4(sessionBaseKey).apply(sessionKey),
      });
      hmacMd5(sessionKey, negotiate, message, authenticate).copy(authenticate, micOffset);
      return { authenticate, sealing: ntlmSealing(sessionKey, 'client') };
    },
  };
}

function answeredPairs(told: readonly AvPair[], targetName: string, bindings: Buffer): AvPair[] {
  const own: readonly number[] = [avId.flags, avId.channelBindings, avId.targetName];
  const bits = Buffer.alloc(4);
  told
    .find(({ id, value }) => id === avId.flags && value.length === 4)
    ?.value.forEach((byte, at) => {
      bits[at] = byte;
    });
  bits[0]! |= 2; // there is a MIC
  return [
    ...told.filter(({ id }) => !own.includes(id)),
    { id: avId.flags, value: bits },
    { id: avId.channelBindings, value: bindings },
    { id: avId.targetName, value: utf16(targetName) },
  ];
}

/** MD5 over a gss_channel_bindings_struct (RFC 2744) without addresses; zeros where there is no channel. */
function bindingHash(binding: Uint8Array | undefined): Buffer {
  if (binding === undefined) return Buffer.alloc(16);
  const head = Buffer.alloc(20);
  head.writeUInt32LE(binding.length, 16);
  return createHash('md5').update(head).update(binding).digest();
}
