/** Which algorithms are offered, in which order; old ones only where they are asked for. The names are those of ssh2. */
import { getCiphers, getHashes } from 'node:crypto';
import type { Algorithms } from 'ssh2';
import { AppError } from '../../model/errors.ts';
import type { AlgorithmKind, HostConfig } from './config.ts';
import { matchesPattern } from './config-lines.ts';

export type AlgorithmLists = Readonly<Record<AlgorithmKind, readonly string[]>>;

const modern: AlgorithmLists = {
  kex: [
    'curve25519-sha256',
    'curve25519-sha256@libssh.org',
    'ecdh-sha2-nistp256',
    'ecdh-sha2-nistp384',
    'ecdh-sha2-nistp521',
    'diffie-hellman-group16-sha512',
    'diffie-hellman-group14-sha256',
    'diffie-hellman-group18-sha512',
    'diffie-hellman-group15-sha512',
    'diffie-hellman-group17-sha512',
    // Last: Node tests whether the server's number is a prime, which takes seconds in which nothing else happens.
    'diffie-hellman-group-exchange-sha256',
  ],
  hostKey: [
    'ssh-ed25519',
    'ecdsa-sha2-nistp256',
    'ecdsa-sha2-nistp384',
    'ecdsa-sha2-nistp521',
    'rsa-sha2-512',
    'rsa-sha2-256',
  ],
  cipher: [
    'aes128-gcm@openssh.com',
    'aes256-gcm@openssh.com',
    'chacha20-poly1305@openssh.com',
    'aes128-ctr',
    'aes192-ctr',
    'aes256-ctr',
  ],
  mac: [
    'hmac-sha2-256-etm@openssh.com',
    'hmac-sha2-512-etm@openssh.com',
    'hmac-sha2-256',
    'hmac-sha2-512',
    'hmac-sha1-etm@openssh.com',
    'hmac-sha1',
  ],
};

/** SHA-1 in signatures and exchanges, CBC, 64-bit blocks, MD5: what servers from before 2015 may have alone. */
const legacy: AlgorithmLists = {
  kex: ['diffie-hellman-group14-sha1', 'diffie-hellman-group-exchange-sha1', 'diffie-hellman-group1-sha1'],
  hostKey: ['ssh-rsa', 'ssh-dss'],
  cipher: [
    'aes256-cbc',
    'aes192-cbc',
    'aes128-cbc',
    ...(getCiphers().includes('des-ede3-cbc') ? ['3des-cbc'] : []),
  ],
  mac: ['hmac-sha1-96', ...(getHashes().includes('md5') ? ['hmac-md5', 'hmac-md5-96'] : [])],
};

const kinds: readonly AlgorithmKind[] = ['kex', 'hostKey', 'cipher', 'mac'];

/**
 * @param config lists of ssh_config(5), which win: a name in them needs no `old`.
 * @throws AppError `usage` when a list has no name that is known here.
 */
export function algorithmLists(old: boolean, config: HostConfig['algorithms'] = {}): AlgorithmLists {
  const lists = kinds.map((kind) => {
    const base = old ? [...modern[kind], ...legacy[kind]] : modern[kind];
    const told = config[kind];
    return [kind, told === undefined ? base : changed(kind, told, base)];
  });
  return Object.fromEntries(lists);
}

/** `a,b` replaces, `+a` appends, `-a*` removes, `^a` puts first. */
function changed(kind: AlgorithmKind, told: string, base: readonly string[]): string[] {
  const mode = /^[+^-]/.exec(told)?.[0] ?? '';
  const patterns = told.slice(mode.length).split(',');
  const fits = (name: string) => patterns.some((pattern) => matchesPattern(pattern, name));
  const all = [...modern[kind], ...legacy[kind]];
  const named = patterns.flatMap((pattern) => all.filter((name) => matchesPattern(pattern, name)));
  const list =
    mode === '-'
      ? base.filter((name) => !fits(name))
      : mode === '+'
        ? [...base, ...named]
        : mode === '^'
          ? [...named, ...base]
          : named;
  if (list.length > 0) return [...new Set(list)];
  throw new AppError('usage', `none of "${told}" is known here (${words[kind]})`, {
    hint: `known are: ${all.join(', ')}`,
  });
}

export const words: Readonly<Record<AlgorithmKind, string>> = {
  kex: 'key exchange algorithm',
  hostKey: 'type of host key',
  cipher: 'cipher',
  mac: 'MAC',
};

/** As ssh2 wants them. */
export function forSsh2({ kex, hostKey, cipher, mac }: AlgorithmLists): Algorithms {
  return { kex, serverHostKey: hostKey, cipher, hmac: mac } as Algorithms;
}

/** The kind of which both sides have none in common; undefined when there is none. */
export function unsharedKind(ours: AlgorithmLists, theirs: AlgorithmLists): AlgorithmKind | undefined {
  return kinds.find((kind) => !ours[kind].some((name) => theirs[kind].includes(name)));
}

/** Whether old algorithms would do where the lists in use do not. */
export function oldWouldDo(theirs: AlgorithmLists): boolean {
  return unsharedKind(algorithmLists(true), theirs) === undefined;
}
