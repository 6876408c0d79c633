/** Whether the host is the one it was before. A changed or revoked key is refused, a new one is asked for. */
import { AppError } from '../../model/errors.ts';
import { describeTarget, type SshTarget } from './failures.ts';
import { fingerprint, hostName, type KnownKey, keyType } from './known-hosts.ts';

/** Those first whose key is known: a server with several keys then shows the one that can be checked. */
export function orderedAlgorithms(known: readonly KnownKey[], offered: readonly string[]): string[] {
  const types = new Set(known.filter((k) => k.marker === undefined).map((k) => k.type));
  const isKnown = (name: string) => types.has(name.startsWith('rsa-') ? 'ssh-rsa' : name);
  return [...offered.filter(isKnown), ...offered.filter((name) => !isKnown(name))];
}

/**
 * `known` when it is the host's key, `new` when nothing is known of the host.
 * @throws AppError `auth` when the key is revoked, is another one than before, or can't be judged.
 */
export function judgeHostKey(key: Buffer, known: readonly KnownKey[], target: SshTarget): 'known' | 'new' {
  const type = keyType(key);
  const where = describeTarget(target);
  const revoked = known.find((k) => k.marker === 'revoked' && k.key.equals(key));
  if (revoked !== undefined) {
    throw new AppError('auth', `host key: this ${type} key is marked as revoked in ${revoked.where}`, {
      where,
      hint: "don't connect; ask the host's administrator for its new key",
    });
  }
  const plain = known.filter((k) => k.marker === undefined);
  if (plain.some((k) => k.key.equals(key))) return 'known';
  const other = plain.find((k) => k.type === type) ?? plain[0];
  if (other !== undefined) {
    const which = other.type === type ? `another ${type} key` : `a ${other.type} key`;
    throw new AppError(
      'auth',
      `host key: the server shows ${type} ${fingerprint(key)}, but ${other.where} has ${which} for it`,
      {
        where,
        hint: `somebody may be in between, or the host was set up anew; if its administrator confirms the new key, remove the old one with: ssh-keygen -R '${hostName(target)}'`,
      },
    );
  }
  const authority = known.find((k) => k.marker === 'cert-authority');
  if (authority !== undefined) {
    throw new AppError(
      'auth',
      `host key: ${authority.where} trusts this host by a certificate authority, and certificates can't be checked here`,
      {
        where,
        hint: `add the host's own key: ssh-keyscan -p ${target.port} '${target.host}' (and compare it)`,
      },
    );
  }
  return 'new';
}

export function hostKeyQuestion(key: Buffer, target: SshTarget): string {
  return `The host ${hostName(target)} is not known yet. Its ${keyType(key)} key is ${fingerprint(key)}. Is that right, and is it to be remembered?`;
}

/** New, and nobody is to be asked (StrictHostKeyChecking yes). */
export function hostKeyNotAllowed(key: Buffer, target: SshTarget): AppError {
  return new AppError('auth', `host key: the ${keyType(key)} key ${fingerprint(key)} is not known`, {
    where: describeTarget(target),
    hint: 'your configuration of ssh says "StrictHostKeyChecking yes": add the key to known_hosts yourself',
  });
}

export function hostKeyRefused(key: Buffer, target: SshTarget): AppError {
  return new AppError(
    'auth',
    `host key: the ${keyType(key)} key ${fingerprint(key)} is not known and was not accepted`,
    {
      where: describeTarget(target),
      hint: 'connect once where you can be asked (the full-screen program, or ssh) and compare the fingerprint',
    },
  );
}
