/** "This computer": images and OVF/OVA packages in folders here, as source; a folder here, as destination. */
import type { EnvironmentPlugin, Settings } from '../plugin.ts';
import { destinationRole } from './destination.ts';
import { expandHome } from './expand-home.ts';
import { sourceRole } from './source.ts';

export interface LocalOptions {
  /** Extensions (no dot) of the files that are offered as disk images. */
  readonly imageExtensions: readonly string[];
}

export function localPlugin(options: LocalOptions): EnvironmentPlugin {
  return {
    id: 'local',
    label: 'This computer',
    summary: 'disk images, OVF and OVA in folders here; needs no credentials',
    roles: ['source', 'destination'],
    fields: [
      {
        key: 'folders',
        label: 'Folders',
        help: 'where to look for images, separated by ":"; empty means the current folder and the usual places',
        kind: 'folders',
        required: false,
      },
      {
        key: 'follow',
        label: 'Follow names',
        help: 'trust an image that names files outside its own folder, whatever they are',
        kind: 'boolean',
        required: false,
        default: 'no',
      },
    ],
    async connect(settings) {
      return {
        source: sourceRole(foldersOf(settings), options.imageExtensions),
        destination: destinationRole(),
        async close() {
          // nothing is held
        },
      };
    },
  };
}

/** Where hypervisors keep their images, besides the current folder. */
const usualFolders = [
  '/var/lib/libvirt/images',
  '~/VirtualBox VMs',
  '~/vmware',
  '~/Virtual Machines',
  '~/Downloads',
];

function foldersOf(settings: Settings): string[] {
  const given = (settings.folders ?? '').split(':').filter((folder) => folder !== '');
  const folders = given.length > 0 ? given : [process.cwd(), ...usualFolders];
  return [...new Set(folders.map(expandHome))];
}
