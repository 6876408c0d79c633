/** The host that a form names: behind SSH, or this computer where it names none. */
import type { Host } from '../../io/host/host.ts';
import { localHost } from '../../io/host/local-host.ts';
import { AppError } from '../../model/errors.ts';
import type { Field, PluginContext, Settings } from '../plugin.ts';
import { sshFields } from './fields.ts';

/** `sshFields` where no host means this computer. */
export const hostFields: readonly Field[] = sshFields.map((field) =>
  field.key === 'host'
    ? {
        ...field,
        help: 'name, IP address or alias from ~/.ssh/config, reached by SSH; empty: this computer',
        required: false,
      }
    : field,
);

/** With `sudoFields` set, its commands run as root. @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export async function openHost(settings: Settings, context: PluginContext): Promise<Host> {
  const host = await plainHost(settings, context);
  if (settings.sudo !== 'yes') return host;
  try {
    const { elevatedHost } = await import('../../io/host/elevation.ts');
    return await elevatedHost(host, { signal: context.signal, password: () => sudoPassword(context) });
  } catch (error) {
    await host.close();
    throw error;
  }
}

/** Empty: the same as for the login. */
async function sudoPassword(context: PluginContext): Promise<string> {
  const own = await context.secret('sudoPassword').catch((error) => {
    if (error instanceof AppError && error.kind === 'auth') return '';
    throw error;
  });
  if (own !== '') return own;
  try {
    return await context.secret('password');
  } catch (error) {
    if (context.ask === undefined) throw error;
    return context.ask({ text: 'Password of sudo', hidden: true });
  }
}

async function plainHost(settings: Settings, context: PluginContext): Promise<Host> {
  if ((settings.host ?? '').trim() === '') return localHost();
  const [{ connectHost }, { sshHost }] = await Promise.all([
    import('./connect.ts'),
    import('../../io/host/ssh-host.ts'),
  ]);
  return sshHost(await connectHost(settings, context), { tell: context.note });
}
