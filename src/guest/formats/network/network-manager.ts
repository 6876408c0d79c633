/** Keyfiles of NetworkManager: /etc/NetworkManager/system-connections (nm-settings-keyfile(5)). */
import { given, plainText } from '../../text.ts';
import { type ConfigFile, iniSections, iniValues } from '../config-file.ts';
import {
  type AddressMethod,
  listOf,
  macOf,
  maxInterfaces,
  type NetworkConfig,
  type NetworkInterface,
} from './interface.ts';

export function parseKeyfiles(files: readonly ConfigFile[]): NetworkConfig {
  return { system: 'network-manager', interfaces: files.slice(0, maxInterfaces).flatMap(interfaceOf) };
}

function interfaceOf({ name: file, content }: ConfigFile): NetworkInterface[] {
  const sections = iniSections(content);
  if (!sections.some(({ name }) => name === 'connection')) return [];
  const get = (section: string, key: string) => iniValues(sections, section, key).at(-1);
  const kind = get('connection', 'type');
  if (kind === 'loopback') return [];
  // address1=ADDRESS/PREFIX,GATEWAY; of old, address1=ADDRESS;PREFIX;GATEWAY;
  const given1 = ['ipv4', 'ipv6'].flatMap((family) =>
    sections
      .filter(({ name }) => name === family)
      .flatMap(({ entries }) => entries)
      .filter(([key]) => /^address(?:es)?\d*$/.test(key))
      .map(([, value]) => addressAndGateway(value)),
  );
  const gateways = [...given1.map(({ gateway }) => gateway), get('ipv4', 'gateway'), get('ipv6', 'gateway')];
  const mac = get('ethernet', 'mac-address') ?? get('802-3-ethernet', 'mac-address');
  const name = get('connection', 'interface-name');
  return [
    {
      ...given('name', name === undefined ? undefined : plainText(name)),
      ...given('mac', macOf(mac)),
      method: methodOf(get('ipv4', 'method'), given1.length > 0),
      addresses: given1.map(({ address }) => address),
      gateways: gateways.filter((gateway) => gateway !== undefined).map((gateway) => plainText(gateway, 64)),
      dns: [...listOf(get('ipv4', 'dns')), ...listOf(get('ipv6', 'dns'))],
      ...given(
        'kind',
        kind === '802-3-ethernet' ? 'ethernet' : kind === undefined ? undefined : plainText(kind),
      ),
      file,
    },
  ];
}

function addressAndGateway(value: string): { address: string; gateway: string | undefined } {
  const [address = '', second, third] = listOf(value);
  const [prefix, gateway] = address.includes('/') ? [undefined, second] : [second, third];
  const known = gateway !== undefined && !/^(?:0\.0\.0\.0|::)$/.test(gateway);
  return {
    address: prefix === undefined ? address : `${address}/${prefix}`,
    gateway: known ? gateway : undefined,
  };
}

function methodOf(word: string | undefined, hasAddress: boolean): AddressMethod {
  if (word === 'auto' || word === undefined) return 'dhcp';
  if (word === 'manual') return hasAddress ? 'static' : 'unknown';
  return word === 'disabled' || word === 'link-local' ? 'none' : 'unknown';
}
