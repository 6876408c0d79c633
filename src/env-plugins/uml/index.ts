/** "User Mode Linux": machines that run as a program, here or on a host that is reached by SSH. */
import type { EnvironmentPlugin, Settings } from '../plugin.ts';
import { sudoFields } from '../ssh-host/fields.ts';
import { hostFields, openHost } from '../ssh-host/open-host.ts';

export function umlPlugin(): EnvironmentPlugin {
  return {
    id: 'uml',
    label: 'User Mode Linux',
    summary: 'root filesystems, COW files and running machines, here or on a host that is reached by SSH',
    roles: ['source', 'destination'],
    fields: [
      ...hostFields,
      ...sudoFields,
      {
        key: 'folders',
        label: 'Folders',
        help: 'where to look for start files, root filesystems and COW files, separated by ":"; empty: ~/uml',
        kind: 'folders',
        required: false,
      },
    ],
    async connect(settings, context) {
      const host = await openHost(settings, context);
      try {
        const home = await host.files.home(context.signal);
        const [{ sourceRole }, { destinationRole }] = await Promise.all([
          import('./source.ts'),
          import('./destination.ts'),
        ]);
        return {
          source: sourceRole(host, foldersOf(settings, home)),
          destination: destinationRole(host, home),
          close: () => host.close(),
        };
      } catch (error) {
        await host.close();
        throw error;
      }
    },
  };
}

function foldersOf(settings: Settings, home: string): string[] {
  const given = (settings.folders ?? '').split(':').filter((folder) => folder !== '');
  const folders = given.length > 0 ? given : ['~/uml'];
  return folders.map((folder) =>
    folder.startsWith('/') ? folder : `${home}/${folder.replace(/^~(\/|$)/, '')}`.replace(/\/$/, ''),
  );
}
