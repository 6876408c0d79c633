/** What the fields say of the files of a host: by SFTP or by SMB, and with which login. */
import { userInfo } from 'node:os';
import { smbFiles } from '../../io/smb/smb-files.ts';
import { SmbLink } from '../../io/smb/smb-link.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { secretOrAsk } from '../secret-or-ask.ts';
import { requestOf } from '../ssh-host/settings.ts';
import type { Shares } from './disk-files.ts';
import { fileWays, type ways } from './fields.ts';

/** Nothing is connected before a file is asked for. @throws AppError `usage`. */
export function sharesOf(settings: Settings, context: PluginContext, way: (typeof ways)[number]): Shares {
  const { host, user: hostUser } = requestOf(settings);
  const given = (settings.files ?? '').trim() || 'automatic';
  const found = fileWays.find((one) => one === given);
  if (found === undefined)
    throw new AppError('usage', `"${given}" is no way to files`, {
      hint: `there are: ${fileWays.join(', ')}`,
    });
  if (found === 'sftp' && way === 'winrm')
    throw new AppError('usage', 'SFTP comes with SSH only', { hint: 'take files=smb, or the way ssh' });
  const user = (settings.smbUser ?? '').trim() || hostUser || userInfo().username;
  const link = new SmbLink({
    user,
    port: portOf(settings),
    password: () => passwordOf(context, `${user} on ${host}`),
    tell: context.note,
  });
  return {
    files: smbFiles(link),
    host,
    drives: found === 'smb' || way === 'winrm',
    servers: (settings.fileServers ?? '')
      .split(',')
      .map((server) => server.trim())
      .filter((server) => server !== ''),
    close: () => link.close(),
  };
}

/** Empty: that of the host. */
async function passwordOf(context: PluginContext, whose: string): Promise<string> {
  const own = await context.secret('smbPassword').catch((error) => {
    if (toAppError(error).kind === 'auth') return '';
    throw error;
  });
  return own === '' ? secretOrAsk(context, 'password', `Password of ${whose}, for SMB`) : own;
}

function portOf({ smbPort = '' }: Settings): number | undefined {
  const text = smbPort.trim();
  if (text === '') return undefined;
  if (/^\d{1,5}$/.test(text) && Number(text) >= 1 && Number(text) <= 65_535) return Number(text);
  throw new AppError('usage', `"${text}" is not a port`, { hint: 'it takes a number from 1 to 65535' });
}
