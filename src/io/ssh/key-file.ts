/** A private key from a file. */
import { readFile, stat } from 'node:fs/promises';
import ssh2, { type ParsedKey } from 'ssh2';
import { AppError, toAppError } from '../../model/errors.ts';

const largestBytes = 1024 * 1024;

/**
 * @param passphrase asked only when the key is encrypted.
 * @throws AppError `auth` (wrong or missing passphrase, no permission), `not-found`, `unsupported`.
 */
export async function readKeyFile(path: string, passphrase: () => Promise<string>): Promise<ParsedKey> {
  const text = await readSmall(path);
  const plain = parse(text);
  if (!(plain instanceof Error)) return usable(plain, path);
  if (!/encrypted|passphrase/i.test(plain.message)) {
    throw new AppError('unsupported', 'this is not a private key in a form known here', {
      where: path,
      hint: 'OpenSSH, PEM and PuTTY (version 2) keys are read; convert it with ssh-keygen -p -f FILE',
      cause: plain,
    });
  }
  const key = parse(text, await passphrase());
  if (key instanceof Error) {
    throw new AppError('auth', 'the passphrase does not open this key', {
      where: path,
      hint: 'give the passphrase of the key file, or load the key into ssh-agent',
    });
  }
  return usable(key, path);
}

async function readSmall(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > largestBytes)
      throw new AppError('unsupported', 'this is too large for a key', { where: path });
    return await readFile(path);
  } catch (error) {
    const { kind, message, hint } = toAppError(error);
    throw new AppError(kind, `the key file: ${message}`, {
      where: path,
      cause: error,
      ...(hint === undefined ? {} : { hint }),
    });
  }
}

/** ssh2 gives a list for some forms, though its types don't say so. */
function parse(text: Buffer, passphrase?: string): ParsedKey | Error {
  const found: ParsedKey | Error | ParsedKey[] = ssh2.utils.parseKey(text, passphrase);
  return Array.isArray(found) ? (found[0] ?? new Error('no key')) : found;
}

function usable(key: ParsedKey, path: string): ParsedKey {
  if (key.isPrivateKey()) return key;
  throw new AppError('unsupported', 'this is a public key', {
    where: path,
    hint: 'name the private one, without .pub',
  });
}
