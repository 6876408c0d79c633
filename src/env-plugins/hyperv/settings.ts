/** What the fields of the form mean where WinRM is the way. */
import type { LoginWay } from '../../io/winrm/conversation.ts';
import { AppError } from '../../model/errors.ts';
import type { Settings } from '../plugin.ts';
import { requestOf } from '../ssh-host/settings.ts';
import { logins, ways } from './fields.ts';

/** @throws AppError `usage`. */
export function wayOf(settings: Settings): (typeof ways)[number] {
  const given = (settings.way ?? '').trim() || 'ssh';
  const found = ways.find((one) => one === given);
  if (found !== undefined) return found;
  throw new AppError('usage', `"${given}" is no way to a host`, { hint: `there are: ${ways.join(', ')}` });
}

export interface WinRmSettings {
  readonly host: string;
  readonly port: number;
  readonly tls: boolean;
  readonly user: string;
  readonly login: LoginWay;
  readonly fingerprint: string | undefined;
  readonly legacy: boolean;
}

/** @throws AppError `usage`; `unsupported` for a login that is not spoken here. */
export function winrmSettings(settings: Settings): WinRmSettings {
  const { host, port, user, legacy } = requestOf(settings);
  if (user === undefined) {
    throw new AppError('usage', 'the user is missing', {
      hint: 'WinRM wants one: an administrator of the host, or DOMAIN\\user',
    });
  }
  if (!['', 'none'].includes((settings.jump ?? '').trim())) {
    throw new AppError('usage', 'WinRM goes straight to the host, not over jump hosts', {
      hint: 'leave the jump hosts empty, or take the way ssh',
    });
  }
  const tls = settings.tls !== 'no';
  return {
    host,
    port: port ?? (tls ? 5986 : 5985),
    tls,
    user,
    login: loginOf(settings),
    fingerprint: (settings.fingerprint ?? '').trim() || undefined,
    legacy: legacy ?? false,
  };
}

function loginOf(settings: Settings): LoginWay {
  const given = (settings.login ?? '').trim().toLowerCase() || 'ntlm';
  const found = logins.find((one) => one === given);
  if (found !== undefined) return found;
  const isKnown = ['kerberos', 'credssp', 'certificate', 'negotiate'].includes(given);
  throw new AppError(isKnown ? 'unsupported' : 'usage', `a login by "${given}" is not spoken from here`, {
    hint: `there are: ${logins.join(', ')}; an account of a domain logs in by ntlm as well, where the domain allows it`,
  });
}
