/**
 * A file key under a passphrase (age specification, "scrypt recipient stanza"). The library has this too, but hashes
 * on the main thread: for seconds nothing could be drawn, or cancelled.
 */
import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto';
import type { Identity, Recipient, Stanza } from 'age-encryption';
import { AppError } from '../../model/errors.ts';

/** What the `age` tool takes: a second, and 256 MiB. */
export const usualWorkFactor = 18;
/** A GiB: the header of a hostile file may ask for anything. */
const highestWorkFactor = 20;
const label = 'age-encryption.org/v1/scrypt';
const saltBytes = 16;
const fileKeyBytes = 16;
const tagBytes = 16;
const cipher = 'chacha20-poly1305';

export const passphraseIdentity = (passphrase: string): Identity => ({
  async unwrapFileKey(stanzas) {
    const stanza = stanzas.find((s) => s.args[0] === 'scrypt');
    if (stanza === undefined) return null;
    const [, salt = '', factor = ''] = stanza.args;
    const bytes = Buffer.from(salt, 'base64');
    const sound =
      stanzas.length === 1 &&
      stanza.args.length === 3 &&
      bytes.length === saltBytes &&
      unpadded(bytes) === salt &&
      /^[1-9]\d{0,2}$/.test(factor) &&
      stanza.body.length === fileKeyBytes + tagBytes;
    if (!sound) throw new AppError('corrupt', 'age: the part for the passphrase is damaged');
    if (Number(factor) > highestWorkFactor) {
      const message = `age: the passphrase is hashed at a cost of 2^${factor}, at most 2^${highestWorkFactor} is accepted`;
      throw new AppError('unsupported', message, { hint: 'decrypt the file first, with age -d' });
    }
    return unlock(Buffer.from(stanza.body), await keyOf(passphrase, bytes, Number(factor)));
  },
});

export const passphraseRecipient = (
  passphrase: string,
  workFactor: number,
  makeStanza: (args: string[], body: Uint8Array) => Stanza,
): Recipient => ({
  async wrapFileKey(fileKey) {
    const salt = randomBytes(saltBytes);
    const key = await keyOf(passphrase, salt, workFactor);
    // The key is used once: the nonce is zero.
    const sealing = createCipheriv(cipher, key, Buffer.alloc(12), { authTagLength: tagBytes });
    const body = Buffer.concat([sealing.update(fileKey), sealing.final(), sealing.getAuthTag()]);
    return [makeStanza(['scrypt', unpadded(salt), `${workFactor}`], body)];
  },
});

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

function unlock(body: Buffer, key: Buffer): Uint8Array | null {
  const opening = createDecipheriv(cipher, key, Buffer.alloc(12), { authTagLength: tagBytes });
  opening.setAuthTag(body.subarray(fileKeyBytes));
  const fileKey = opening.update(body.subarray(0, fileKeyBytes));
  try {
    opening.final();
    return Uint8Array.from(fileKey);
  } catch {
    return null; // another passphrase
  }
}

function keyOf(passphrase: string, salt: Buffer, workFactor: number): Promise<Buffer> {
  const N = 2 ** workFactor;
  const options = { N, r: 8, p: 1, maxmem: 2 * 128 * 8 * N };
  const salted = Buffer.concat([Buffer.from(label), salt]);
  return new Promise((resolve, reject) => {
    scrypt(passphrase, salted, 32, options, (error, key) => (error === null ? resolve(key) : reject(error)));
  });
}
