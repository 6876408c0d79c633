/** "Disk files over SSH": disk images below folders of a host that runs sshd, as source; a folder there as destination. */
import type { EnvironmentPlugin } from '../plugin.ts';
import { sshFields } from '../ssh-host/fields.ts';

export interface SshPluginOptions {
  /** Extensions (no dot) of the files that are offered as disk images. */
  readonly imageExtensions: readonly string[];
}

export function sshPlugin(options: SshPluginOptions): EnvironmentPlugin {
  return {
    id: 'ssh',
    label: 'Disk files over SSH',
    summary: 'disk images in folders of a host that is reached by SSH; a folder there',
    roles: ['source', 'destination'],
    fields: [
      ...sshFields,
      {
        key: 'folders',
        label: 'Folders',
        help: 'folders there in which to look for images, separated by ":"',
        kind: 'folders',
        required: false,
        default: '/var/lib/libvirt/images',
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
    async connect(settings, context) {
      // ssh2 is loaded at the first use only: it takes a good part of the time to start.
      const { connect } = await import('./connect.ts');
      return connect(settings, context, options);
    },
  };
}
