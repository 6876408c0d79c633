/** The form of a server of VMware's API, and what its fields mean. */
import { AppError } from '../../model/errors.ts';
import type { Field, Settings } from '../plugin.ts';
import { type WayId, wayIds } from './ways/way.ts';
import { wayFields } from './ways/way-fields.ts';

export const fields: readonly Field[] = [
  {
    key: 'host',
    label: 'Host',
    help: 'name or IP address of the vCenter or the ESXi host',
    kind: 'text',
    required: true,
  },
  {
    key: 'port',
    label: 'Port',
    help: 'empty: 443; VMware Server 2 has 8333',
    kind: 'number',
    required: false,
  },
  {
    key: 'user',
    label: 'User',
    help: 'such as root on ESXi, administrator@vsphere.local on vCenter; empty with a session ticket',
    kind: 'text',
    required: false,
  },
  { key: 'password', label: 'Password', help: 'of this user', kind: 'secret', required: false },
  {
    key: 'ticket',
    label: 'Session ticket',
    help: 'instead of user and password: what AcquireCloneTicket gave, or the cookie of a session that lives, vmware_soap_session=…',
    kind: 'secret',
    required: false,
  },
  {
    key: 'fingerprint',
    label: 'Fingerprint',
    help: 'SHA-256 of the only certificate to accept; empty: one that the authorities of this computer vouch for, or that you accept',
    kind: 'text',
    required: false,
  },
  {
    key: 'legacy',
    label: 'Old TLS',
    help: 'also speak TLS before 1.2 and accept weak keys, as servers before 2015 may need',
    kind: 'boolean',
    required: false,
    default: 'no',
  },
  {
    key: 'way',
    label: 'Way',
    help: 'how disks are read; auto: the fastest that is offered',
    kind: 'choice',
    required: false,
    default: 'auto',
    choices: ['auto', ...wayIds],
  },
  {
    key: 'quiesce',
    label: 'Quiesce',
    help: 'of a running machine: have VMware Tools bring its filesystems to rest before the snapshot',
    kind: 'boolean',
    required: false,
    default: 'no',
  },
  ...wayFields,
];

export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  /** Empty: by a session ticket. */
  readonly user: string;
  readonly fingerprint: string | undefined;
  readonly legacy: boolean;
  readonly quiesce: boolean;
  readonly way: WayId | 'auto';
}

/** @throws AppError `usage`. */
export function serverSettings(settings: Settings): ServerSettings {
  const host = (settings.host ?? '').trim().replace(/^\[(.*)\]$/, '$1');
  if (host === '' || /[\s@/\0]/.test(host)) {
    throw new AppError('usage', host === '' ? 'the host is missing' : `"${host}" is not the name of a host`, {
      hint: 'give a name or an IP address, without https:// and without a path',
    });
  }
  const port = (settings.port ?? '').trim() || '443';
  if (!(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new AppError('usage', `"${port}" is not a port`, { hint: 'it takes a number from 1 to 65535' });
  }
  const user = (settings.user ?? '').trim();
  const fingerprint = (settings.fingerprint ?? '').trim();
  return {
    host,
    port: Number(port),
    user,
    fingerprint: fingerprint === '' ? undefined : fingerprint,
    legacy: settings.legacy === 'yes',
    quiesce: settings.quiesce === 'yes',
    way: wayOf(settings.way),
  };
}

function wayOf(text = ''): WayId | 'auto' {
  const id = text.trim() || 'auto';
  const way = (['auto', ...wayIds] as const).find((known) => known === id);
  if (way !== undefined) return way;
  throw new AppError('usage', `"${id}" is no way to read a disk`, {
    hint: `there are: auto, ${wayIds.join(', ')}`,
  });
}
