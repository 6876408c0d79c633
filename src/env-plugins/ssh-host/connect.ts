/** From the fields of a form to an open connection. Import it at the first use: ssh2 takes time to load. */
import type { SshConnection } from '../../io/ssh/connection.ts';
import { reachHost } from '../../io/ssh/reach.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { requestOf } from './settings.ts';

/**
 * For the settings of `sshFields`. A further connection with the same answers: its `another`.
 * @throws AppError `usage`, `unreachable`, `auth`, `cancelled`.
 */
export function connectHost(settings: Settings, context: PluginContext): Promise<SshConnection> {
  const { signal } = context;
  const ask = context.ask?.bind(context);
  return reachHost(
    requestOf(settings),
    {
      password: () => context.secret('password'),
      async passphrase(file) {
        try {
          return await context.secret('keyPassphrase');
        } catch (error) {
          if (ask === undefined) throw error;
          return ask({ text: `Passphrase of the key ${file}`, hidden: true });
        }
      },
      ask,
    },
    {
      signal,
      report: (step) => context.report(step),
      confirm: (question) => context.confirm(question),
    },
  );
}
