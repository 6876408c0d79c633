/** systemd-networkd's .network files (systemd.network(5)). */
import { given, plainText } from '../../text.ts';
import { type ConfigFile, iniSections, iniValues } from '../config-file.ts';
import { listOf, macOf, maxInterfaces, type NetworkConfig, type NetworkInterface } from './interface.ts';

/** In the order in which networkd tries them: by name. */
export function parseNetworkd(files: readonly ConfigFile[]): NetworkConfig {
  const own = files
    .filter(({ name }) => name.endsWith('.network'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  return { system: 'networkd', interfaces: own.slice(0, maxInterfaces).flatMap(interfacesOf) };
}

/** One for each card that the file names. */
function interfacesOf({ name: file, content }: ConfigFile): NetworkInterface[] {
  const sections = iniSections(content);
  const all = (section: string, key: string) => iniValues(sections, section, key).flatMap(listOf);
  const addresses = [...all('Network', 'Address'), ...all('Address', 'Address')];
  const dhcp = /^(?:yes|true|on|1|ipv4|both|v4)$/i.test(all('Network', 'DHCP').at(-1) ?? '');
  // A route without a destination is the default one.
  const gateways = sections
    .filter(({ name }) => name === 'Route')
    .filter(({ entries }) =>
      entries.every(([k, v]) => k !== 'Destination' || /^(?:0\.0\.0\.0\/0|::\/0)$/.test(v)),
    )
    .flatMap(({ entries }) =>
      entries.filter(([key]) => key === 'Gateway').map(([, value]) => plainText(value, 64)),
    );
  const facts = {
    method: dhcp ? ('dhcp' as const) : addresses.length > 0 ? ('static' as const) : ('none' as const),
    addresses,
    gateways: [...all('Network', 'Gateway'), ...gateways],
    dns: all('Network', 'DNS'),
    file,
  };
  const names = all('Match', 'Name');
  const macs = [...all('Match', 'MACAddress'), ...all('Match', 'PermanentMACAddress')].flatMap(
    (m) => macOf(m) ?? [],
  );
  if (names.length > 0) return names.map((name) => ({ name, ...given('mac', macs[0]), ...facts }));
  return macs.map((mac) => ({ mac, ...facts }));
}
