/**
 * The vault's file: JSON, everything but `content` in the clear.
 *
 *   format, version   'vmferry vault', 1
 *   kdf               scrypt with N, r, p and a random 16-byte salt: 64 bytes, of which
 *                     0–31 are the key of the content and 32–63 are the key of `verifier`
 *   verifier          HMAC-SHA-256 of format, version and kdf: tells a wrong passphrase from a damaged file. It
 *                     makes guessing no cheaper, for scrypt comes first
 *   nonce             12 random bytes, new for every write
 *   content, tag      AES-256-GCM over JSON [[account, secret]…], all of the above as associated data
 *   checksum          SHA-256 of all of the above: damage is seen before a passphrase is asked. Against an
 *                     attacker the tag stands, not this
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  randomBytes,
  scrypt,
  timingSafeEqual,
} from 'node:crypto';
import * as z from 'zod';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';

const FORMAT = 'vmferry vault';

/** 128·N·r bytes are needed: 128 MiB as written by us. A file may ask for no more than this. */
const MOST_MEMORY = 512 * MiB;

const bytes = (length: number) =>
  z.base64().refine((text) => Buffer.from(text, 'base64').length === length, `not ${length} bytes`);
const powerOfTwo = z.int().refine((n) => n > 1 && Number.isInteger(Math.log2(n)), 'not a power of two');
const costSchema = z
  .object({ N: powerOfTwo, r: z.int().min(1).max(32), p: z.int().min(1).max(4) })
  .refine(({ N, r }) => 128 * N * r <= MOST_MEMORY, 'asks for too much memory');
const kdfSchema = costSchema.and(z.object({ name: z.literal('scrypt'), salt: bytes(16) }));
const fileSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(1),
  kdf: kdfSchema,
  verifier: bytes(32),
  cipher: z.literal('aes-256-gcm'),
  nonce: bytes(12),
  content: z.base64(),
  tag: bytes(16),
  checksum: bytes(32),
});
const contentSchema = z.array(z.tuple([z.string(), z.string()]));

export type VaultFile = Readonly<z.infer<typeof fileSchema>>;
export type Cost = Readonly<z.infer<typeof costSchema>>;
export type Secrets = Map<string, string>;
type Kdf = Readonly<z.infer<typeof kdfSchema>>;

export const DEFAULT_COST: Cost = { N: 2 ** 17, r: 8, p: 1 };

/** What a passphrase becomes: opens the vault as long as its salt is the same. */
export interface VaultKey {
  readonly kdf: Kdf;
  readonly content: Buffer;
  readonly verifier: Buffer;
}

/** A key for a new vault, or for a new passphrase. */
export async function newKey(passphrase: string, cost: Cost): Promise<VaultKey> {
  return derive(passphrase, { name: 'scrypt', ...cost, salt: randomBytes(16).toString('base64') });
}

/** @throws AppError `auth` when the passphrase is wrong. */
export async function keyFor(passphrase: string, file: VaultFile, where: string): Promise<VaultKey> {
  const key = await derive(passphrase, file.kdf);
  if (!fits(key, file)) {
    throw new AppError('auth', 'the passphrase does not open the vault', { where });
  }
  return key;
}

/** False when the vault has got another passphrase since the key was made. */
export function fits(key: VaultKey, file: VaultFile): boolean {
  return timingSafeEqual(key.verifier, Buffer.from(file.verifier, 'base64'));
}

async function derive(passphrase: string, kdf: Kdf): Promise<VaultKey> {
  // NFKC: the same characters typed on another system are the same bytes.
  const text = Buffer.from(passphrase.normalize('NFKC'));
  const { N, r, p } = kdf;
  const derived = await new Promise<Buffer>((resolve, reject) => {
    const limits = { N, r, p, maxmem: 128 * N * r + 128 * r * p + MiB };
    scrypt(text, Buffer.from(kdf.salt, 'base64'), 64, limits, (error, key) =>
      error ? reject(error) : resolve(key),
    );
  });
  const verifier = createHmac('sha256', derived.subarray(32)).update(kdfHeader(kdf)).digest();
  return { kdf, content: derived.subarray(0, 32), verifier };
}

export function seal(secrets: Secrets, key: VaultKey): string {
  const head = {
    format: FORMAT,
    version: 1,
    kdf: key.kdf,
    verifier: key.verifier.toString('base64'),
    cipher: 'aes-256-gcm',
    nonce: randomBytes(12).toString('base64'),
  } as const;
  const cipher = createCipheriv('aes-256-gcm', key.content, Buffer.from(head.nonce, 'base64'));
  cipher.setAAD(associated(head));
  const content = Buffer.concat([cipher.update(JSON.stringify([...secrets])), cipher.final()]);
  const file = { ...head, content: content.toString('base64'), tag: cipher.getAuthTag().toString('base64') };
  return `${JSON.stringify({ ...file, checksum: checksum(file) }, null, 2)}\n`;
}

/** @throws AppError `corrupt` when the tag does not fit: the file was changed. */
export function unseal(file: VaultFile, key: VaultKey, where: string): Secrets {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.content, Buffer.from(file.nonce, 'base64'));
    decipher.setAAD(associated(file));
    decipher.setAuthTag(Buffer.from(file.tag, 'base64'));
    const text = Buffer.concat([decipher.update(Buffer.from(file.content, 'base64')), decipher.final()]);
    return new Map(contentSchema.parse(JSON.parse(text.toString())));
  } catch {
    // The cause is left out: an error of the JSON parser would show a piece of the content.
    throw damaged('its content was changed', where);
  }
}

/** @throws AppError `corrupt`, `unsupported` (written by a later vmferry). */
export function parseVault(text: string, where: string): VaultFile {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    throw damaged('it is not JSON', where);
  }
  const later = z.object({ format: z.literal(FORMAT), version: z.number().min(2) }).safeParse(data);
  if (later.success) {
    throw new AppError('unsupported', `the vault is of version ${later.data.version}, 1 is known`, { where });
  }
  const result = fileSchema.safeParse(data);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw damaged(`${issue?.path.join('.') || 'the file'}: ${issue?.message}`, where);
  }
  if (checksum(result.data) !== result.data.checksum) throw damaged('its checksum does not fit', where);
  return result.data;
}

function damaged(what: string, where: string): AppError {
  return new AppError('corrupt', `the vault is damaged: ${what}`, {
    where,
    hint: 'put back a copy of the file, or move it away to start a new one',
  });
}

const kdfHeader = ({ name, N, r, p, salt }: Kdf): string => JSON.stringify([FORMAT, 1, name, N, r, p, salt]);

function associated(head: Pick<VaultFile, 'kdf' | 'verifier' | 'cipher' | 'nonce'>): Buffer {
  return Buffer.from(JSON.stringify([kdfHeader(head.kdf), head.verifier, head.cipher, head.nonce]));
}

function checksum(file: Omit<VaultFile, 'checksum'>): string {
  return createHash('sha256').update(associated(file)).update(`${file.content}.${file.tag}`).digest('base64');
}
