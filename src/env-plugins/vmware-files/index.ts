/** VMware's hosted products by their files: Workstation, Player, Fusion, Server; here or on a host behind SSH. */
import type { EnvironmentPlugin, Settings } from '../plugin.ts';
import { sudoFields } from '../ssh-host/fields.ts';
import { hostFields, openHost } from '../ssh-host/open-host.ts';
import { vmrestFields } from './vmrest-fields.ts';

/** Where the products put machines when nobody says otherwise. */
const usualFolders = [
  '~/vmware',
  '~/Virtual Machines',
  '~/Documents/Virtual Machines',
  '~/Virtual Machines.localized',
  '~/Documents/Virtual Machines.localized',
  '/var/lib/vmware/Virtual Machines',
];

export function vmwareFilesPlugin(): EnvironmentPlugin {
  return {
    id: 'workstation',
    label: 'VMware Workstation / Player',
    summary:
      'machines of Workstation, Player, Fusion and Server by their .vmx, here or on a host reached by SSH',
    roles: ['source', 'destination'],
    fields: [
      ...hostFields,
      ...sudoFields,
      {
        key: 'folders',
        label: 'Folders',
        help: 'where to look for .vmx files, separated by ":"; empty: the usual ones, and what VMware itself has listed',
        kind: 'folders',
        required: false,
      },
      ...vmrestFields,
    ],
    async connect(settings, context) {
      const host = await openHost(settings, context);
      try {
        const home = await host.files.home(context.signal);
        const [{ sourceRole }, { destinationRole }, { openVmrest }] = await Promise.all([
          import('./source.ts'),
          import('./destination.ts'),
          import('./vmrest.ts'),
        ]);
        const vmrest = await openVmrest(host, settings, context);
        return {
          source: sourceRole(host, { home, vmrest, ...foldersOf(settings, home) }),
          destination: destinationRole(host, home, vmrest),
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
