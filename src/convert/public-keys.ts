/** Public keys of a file, as `ssh-keygen` and `authorized_keys` have them. */
import { open } from 'node:fs/promises';
import { AppError, toAppError } from '../model/errors.ts';
import { pathHere } from '../model/guest-additions.ts';
import { KiB } from '../model/units.ts';

const largest = 64 * KiB;
const kinds = /(^|\s)(ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+|sk-[a-z0-9-]+(@openssh\.com)?)\s+AAAA[\w+/=]+/;

/** One a line, without comments. @throws AppError `usage`, `not-found`. */
export async function readPublicKeys(given: string): Promise<string[]> {
  const path = pathHere(given);
  const text = await textOf(path);
  if (/PRIVATE KEY-----/.test(text)) {
    throw new AppError('usage', 'this is a private key: it is not given to a guest', {
      where: path,
      hint: `name the public one, mostly ${path}.pub`,
    });
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  const odd = keys.find((line) => !kinds.test(line) || /\p{Cc}/u.test(line));
  if (keys.length === 0 || odd !== undefined) {
    throw new AppError('usage', 'no public key of SSH', {
      where: path,
      hint: 'a line of it is to look like "ssh-ed25519 AAAA… name"',
    });
  }
  return keys;
}

async function textOf(path: string): Promise<string> {
  try {
    const handle = await open(path, 'r');
    try {
      const { size } = await handle.stat();
      if (size <= largest) return await handle.readFile('utf8');
      throw new AppError('usage', `${size} bytes are no list of public keys`, { where: path });
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw toAppError(error);
  }
}
