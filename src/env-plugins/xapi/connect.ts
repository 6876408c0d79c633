/** From the fields of a form to a session at the pool's master. Import it at the first use. */
import { openHttps } from '../../io/https/client.ts';
import { knownCertificates } from '../../io/https/known-certificates.ts';
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { secretOrAsk } from '../secret-or-ask.ts';
import { destinationRole } from './destination.ts';
import { XapiSession } from './session.ts';
import { serverSettings } from './settings.ts';
import { sourceRole } from './source.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `unsupported`, `cancelled`. */
export async function connect(
  settings: Settings,
  context: PluginContext,
  certificates: string,
): Promise<Session> {
  const server = serverSettings(settings);
  const known = knownCertificates(certificates);
  /** The fingerprint of the form is that of the host in the form; another host of the pool has its own. */
  const open = (host: string, signal: AbortSignal | undefined, fingerprint?: string) =>
    openHttps({
      host,
      port: server.port,
      fingerprint,
      legacy: server.legacy,
      known,
      confirm: (question) => context.confirm(question),
      tell: context.note,
      ...(signal === undefined ? {} : { signal }),
    });
  context.report(`connecting to ${server.host}`);
  const client = await open(server.host, context.signal, server.fingerprint);
  context.report(`logging in to ${server.host}`);
  const question = `Password of ${server.user} on ${server.host}`;
  const login = { user: server.user, password: () => secretOrAsk(context, 'password', question) };
  const session = await XapiSession.open(client, login, open, context.signal);
  return {
    source: sourceRole({
      session,
      server,
      report: (line) => context.report(line),
      confirm: (question) => context.confirm(question),
    }),
    destination: destinationRole(session),
    close: () => session.close(),
  };
}
