/** From the fields of a form to an open connection. Import it at the first use: ssh2 takes time to load. */
import type { SshConnection } from '../../io/ssh/connection.ts';
import { reachHost } from '../../io/ssh/reach.ts';
import { AppError } from '../../model/errors.ts';
import type { PluginContext, Settings } from '../plugin.ts';
import { requestOf } from './settings.ts';

/**
 * For the settings of `sshFields`. A further connection with the same answers: its `another`.
 * @throws AppError `usage`, `unreachable`, `auth`, `cancelled`.
 */
export function connectHost(settings: Settings, context: PluginContext): Promise<SshConnection> {
  const { signal } = context;
  const ask = context.ask?.bind(context);
  /** The secret of the field; where there is none, whoever sits at the screen is asked. */
  const secretOrAsk = async (key: string, text: string): Promise<string> => {
    try {
      return await context.secret(key);
    } catch (error) {
      if (ask === undefined || !(error instanceof AppError) || error.kind !== 'auth') throw error;
      return ask({ text, hidden: true });
    }
  };
  const request = requestOf(settings);
  return reachHost(
    request,
    {
      password: () => secretOrAsk('password', `Password of ${request.user ?? 'the user'} on ${request.host}`),
      passphrase: (file) => secretOrAsk('keyPassphrase', `Passphrase of the key ${file}`),
      ask,
    },
    {
      signal,
      report: (step) => context.report(step),
      confirm: (question) => context.confirm(question),
    },
  );
}
