/** What the fields mean: the host and the key. */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import type { SshRequest } from '../../io/ssh/reach.ts';
import { AppError } from '../../model/errors.ts';
import type { Settings } from '../plugin.ts';

/** The host to reach; what the fields leave empty is left to the configuration of ssh. @throws AppError `usage`. */
export function requestOf(settings: Settings): SshRequest {
  const host = (settings.host ?? '').trim();
  if (host === '' || /[\s@/\0]|^-/.test(host)) {
    throw new AppError('usage', host === '' ? 'the host is missing' : `"${host}" is not the name of a host`, {
      hint: 'give a name or an IP address; user and port have fields of their own',
    });
  }
  const port = (settings.port ?? '').trim();
  if (port !== '' && !(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new AppError('usage', `"${port}" is not a port`, { hint: 'it takes a number from 1 to 65535' });
  }
  return {
    // An IPv6 address may be written in brackets.
    host: host.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? undefined : Number(port),
    user: (settings.user ?? '').trim() || undefined,
    keyFile: keyFileOf(settings),
    jump: settings.jump,
    legacy: settings.legacy === 'yes',
  };
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
