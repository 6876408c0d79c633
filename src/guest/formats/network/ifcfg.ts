/** ifcfg-* of Red Hat (/etc/sysconfig/network-scripts) and SUSE (/etc/sysconfig/network): assignments of a shell. */
import { given, plainText } from '../../text.ts';
import { type ConfigFile, shellAssignments } from '../config-file.ts';
import {
  type AddressMethod,
  listOf,
  macOf,
  maxInterfaces,
  type NetworkConfig,
  type NetworkInterface,
  withPrefix,
} from './interface.ts';

const backups = /(?:~|\.(?:bak|old|orig|rpmnew|rpmsave|rpmorig|swp))$|^ifcfg-lo$/;

/** Files that are no ifcfg-NAME, backups and the loopback are passed over. */
export function parseIfcfg(files: readonly ConfigFile[]): NetworkConfig {
  const interfaces = files
    .filter(({ name }) => name.startsWith('ifcfg-') && !backups.test(name))
    .slice(0, maxInterfaces)
    .map(interfaceOf);
  return { system: 'ifcfg', interfaces };
}

function interfaceOf({ name, content }: ConfigFile): NetworkInterface {
  const values = shellAssignments(content);
  const get = (key: string) => values.get(key) || undefined;
  const addresses: string[] = [];
  // IPADDR, IPADDR0 … of Red Hat; IPADDR_any of SUSE, whose prefix may be in it.
  for (const [key, address] of values) {
    const suffix = /^IPADDR(\d*|_.+)$/.exec(key)?.[1];
    if (suffix === undefined || address === '') continue;
    const mask = get(`PREFIX${suffix}`) ?? get(`PREFIXLEN${suffix}`) ?? get(`NETMASK${suffix}`);
    addresses.push(withPrefix(address, mask));
  }
  addresses.push(...listOf(get('IPV6ADDR')), ...listOf(get('IPV6ADDR_SECONDARIES')));
  const gateways = [...values].filter(
    ([key, value]) => /^(?:GATEWAY\d*|IPV6_DEFAULTGW)$/.test(key) && value !== '',
  );
  const dns = [...values].filter(([key, value]) => /^DNS\d+$/.test(key) && value !== '');
  return {
    name: plainText(get('DEVICE') ?? name.slice('ifcfg-'.length)),
    ...given('mac', macOf(get('HWADDR'))),
    method: methodOf(get('BOOTPROTO'), addresses),
    addresses,
    gateways: gateways.map(([, value]) => plainText(value, 64)),
    dns: dns.map(([, value]) => plainText(value, 64)),
    ...given('kind', get('TYPE')?.toLowerCase()),
    file: name,
  };
}

function methodOf(word: string | undefined, addresses: readonly string[]): AddressMethod {
  if (/^(?:dhcp|dhcp4|dhcp\+autoip|bootp)$/i.test(word ?? '')) return 'dhcp';
  if (addresses.length > 0) return 'static';
  return word === undefined || /^(?:none|static|dhcp6)$/i.test(word) ? 'none' : 'unknown';
}
