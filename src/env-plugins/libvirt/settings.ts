/** What the fields mean: whose libvirt, and where. */
import { AppError } from '../../model/errors.ts';
import type { Field, Settings } from '../plugin.ts';
import { sudoFields } from '../ssh-host/fields.ts';
import { hostFields } from '../ssh-host/open-host.ts';

export const defaultUri = 'qemu:///system';

export const fields: readonly Field[] = [
  ...hostFields,
  ...sudoFields,
  {
    key: 'uri',
    label: 'Libvirt URI',
    help: "qemu:///system, the host's machines; qemu:///session, the user's own; or another one without a host",
    kind: 'text',
    required: false,
    default: defaultUri,
  },
];

/**
 * The URI as virsh takes it on its own host.
 * @throws AppError `usage` for one that leads to another host: its files could not be read.
 */
export function uriOf(settings: Settings): string {
  const uri = (settings.uri ?? '').trim() || defaultUri;
  const [, transport, host] = /^[a-z][a-z0-9]*(?:\+([a-z0-9]+))?:\/\/([^/?#]*)/i.exec(uri) ?? [];
  if (host === undefined || /[\0-\x1f]/.test(uri)) {
    throw new AppError('usage', `"${uri}" is not a URI of libvirt`, { hint: `such as ${defaultUri}` });
  }
  if (host !== '' || (transport !== undefined && transport !== 'unix')) {
    throw new AppError('usage', `"${uri}" leads to another host`, {
      hint: `name that host in the field "Host" and keep ${defaultUri}: its disks are read there, too`,
    });
  }
  return uri;
}
