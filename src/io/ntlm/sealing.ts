/**
 * Session security with extended session security, 128 bits and key exchange. [MS-NLMP] 3.4: each direction has a key to
 * sign and a key to seal, one RC4 stream for all of its messages, and counts them.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { Rc4 } from './rc4.ts';
import { hmacMd5 } from './responses.ts';

export type Side = 'client' | 'server';

export const signatureBytes = 16;

export interface Sealed {
  /** NTLMSSP_MESSAGE_SIGNATURE, 2.2.2.9.2. */
  readonly signature: Buffer;
  readonly message: Buffer;
}

export interface Sealing {
  seal(message: Uint8Array): Sealed;
  /** In the order in which they were sealed. @throws AppError `corrupt`; nothing may be unsealed after that. */
  unseal(sealed: Sealed): Buffer;
}

/** What `side` seals, and what it unseals of the other. */
export function ntlmSealing(exportedSessionKey: Uint8Array, side: Side): Sealing {
  const own = direction(exportedSessionKey, side);
  const other = direction(exportedSessionKey, side === 'client' ? 'server' : 'client');
  let isBroken = false;
  return {
    seal(message) {
      const sealed = own.stream.apply(message);
      return { signature: own.sign(message), message: sealed };
    },
    unseal({ signature, message }) {
      const plain = other.stream.apply(message);
      const expected = other.sign(plain);
      if (isBroken || signature.length !== signatureBytes || !timingSafeEqual(expected, signature)) {
        isBroken = true;
        throw new AppError('corrupt', 'NTLM: the signature of a sealed message is wrong', {
          hint: 'something between here and there changed it, or played an old one again',
        });
      }
      return plain;
    },
  };
}

/** 3.4.5.2 SIGNKEY and 3.4.5.3 SEALKEY. */
export const sessionKeys = (exportedSessionKey: Uint8Array, side: Side) => ({
  signing: magicKey(exportedSessionKey, side, 'signing'),
  sealing: magicKey(exportedSessionKey, side, 'sealing'),
});

function magicKey(key: Uint8Array, side: Side, use: 'signing' | 'sealing'): Buffer {
  const way = side === 'client' ? 'client-to-server' : 'server-to-client';
  return createHash('md5').update(key).update(`session key to ${way} ${use} key magic constant\0`).digest();
}

/** 3.4.4.2: the checksum is encrypted with the stream of the messages, after the message. */
function direction(exportedSessionKey: Uint8Array, side: Side) {
  const { signing, sealing } = sessionKeys(exportedSessionKey, side);
  const stream = new Rc4(sealing);
  let count = 0;
  return {
    stream,
    sign(message: Uint8Array): Buffer {
      const number = Buffer.alloc(4);
      number.writeUInt32LE(count++);
      const checksum = stream.apply(hmacMd5(signing, number, message).subarray(0, 8));
      return Buffer.concat([Buffer.from([1, 0, 0, 0]), checksum, number]);
    },
  };
}
