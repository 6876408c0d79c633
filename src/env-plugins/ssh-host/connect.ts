/** From the fields of a form to an open connection. Import it at the first use: ssh2 takes time to load. */
import type { SshConnection } from '../../io/ssh/connection.ts';
import { reachHost } from '../../io/ssh/reach.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { secretOrAsk } from '../secret-or-ask.ts';
import { requestOf } from './settings.ts';

/**
 * For the settings of `sshFields`. A further connection with the same answers: its `another`.
 * @throws AppError `usage`, `unreachable`, `auth`, `cancelled`.
 */
export function connectHost(settings: Settings, context: PluginContext): Promise<SshConnection> {
  const { signal } = context;
  const request = requestOf(settings);
  return reachHost(
    request,
    {
      password: () =>
        secretOrAsk(context, 'password', `Password of ${request.user ?? 'the user'} on ${request.host}`),
      passphrase: (file) => secretOrAsk(context, 'keyPassphrase', `Passphrase of the key ${file}`),
      ask: context.ask?.bind(context),
    },
    {
      signal,
      report: (step) => context.report(step),
      confirm: (question) => context.confirm(question),
    },
  );
}
