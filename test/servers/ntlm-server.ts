/**
 * The server's side of NTLM v2, written from [MS-NLMP] 3.2.5 and 3.3.2. It is strict where a Windows server of today may
 * be: proof, MIC and channel bindings must be right. An independent client (Debian's python3-ntlm-auth) logs in to it in
 * winrm.oracle.test.ts.
 */
import { createHash, randomBytes } from 'node:crypto';
import { Rc4 } from '../../src/io/ntlm/rc4.ts';
import { hmacMd5, ntowfv2 } from '../../src/io/ntlm/responses.ts';
import { ntlmSealing, type Sealing } from '../../src/io/ntlm/sealing.ts';

const mark = 'NTLMSSP\0';
/** 0xe28a8235, as Windows answers, without OEM and with REQUEST_TARGET. */
const usualFlags = 0xe28a8235;

export interface NtlmServerOptions {
  readonly users: ReadonlyMap<string, string>;
  /** The certificate's hash that a login has to be bound to. */
  readonly endPoint: Buffer | undefined;
  readonly flags?: number;
}

export interface NtlmServerLogin {
  challenge(negotiate: Buffer): Buffer;
  /** Undefined: it is refused. */
  finish(authenticate: Buffer): { user: string; sealing: Sealing } | undefined;
}

const pair = (id: number, value: Buffer): Buffer => {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(id);
  head.writeUInt16LE(value.length, 2);
  return Buffer.concat([head, value]);
};
const words = (text: string) => Buffer.from(text, 'utf16le');

export function ntlmServer({ users, endPoint, flags = usualFlags }: NtlmServerOptions): NtlmServerLogin {
  const serverChallenge = randomBytes(8);
  let first: Uint8Array = Buffer.alloc(0);
  let second: Uint8Array = Buffer.alloc(0);
  return {
    challenge(negotiate) {
      first = negotiate;
      const time = Buffer.alloc(8);
      time.writeBigUInt64LE((BigInt(Date.now()) + 11_644_473_600_000n) * 10_000n);
      const name = words('HV01');
      const info = Buffer.concat([
        ...[pair(2, words('HV01')), pair(1, words('HV01')), pair(4, words('hv01')), pair(3, words('hv01'))],
        ...[pair(7, time), pair(0, Buffer.alloc(0))],
      ]);
      const head = Buffer.alloc(56);
      head.write(mark, 'latin1');
      head.writeUInt32LE(2, 8);
      for (const [at, length, offset] of [
        [12, name.length, 56],
        [40, info.length, 56 + name.length],
      ] as const) {
        head.writeUInt16LE(length, at);
        head.writeUInt16LE(length, at + 2);
        head.writeUInt32LE(offset, at + 4);
      }
      head.writeUInt32LE(flags >>> 0, 20);
      serverChallenge.copy(head, 24);
      Buffer.from([10, 0, 0x63, 0x45, 0, 0, 0, 15]).copy(head, 48);
      const message = Buffer.concat([head, name, info]);
      second = message;
      return message;
    },
    finish(authenticate) {
      const field = (at: number) => {
        const offset = authenticate.readUInt32LE(at + 4);
        return authenticate.subarray(offset, offset + authenticate.readUInt16LE(at));
      };
      const [domain, user] = [field(28).toString('utf16le'), field(36).toString('utf16le')];
      const password = users.get(user);
      if (password === undefined || (domain !== '' && domain.toUpperCase() !== 'HV01')) return undefined;
      const response = field(20);
      const [proof, challenge] = [response.subarray(0, 16), response.subarray(16)];
      const key = ntowfv2({ user, domain }, password);
      if (!hmacMd5(key, serverChallenge, challenge).equals(proof)) return undefined;
      const sessionKey = new Rc4(hmacMd5(key, proof)).apply(field(52));
      const pairs = pairsOf(challenge.subarray(28));
      // 3.2.5.1.2: a client that says so has a MIC over the three messages.
      const hasMic = ((pairs.get(6)?.readUInt32LE() ?? 0) & 2) !== 0;
      const without = Buffer.from(authenticate);
      without.fill(0, 72, 88);
      const mic = hmacMd5(sessionKey, first, second, without);
      if (!hasMic || !mic.equals(authenticate.subarray(72, 88))) return undefined;
      const bound = pairs.get(10);
      if (endPoint !== undefined && bound?.equals(bindingOf(endPoint)) !== true) return undefined;
      return { user, sealing: ntlmSealing(sessionKey, 'server') };
    },
  };
}

function pairsOf(bytes: Buffer): Map<number, Buffer> {
  const pairs = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at + 2);
    if (bytes.readUInt16LE(at) === 0) break;
    pairs.set(bytes.readUInt16LE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return pairs;
}

/** RFC 2744 3.11 without addresses, hashed as [MS-NLMP] 2.2.2.1 says. */
function bindingOf(endPoint: Buffer): Buffer {
  const data = Buffer.concat([Buffer.from('tls-server-end-point:'), endPoint]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(data.length);
  return createHash('md5')
    .update(Buffer.concat([Buffer.alloc(16), length, data]))
    .digest();
}
