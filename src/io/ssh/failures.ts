/** What goes wrong on the way to a host, in words: which step, and what to try. */
import { AppError } from '../../model/errors.ts';
import { type AlgorithmLists, oldWouldDo, unsharedKind, words } from './algorithms.ts';
import type { ServerOffer } from './server-offer.ts';

export interface SshTarget {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The name under which its key is known, where that is another one (HostKeyAlias). */
  readonly keyAlias?: string;
}

/** `user@host`, with the port where it is not the usual one. */
export function describeTarget({ host, port, user }: SshTarget): string {
  const place = port === 22 ? host : `${host.includes(':') ? `[${host}]` : host}:${port}`;
  return `${user}@${place}`;
}

/** The TCP connection was not made. */
export function socketFailure(error: NodeJS.ErrnoException, target: SshTarget): AppError {
  const where = describeTarget(target);
  const say = (message: string, hint: string) =>
    new AppError('unreachable', message, { where, hint, cause: error });
  switch (error.code) {
    case 'ENOTFOUND':
      return say(
        `name resolution: there is no host "${target.host}"`,
        'check the name, or give its IP address',
      );
    case 'EAI_AGAIN':
      return say(
        `name resolution: no name server answered for "${target.host}"`,
        'check the network of this computer',
      );
    case 'ECONNREFUSED':
      return say(
        `connecting: nothing listens on port ${target.port}`,
        'check the port, and that sshd runs there and the firewall lets it through',
      );
    case 'ETIMEDOUT':
      return say(
        `connecting: no answer from port ${target.port}`,
        'check the address, the firewall and the route to it',
      );
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
      return say('connecting: there is no way to this host', 'check the address, the network and the VPN');
    default:
      return say(`connecting: ${error.message}`, 'check the address and the network');
  }
}

/** The connection broke before anybody was let in. `step` is what was under way. */
export function handshakeFailure(
  error: Error,
  step: string,
  target: SshTarget,
  offer: ServerOffer | undefined,
  ours: AlgorithmLists,
): AppError {
  const where = describeTarget(target);
  if (/no matching/i.test(error.message)) return nothingShared(error, step, where, offer, ours);
  if (/ProxyCommand/.test(error.message)) {
    return new AppError('unreachable', `${step}: ${printable(error.message)}`, {
      where,
      hint: 'it is in your configuration of ssh: try the same with ssh',
      cause: error,
    });
  }
  if (/lost before handshake|identification|SSH-2\.0|protocol/i.test(error.message)) {
    return new AppError('unreachable', `${step}: what answers on port ${target.port} does not speak SSH`, {
      where,
      hint: 'check the port; a server under load or a block list (fail2ban, MaxStartups) also closes at once',
      cause: error,
    });
  }
  return new AppError('unreachable', `${step}: ${printable(error.message)}`, {
    where,
    hint: 'the log of sshd there says more; a server under load or a block list (fail2ban, MaxStartups) also breaks off',
    cause: error,
  });
}

function nothingShared(
  error: Error,
  step: string,
  where: string,
  offer: ServerOffer | undefined,
  ours: AlgorithmLists,
): AppError {
  const say = (message: string, hint: string) =>
    new AppError('unreachable', `${step}: ${message}`, { where, hint, cause: error });
  const theirs = offer?.lists;
  const kind = theirs === undefined ? undefined : unsharedKind(ours, theirs);
  if (theirs === undefined || kind === undefined) {
    const [, what] = /no matching (.*)/i.exec(error.message) ?? [];
    return say(
      `the server and this program share no ${printable(what ?? 'algorithm')}`,
      'allow a current algorithm in its sshd_config',
    );
  }
  const offered = printable(theirs[kind].filter((name) => !/^(ext-info|kex-strict)-/.test(name)).join(', '));
  const message = `the server (${printable(offer!.version)}) and this program share no ${words[kind]}; it offers ${offered}`;
  if (oldWouldDo(theirs)) {
    return say(
      message,
      'these are old and weak; where the network between is trusted, allow them with "Old algorithms" (legacy=yes)',
    );
  }
  return say(message, `allow one of these in its sshd_config: ${ours[kind].join(', ')}`);
}

export function lostConnection(target: SshTarget, why: string): AppError {
  return new AppError('unreachable', `the connection was lost: ${printable(why)}`, {
    where: describeTarget(target),
    hint: 'check that the host is up and the network between, then try again',
  });
}

/** A server's own words, fit for one line of a terminal. */
export function printable(text: string): string {
  return text
    .replace(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
    .trim()
    .slice(0, 300);
}
