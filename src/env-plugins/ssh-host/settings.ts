/** What the fields mean: the host and the key. */
import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { SshTarget } from '../../io/ssh/failures.ts';
import { AppError } from '../../model/errors.ts';
import type { Settings } from '../plugin.ts';

/** @throws AppError `usage`. */
export function targetOf(settings: Settings): SshTarget {
  const host = (settings.host ?? '').trim();
  if (host === '' || /[\s@/\0]/.test(host)) {
    throw new AppError('usage', host === '' ? 'the host is missing' : `"${host}" is not the name of a host`, {
      hint: 'give a name or an IP address; user and port have fields of their own',
    });
  }
  const port = settings.port === undefined || settings.port.trim() === '' ? 22 : Number(settings.port);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new AppError('usage', `"${settings.port}" is not a port`, {
      hint: 'it takes a number from 1 to 65535',
    });
  }
  // An IPv6 address may be written in brackets.
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port, user: (settings.user ?? '').trim() || ownName() };
}

function ownName(): string {
  try {
    return userInfo().username;
  } catch (cause) {
    throw new AppError('usage', 'the user is missing, and this computer has no name for its own', { cause });
  }
}

/** An absolute path here; a leading `~` is the user's own folder. */
export function keyFileOf(settings: Settings): string | undefined {
  const given = (settings.keyFile ?? '').trim();
  if (given === '') return undefined;
  if (given.startsWith('~/')) return join(homedir(), given.slice(2));
  if (isAbsolute(given)) return given;
  throw new AppError('usage', `the key file "${given}" is not an absolute path`, {
    hint: 'begin it with "/" or "~/"',
  });
}
