import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { endPointBinding } from '../../../src/io/ntlm/channel-binding.ts';
import { accountOf, ntlmLogin } from '../../../src/io/ntlm/login.ts';
import { md4 } from '../../../src/io/ntlm/md4.ts';
import {
  authenticateMessage,
  avId,
  readChallenge,
  readPairs,
  writePairs,
} from '../../../src/io/ntlm/messages.ts';
import { Rc4 } from '../../../src/io/ntlm/rc4.ts';
import { ntlmV2Response, ntowfv2, utf16 } from '../../../src/io/ntlm/responses.ts';
import { ntlmSealing, sessionKeys } from '../../../src/io/ntlm/sealing.ts';
import { AppError } from '../../../src/model/errors.ts';

const hex = (text: string) => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

describe('MD4 and RC4', () => {
  it('are those of RFC 1320 and RFC 6229', () => {
    for (const [text, digest] of [
      ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
      ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
      ['message digest', 'd9130a8164549fe818874806e1c7014b'],
      [
        '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
        'e33b4ddc9c38f2199c3e7b164fcc0536',
      ],
    ] as const)
      expect(md4(Buffer.from(text)).toString('hex')).toBe(digest);
    const stream = new Rc4(hex('0102030405060708090a0b0c0d0e0f10'));
    const first = Buffer.concat([stream.apply(Buffer.alloc(5)), stream.apply(Buffer.alloc(27))]);
    expect(first).toEqual(hex('9ac7cc9a609d1ef7b2932899cde41b97 5248c4959014126a6e8a84f11d1a9e1c'));
  });
});

// [MS-NLMP] 4.2.1 and 4.2.4.
const account = { user: 'User', domain: 'Domain' };
const sessionKey = Buffer.alloc(16, 0x55);
const challengeMessage = hex(`
  4e544c4d53535000 02000000 0c000c0038000000 33828ae2 0123456789abcdef 0000000000000000 2400240044000000
  060070170000000f 530065007200760065007200
  02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000`);

describe('NTLM v2, by the examples of its specification', () => {
  const { serverChallenge, targetInfo, flags } = readChallenge(challengeMessage);
  const key = ntowfv2(account, 'Password');
  const parts = {
    serverChallenge,
    clientChallenge: Buffer.alloc(8, 0xaa),
    time: Buffer.alloc(8),
    targetInfo: writePairs(targetInfo),
  };

  it('computes the responses and the keys', () => {
    expect(flags >>> 0).toBe(0xe28a8233);
    expect(key).toEqual(hex('0c868a403bfd7a93a3001ef22ef02e3f'));
    const { response, sessionBaseKey } = ntlmV2Response(key, parts);
    expect(response.subarray(0, 16)).toEqual(hex('68cd0ab851e51c96aabc927bebef6a1c'));
    expect(sessionBaseKey).toEqual(hex('8de40ccadbc14a82f15cb0ad0de95ca3'));
    expect(new Rc4(sessionBaseKey).apply(sessionKey)).toEqual(hex('c5dad2544fc9799094ce1ce90bc9d03e'));
    expect(sessionKeys(sessionKey, 'client')).toEqual({
      signing: hex('4788dc861b4782f35d43fd98fe1a2d39'),
      sealing: hex('59f600973cc4960a25480a7c196e4c58'),
    });
  });

  it('seals, and unseals in order only', () => {
    const { seal } = ntlmSealing(sessionKey, 'client');
    const first = seal(utf16('Plaintext'));
    expect(first).toEqual({
      message: hex('54e50165bf1936dc996020c1811b0f06fb5f'),
      signature: hex('010000007fb38ec5c55d497600000000'),
    });
    const second = seal(Buffer.from('two'));
    const other = ntlmSealing(sessionKey, 'server');
    expect(other.unseal(first)).toEqual(utf16('Plaintext'));
    expect(other.unseal(second)).toEqual(Buffer.from('two'));
    for (const wrong of [
      { ...first, signature: Buffer.alloc(15) },
      { ...first, message: Buffer.concat([first.message.subarray(1), Buffer.alloc(1)]) },
      second,
    ]) {
      const fresh = ntlmSealing(sessionKey, 'server');
      expect(() => fresh.unseal(wrong)).toThrow(/signature/);
      expect(() => fresh.unseal(first)).toThrow(/signature/);
    }
  });

  it('writes the message as it is laid out there', () => {
    const { response, sessionBaseKey } = ntlmV2Response(key, parts);
    const message = authenticateMessage({
      flags: 0xe2888235,
      lmResponse: hex('86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa'),
      ntResponse: response,
      ...account,
      workstation: 'COMPUTER',
      encryptedSessionKey: new Rc4(sessionBaseKey).apply(sessionKey),
    });
    // That of the example has no MIC, so its payload begins 16 bytes before.
    expect(message.subarray(88)).toEqual(
      hex(`44006f006d00610069006e00 5500730065007200 43004f004d0050005500540045005200
        86c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa 68cd0ab851e51c96aabc927bebef6a1c
        0101000000000000 0000000000000000 aaaaaaaaaaaaaaaa 00000000
        02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000 00000000
        c5dad2544fc9799094ce1ce90bc9d03e`),
    );
    expect(message.subarray(12, 20)).toEqual(hex('180018007c000000'));
    expect(message.subarray(60, 64)).toEqual(hex('358288e2'));
  });
});

describe('a login by NTLM', () => {
  const time = { id: avId.timestamp, value: Buffer.alloc(8, 1) };
  const challengeWith = (flags: number, pairs = [time]) => {
    const info = writePairs(pairs);
    const message = Buffer.concat([challengeMessage.subarray(0, 56), info]);
    message.writeUInt32LE(flags >>> 0, 20);
    message.writeUInt16LE(info.length, 40);
    message.writeUInt32LE(56, 44);
    return message;
  };
  const login = () => ntlmLogin({ account: accountOf('A\\b'), targetName: 'HTTP/h' });

  it('knows whose account it is', () => {
    expect(accountOf('CORP\\jo')).toEqual({ domain: 'CORP', user: 'jo' });
    expect(accountOf('.\\jo')).toEqual({ domain: '', user: 'jo' });
    expect(accountOf('jo@corp.example')).toEqual({ domain: '', user: 'jo@corp.example' });
    expect(accountOf('jo')).toEqual({ domain: '', user: 'jo' });
  });

  it('is refused where the server wants less than a sealed session of 128 bits, or gives no time', () => {
    expect(() => login().answer(challengeWith(0xe28a8233), 'x')).not.toThrow();
    for (const missing of [0x1, 0x10, 0x20, 0x200, 0x80000, 0x800000, 0x20000000, 0x40000000])
      expect(() => login().answer(challengeWith(0xe28a8233 & ~missing), 'x')).toThrow(/does not do NTLM v2/);
    expect(() => login().answer(challengeMessage, 'x')).toThrow(/does not do NTLM v2/);
  });

  it('does not take lengths in a challenge at their word', () => {
    const good = challengeWith(0xe28a8233);
    const changed = (at: number, value: number) => {
      const message = Buffer.from(good);
      message.writeUInt16LE(value, at);
      return message;
    };
    for (const bad of [
      ...[Buffer.alloc(0), Buffer.alloc(100), good.subarray(0, 47), good.subarray(0, 60), changed(8, 3)],
      ...[changed(40, 0xffff), changed(44, 0xfff0), changed(46, 0xffff), changed(58, 0xffff)],
    ])
      expect(() => login().answer(bad, 'x')).toThrow(expect.objectContaining({ kind: 'corrupt' }));
    expect(() => readPairs(hex('0100'))).toThrow(/cut off/);
    for (let at = 0; at < good.length; at++)
      for (const value of [0, 1, 0x7f, 0xff]) {
        const message = Buffer.from(good);
        message[at] = value;
        try {
          login().answer(message, 'x');
        } catch (error) {
          expect(error).toBeInstanceOf(AppError);
        }
      }
  });

  it('is bound to the certificate by the hash of its signature', () => {
    expect(endPointBinding(Buffer.from('3003', 'hex'))).toBeUndefined();
    expect(endPointBinding(Buffer.alloc(0))).toBeUndefined();
    const certificate = (algorithm: string) => {
      const parts = [hex('3003020101'), hex(algorithm), hex('030100')];
      const body = Buffer.concat(parts);
      return Buffer.concat([Buffer.from([0x30, body.length]), body]);
    };
    for (const [algorithm, hash] of [
      ['300d06092a864886f70d01010b0500', 'sha256'],
      ['300d06092a864886f70d0101050500', 'sha256'],
      ['300a06082a8648ce3d040303', 'sha384'],
      ['301c06092a864886f70d01010a300fa00d300b0609608648016503040203', 'sha512'],
    ] as const) {
      const der = certificate(algorithm);
      const digest = createHash(hash).update(der).digest();
      expect(endPointBinding(der)).toEqual(Buffer.concat([Buffer.from('tls-server-end-point:'), digest]));
    }
    expect(endPointBinding(certificate('300506032b6570'))).toBeUndefined(); // Ed25519
  });
});
