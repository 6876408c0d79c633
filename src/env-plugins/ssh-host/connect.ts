/** From the fields of a form to an open connection. Import it at the first use: ssh2 takes time to load. */
import { connectSsh } from '../../io/ssh/connect.ts';
import type { SshConnection } from '../../io/ssh/connection.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { keyFileOf, targetOf } from './settings.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export function connectHost(settings: Settings, context: PluginContext): Promise<SshConnection> {
  const { signal, report, confirm } = context;
  return connectSsh(
    targetOf(settings),
    {
      keyFile: keyFileOf(settings),
      agent: process.env.SSH_AUTH_SOCK,
      password: () => context.secret('password'),
      passphrase: () => context.secret('keyPassphrase'),
    },
    { signal, report, confirm },
  );
}
