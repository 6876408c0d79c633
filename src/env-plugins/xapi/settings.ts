/** The form of a pool, and what its fields mean. */
import { AppError } from '../../model/errors.ts';
import type { Field, Settings } from '../plugin.ts';

/** Those that `auto` tries, the fastest first. */
export const diskWayIds = ['nbd', 'vhd', 'raw'] as const;
export type DiskWayId = (typeof diskWayIds)[number];
const wayIds = ['auto', ...diskWayIds, 'xva'] as const;
export type WayId = (typeof wayIds)[number];

export const fields: readonly Field[] = [
  {
    key: 'host',
    label: 'Host',
    help: 'name or IP address of a host of the pool; from another than its master the way leads there by itself',
    kind: 'text',
    required: true,
  },
  { key: 'port', label: 'Port', help: 'empty: 443', kind: 'number', required: false },
  { key: 'user', label: 'User', help: 'mostly root', kind: 'text', required: true, default: 'root' },
  { key: 'password', label: 'Password', help: 'of this user', kind: 'secret', required: true },
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
    help: 'also speak TLS before 1.2 and accept weak keys, as XenServer before 7.0 may need',
    kind: 'boolean',
    required: false,
    default: 'no',
  },
  {
    key: 'way',
    label: 'Way',
    help: 'how disks are read; nbd: at random, where a network of the pool is made for it; vhd: what they hold; raw: all; auto: the first of these that is offered; xva: the export of the whole machine, with checksums',
    kind: 'choice',
    required: false,
    default: 'auto',
    choices: wayIds,
  },
];

export interface ServerSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly fingerprint: string | undefined;
  readonly legacy: boolean;
  readonly way: WayId;
}

/** @throws AppError `usage`. */
export function serverSettings(settings: Settings): ServerSettings {
  const of = (key: string) => (settings[key] ?? '').trim();
  const host = of('host').replace(/^\[(.*)\]$/, '$1');
  if (host === '' || /[\s@/\0]/.test(host)) {
    throw new AppError('usage', host === '' ? 'the host is missing' : `"${host}" is not the name of a host`, {
      hint: 'give a name or an IP address, without https:// and without a path',
    });
  }
  const port = of('port') || '443';
  if (!(/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535)) {
    throw new AppError('usage', `"${port}" is not a port`, { hint: 'it takes a number from 1 to 65535' });
  }
  const way = wayIds.find((known) => known === (of('way') || 'auto'));
  if (way === undefined) {
    throw new AppError('usage', `"${of('way')}" is no way to read a disk`, {
      hint: `there are: ${wayIds.join(', ')}`,
    });
  }
  const fingerprint = of('fingerprint');
  return {
    host,
    port: Number(port),
    user: of('user') || 'root',
    fingerprint: fingerprint === '' ? undefined : fingerprint,
    legacy: settings.legacy === 'yes',
    way,
  };
}
