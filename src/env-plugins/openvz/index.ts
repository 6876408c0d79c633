/** "OpenVZ / Virtuozzo": containers of a host, which is reached by SSH or is this computer. */
import { AppError } from '../../model/errors.ts';
import type { EnvironmentPlugin } from '../plugin.ts';
import { sudoFields } from '../ssh-host/fields.ts';
import { hostFields, openHost } from '../ssh-host/open-host.ts';

export function openvzPlugin(): EnvironmentPlugin {
  return {
    id: 'openvz',
    label: 'OpenVZ / Virtuozzo',
    summary:
      'containers with their disks (ploop) or folders (simfs), here or on a host that is reached by SSH',
    roles: ['source'],
    fields: [
      ...hostFields,
      ...sudoFields,
      {
        key: 'configuration',
        label: 'Configuration',
        help: 'the folder of vz.conf and conf/CTID.conf; empty: /etc/vz',
        kind: 'folder',
        required: false,
      },
      {
        key: 'temporary',
        label: 'Temporary folder',
        help: 'here: where a container that is a folder (simfs) is put into a filesystem; empty: the usual place',
        kind: 'folder',
        required: false,
      },
    ],
    async connect(settings, context) {
      const folder = absolute(settings.configuration) || '/etc/vz';
      const host = await openHost(settings, context);
      try {
        const [{ sourceRole }, { openFolder }] = await Promise.all([
          import('./source.ts'),
          import('./folder-disk.ts'),
        ]);
        const report = (step: string) => context.report(step);
        const temporary = absolute(settings.temporary);
        return {
          source: sourceRole({ host, folder }, (container, signal) =>
            openFolder({ host, temporary, report }, container, signal),
          ),
          close: () => host.close(),
        };
      } catch (error) {
        await host.close();
        throw error;
      }
    },
  };
}

/** Empty, or a path. @throws AppError `usage`. */
function absolute(value = ''): string {
  const given = value.trim().replace(/(.)\/+$/, '$1');
  if (given === '' || (given.startsWith('/') && !given.includes('\0'))) return given;
  throw new AppError('usage', `"${given}" is not an absolute path`, { hint: 'begin it with "/"' });
}
