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

/** What a key file tells without its passphrase. */
export interface KeyFileFace {
  /** In the encoding of RFC 4253, section 6.6. Undefined: only the passphrase tells. */
  readonly publicKey?: Buffer;
  readonly encrypted: boolean;
  /** There is no private half in it: only an agent can sign. */
  readonly publicOnly: boolean;
}

/** @throws AppError as `readKeyFile`, but for the passphrase. */
export async function keyFileFace(path: string): Promise<KeyFileFace> {
  const text = await readSmall(path);
  const plain = parse(text);
  if (!(plain instanceof Error)) {
    return { publicKey: plain.getPublicSSH(), encrypted: false, publicOnly: !plain.isPrivateKey() };
  }
  const publicKey = openSshPublicKey(text.toString('latin1')) ?? (await besideIt(path));
  return { ...(publicKey === undefined ? {} : { publicKey }), encrypted: true, publicOnly: false };
}

async function besideIt(path: string): Promise<Buffer | undefined> {
  const text = await readSmall(`${path}.pub`).catch(() => undefined);
  const found = text === undefined ? undefined : parse(text);
  return found === undefined || found instanceof Error ? undefined : found.getPublicSSH();
}

/** PROTOCOL.key of OpenSSH: a mark, cipher, KDF, its options, a count, then the public key; these are in the clear. */
function openSshPublicKey(text: string): Buffer | undefined {
  const found = /-----BEGIN OPENSSH PRIVATE KEY-----([\sA-Za-z0-9+/=]+)-----END/.exec(text);
  if (found === null) return undefined;
  const bytes = Buffer.from(found[1]!, 'base64');
  const mark = 'openssh-key-v1\0';
  if (bytes.toString('latin1', 0, mark.length) !== mark) return undefined;
  let at = mark.length;
  const field = (): Buffer | undefined => {
    if (at + 4 > bytes.length) return undefined;
    const length = bytes.readUInt32BE(at);
    if (length > bytes.length - at - 4) return undefined;
    at += 4 + length;
    return bytes.subarray(at - length, at);
  };
  for (let skipped = 0; skipped < 3; skipped++) if (field() === undefined) return undefined;
  at += 4;
  return field();
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
