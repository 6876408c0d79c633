/** VirtualBox by its files, and by VBoxManage where that is needed; here or on a host behind SSH. */
import type { EnvironmentPlugin, Settings } from '../plugin.ts';
import { sudoFields } from '../ssh-host/fields.ts';
import { hostFields, openHost } from '../ssh-host/open-host.ts';

/** Where VirtualBox puts machines when nobody says otherwise; the second one before 4.0. */
const usualFolders = ['~/VirtualBox VMs', '~/.VirtualBox/Machines'];

export function virtualboxPlugin(): EnvironmentPlugin {
  return {
    id: 'virtualbox',
    label: 'VirtualBox',
    summary: 'machines of VirtualBox by their .vbox, here or on a host reached by SSH',
    roles: ['source', 'destination'],
    fields: [
      ...hostFields,
      ...sudoFields,
      {
        key: 'folders',
        label: 'Folders',
        help: 'where to look for .vbox files, separated by ":"; empty: the usual ones, and what VirtualBox itself has listed',
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
          source: sourceRole(host, { home, ...foldersOf(settings, home) }),
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

function foldersOf(settings: Settings, home: string): { folders: string[]; asked: boolean } {
  const given = (settings.folders ?? '').split(':').filter((folder) => folder !== '');
  const asked = given.length > 0;
  const folders = (asked ? given : usualFolders).map((folder) =>
    (folder.startsWith('/') ? folder : `${home}/${folder.replace(/^~(\/|$)/, '')}`).replace(/(.)\/+$/, '$1'),
  );
  return { folders, asked };
}
