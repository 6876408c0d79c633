/** From the fields of a form to a session at the server. Import it at the first use. */
import { openHttps } from '../../io/https/client.ts';
import { knownCertificates } from '../../io/https/known-certificates.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { secretOrAsk } from '../secret-or-ask.ts';
import { destinationRole } from './destination.ts';
import { reachHost } from './reach-host.ts';
import { VimSession } from './session.ts';
import { serverSettings } from './settings.ts';
import { sourceRole } from './source.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `unsupported`, `cancelled`. */
export async function connect(
  settings: Settings,
  context: PluginContext,
  certificates: string,
): Promise<Session> {
  const server = serverSettings(settings);
  const { host, port, user, fingerprint, legacy } = server;
  context.report(`connecting to ${host}`);
  const client = await openHttps({
    host,
    port,
    fingerprint,
    legacy,
    known: knownCertificates(certificates),
    confirm: (question) => context.confirm(question),
    signal: context.signal,
    tell: context.note,
  });
  try {
    context.report(`logging in to ${host}`);
    const login =
      user === ''
        ? { ticket: () => ticketOf(context) }
        : {
            user,
            // At each login.
            password: () => secretOrAsk(context, 'password', `Password of ${user} on ${host}`),
          };
    const session = await VimSession.open(client, login, context.signal);
    const source = sourceRole({ session, server, settings, plugin: context, certificates });
    return {
      source,
      // ImportVApp is of vSphere 4.
      ...(session.atLeast('4.0')
        ? { destination: destinationRole(session, reachHost(legacy, context.note)) }
        : {}),
      async close() {
        await source.close();
        await session.close();
      },
    };
  } catch (error) {
    client.close();
    throw error;
  }
}

async function ticketOf(context: PluginContext): Promise<string> {
  try {
    return await context.secret('ticket');
  } catch (error) {
    if (toAppError(error).kind !== 'auth') throw error;
    throw new AppError('usage', 'the user is missing, and there is no session ticket either', {
      cause: error,
    });
  }
}
