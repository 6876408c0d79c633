/** The host that a form names: behind SSH, or this computer where it names none. */
import type { Host } from '../../io/host/host.ts';
import { localHost } from '../../io/host/local-host.ts';
import type { Field, PluginContext, Settings } from '../plugin.ts';
import { sshFields } from './fields.ts';

/** `sshFields` where no host means this computer. */
export const hostFields: readonly Field[] = sshFields.map((field) =>
  field.key === 'host'
    ? { ...field, help: 'name or IP address, reached by SSH; empty: this computer', required: false }
    : field,
);

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export async function openHost(settings: Settings, context: PluginContext): Promise<Host> {
  if ((settings.host ?? '').trim() === '') return localHost();
  const [{ connectHost }, { sshHost }] = await Promise.all([
    import('./connect.ts'),
    import('../../io/host/ssh-host.ts'),
  ]);
  return sshHost(await connectHost(settings, context));
}
