/**
 * A password's hash for /etc/shadow: SHA-512 crypt, `$6$salt$hash`, which every libc in use knows.
 * U. Drepper, "Unix crypt using SHA-256 and SHA-512", version 0.6; the steps are numbered as there.
 */
import { createHash, randomBytes } from 'node:crypto';

const alphabet = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
/** Of the specification: what is used when no `rounds=` is named. */
const rounds = 5000;
const digestBytes = 64;
const saltCharacters = 16;
/** The time grows with the length, and nobody types more. */
const maxPasswordBytes = 512;

export function sha512Crypt(password: string, salt: string = randomSalt()): string {
  const key = Buffer.from(password, 'utf8');
  if (key.length > maxPasswordBytes)
    throw new RangeError(`a password of more than ${maxPasswordBytes} bytes`);
  const saltBytes = Buffer.from(salt, 'latin1').subarray(0, saltCharacters);

  // 4 to 8.
  const b = sha512(key, saltBytes, key);
  // 1 to 3, 9 to 12.
  const a = createHash('sha512').update(key).update(saltBytes).update(repeated(b, key.length));
  for (let bits = key.length; bits > 0; bits >>= 1) a.update((bits & 1) === 1 ? b : key);
  let digest: Buffer = a.digest();
  // 13 to 16.
  const p = repeated(sha512(...Array<Buffer>(key.length).fill(key)), key.length);
  // 17 to 20.
  const s = repeated(sha512(...Array<Buffer>(16 + digest[0]!).fill(saltBytes)), saltBytes.length);
  // 21.
  for (let round = 0; round < rounds; round++) {
    const odd = round % 2 === 1;
    const parts = [odd ? p : digest];
    if (round % 3 !== 0) parts.push(s);
    if (round % 7 !== 0) parts.push(p);
    parts.push(odd ? digest : p);
    digest = sha512(...parts);
  }
  return `$6$${saltBytes.toString('latin1')}$${encoded(digest)}`;
}

const sha512 = (...parts: readonly Buffer[]): Buffer => {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

const repeated = (digest: Buffer, length: number): Buffer => Buffer.alloc(length, digest);

/** 22: three bytes each become four characters; which three goes round by 22, and the last byte stands alone. */
function encoded(digest: Buffer): string {
  let text = '';
  const put = (value: number, characters: number) => {
    for (let i = 0; i < characters; i++) text += alphabet[(value >> (6 * i)) & 63];
  };
  for (let group = 0; group < 21; group++) {
    const [x, y, z] = [0, 21, 42].map((start) => start + group);
    const order = [
      [x!, y!, z!],
      [y!, z!, x!],
      [z!, x!, y!],
    ][group % 3]!;
    put((digest[order[0]!]! << 16) | (digest[order[1]!]! << 8) | digest[order[2]!]!, 4);
  }
  put(digest[digestBytes - 1]!, 2);
  return text;
}

const randomSalt = (): string => [...randomBytes(saltCharacters)].map((byte) => alphabet[byte & 63]).join('');
