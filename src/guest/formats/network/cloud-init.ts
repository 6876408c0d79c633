/** cloud-init's network configuration, version 1 and 2, from a seed or from /etc/cloud/cloud.cfg.d. */
import { given, plainText } from '../../text.ts';
import type { ConfigFile } from '../config-file.ts';
import { macOf, type NetworkConfig, type NetworkInterface, withPrefix } from './interface.ts';
import { versionTwo } from './netplan.ts';
import { itemsOf, parseYaml, type Tree, textIn, textsIn, treeOf } from './yaml.ts';

/** Undefined where the file says nothing of the network; `disabled` where cloud-init is to leave it. */
export async function parseCloudInitNetwork({
  name,
  content,
}: ConfigFile): Promise<NetworkConfig | 'disabled' | undefined> {
  const all = treeOf(await parseYaml(content, name));
  // In a file of its own, the outer key is often left out.
  const network = all.network === undefined ? all : treeOf(all.network);
  if (network.config === 'disabled') return 'disabled';
  const version = textIn(network.version);
  if (version === '2') return { system: 'cloud-init', interfaces: versionTwo(network, name) };
  if (version !== '1') return undefined;
  const items = itemsOf(network.config).map(treeOf);
  const servers = items.filter((item) => item.type === 'nameserver').flatMap((item) => textsIn(item.address));
  const interfaces = items
    .filter((item) => item.type !== 'nameserver' && item.type !== 'route' && textIn(item.name) !== undefined)
    .map((item) => interfaceOf(item, servers, name));
  return { system: 'cloud-init', interfaces };
}

function interfaceOf(item: Tree, servers: readonly string[], file: string): NetworkInterface {
  const subnets = itemsOf(item.subnets).map(treeOf);
  const types = subnets.map((subnet) => textIn(subnet.type) ?? '');
  const addresses = subnets.flatMap((subnet) => {
    const address = textIn(subnet.address);
    return address === undefined ? [] : [withPrefix(address, textIn(subnet.netmask))];
  });
  const dns = [...subnets.flatMap((subnet) => textsIn(subnet.dns_nameservers)), ...servers];
  return {
    name: plainText(textIn(item.name)!),
    ...given('mac', macOf(textIn(item.mac_address))),
    method: types.some((type) => type === 'dhcp' || type === 'dhcp4')
      ? 'dhcp'
      : addresses.length > 0
        ? 'static'
        : 'none',
    addresses,
    gateways: subnets.flatMap((subnet) => textsIn(subnet.gateway)).map((gateway) => plainText(gateway, 64)),
    dns: dns.map((server) => plainText(server, 64)),
    kind: item.type === 'physical' ? 'ethernet' : plainText(textIn(item.type) ?? ''),
    file,
  };
}
