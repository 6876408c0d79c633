/**
 * known_hosts as in sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT": `[@marker] patterns type base64 [comment]`, where patterns
 * are names with `*`, `?` and `!`, `[name]:port` for another port than 22, or `|1|salt|HMAC-SHA1` of a name.
 */
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { AppError, toAppError } from '../../model/errors.ts';
import { matchesList } from './config-lines.ts';
import type { SshTarget } from './failures.ts';

export interface KnownHostsFiles {
  /** Where a key that was accepted is added. */
  readonly user: string;
  readonly system: readonly string[];
  /** Names are added as hashes. */
  readonly hash?: boolean;
}

export const usualKnownHosts = (): KnownHostsFiles => ({
  user: join(homedir(), '.ssh', 'known_hosts'),
  system: ['/etc/ssh/ssh_known_hosts'],
});

/** One line that speaks of the host asked for. */
export interface KnownKey {
  readonly marker?: 'revoked' | 'cert-authority';
  readonly type: string;
  readonly key: Buffer;
  /** `file:line`. */
  readonly where: string;
}

/** A file longer than this is no list of hosts. */
const largestBytes = 64 * 1024 * 1024;

/** All that the files say of the host. @throws AppError when a file exists and can't be read. */
export async function knownKeys(files: KnownHostsFiles, target: SshTarget): Promise<KnownKey[]> {
  const found: KnownKey[] = [];
  for (const file of [files.user, ...files.system]) {
    const text = await readFile(file, 'utf8').catch((error) => {
      const failure = toAppError(error);
      if (failure.kind === 'not-found') return '';
      throw failure;
    });
    if (text.length > largestBytes)
      throw new AppError('corrupt', 'this is no known_hosts file', { where: file });
    found.push(...keysIn(text, file, hostName(target)));
  }
  return found;
}

/** As the files write it; an alias stands alone, without the port. */
export function hostName({ host, port, keyAlias }: Pick<SshTarget, 'host' | 'port' | 'keyAlias'>): string {
  if (keyAlias !== undefined) return keyAlias.toLowerCase();
  const name = host.toLowerCase();
  return port === 22 ? name : `[${name}]:${port}`;
}

/** Lines that can't be understood are passed over, as ssh does. */
export function keysIn(text: string, file: string, name: string): KnownKey[] {
  return text.split('\n').flatMap((line, index) => {
    const words = line.trim().split(/[ \t]+/);
    if (words[0] === undefined || words[0] === '' || words[0].startsWith('#')) return [];
    const marker = words[0].startsWith('@') ? words.shift()!.slice(1) : undefined;
    const [patterns, type, base64] = words;
    if (patterns === undefined || type === undefined || base64 === undefined) return [];
    if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') return [];
    if (!matches(patterns, name)) return [];
    const key = Buffer.from(base64, 'base64');
    return [{ type, key, where: `${file}:${index + 1}`, ...(marker === undefined ? {} : { marker }) }];
  });
}

function matches(patterns: string, name: string): boolean {
  if (patterns.startsWith('|')) return matchesHash(patterns, name);
  return matchesList(patterns.toLowerCase().split(','), name);
}

function matchesHash(pattern: string, name: string): boolean {
  const [, version, salt, hash] = pattern.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const wanted = Buffer.from(hash, 'base64');
  const found = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return wanted.length === found.length && timingSafeEqual(wanted, found);
}

function hashed(name: string): string {
  const salt = randomBytes(20);
  const hash = createHmac('sha1', salt).update(name).digest('base64');
  return `|1|${salt.toString('base64')}|${hash}`;
}

/** Adds one line; the file and its folder are made where they are missing. @throws AppError */
export async function rememberKey(file: string, target: SshTarget, key: Buffer, hash = false): Promise<void> {
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    const before = await readFile(file, 'utf8').catch(() => '');
    const start = before === '' || before.endsWith('\n') ? '' : '\n';
    const name = hash ? hashed(hostName(target)) : hostName(target);
    const line = `${start}${name} ${keyType(key)} ${key.toString('base64')}\n`;
    // One write at the end of the file: two programs that do so at once leave two whole lines.
    await appendFile(file, line, { mode: 0o600 });
  } catch (error) {
    throw toAppError(error);
  }
}

/** The first field of the key's own encoding, RFC 4253 section 6.6. @throws AppError `corrupt`. */
export function keyType(key: Buffer): string {
  const length = key.length < 4 ? 0 : key.readUInt32BE(0);
  if (length === 0 || length > 64 || length > key.length - 4) {
    throw new AppError('corrupt', 'the host key that the server sent is malformed');
  }
  const type = key.toString('latin1', 4, 4 + length);
  if (!/^[\w@.-]+$/.test(type))
    throw new AppError('corrupt', 'the host key that the server sent is malformed');
  return type;
}

/** As `ssh-keygen -l` writes it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;
