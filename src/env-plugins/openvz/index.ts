/** "OpenVZ / Virtuozzo": containers of a host, which is reached by SSH or is this computer. */
import type { Host } from '../../io/host/host.ts';
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
      const opened = await openHost(settings, context);
      try {
        const host = settings.sudo === 'yes' ? withRootsFiles(opened) : opened;
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
          close: () => opened.close(),
        };
      } catch (error) {
        await opened.close();
        throw error;
      }
    },
  };
}

/** With sudo its commands run as root; so must what reads its files, where the host can do that. */
const withRootsFiles = (host: Host): Host => {
  const files = host.filesAs?.(() => host.spawn.bind(host));
  return files === undefined ? host : { ...host, files };
};

/** Empty, or a path. @throws AppError `usage`. */
function absolute(value = ''): string {
  const given = value.trim().replace(/(.)\/+$/, '$1');
  if (given === '' || (given.startsWith('/') && !given.includes('\0'))) return given;
  throw new AppError('usage', `"${given}" is not an absolute path`, { hint: 'begin it with "/"' });
}
