/** netplan, and version 2 of cloud-init's network configuration, which is the same. */
import { given, plainText } from '../../text.ts';
import type { ConfigFile } from '../config-file.ts';
import { macOf, maxInterfaces, type NetworkConfig, type NetworkInterface } from './interface.ts';
import { isOn, itemsOf, parseYaml, type Tree, textIn, textsIn, treeOf } from './yaml.ts';

const kinds: Readonly<Record<string, string>> = {
  ethernets: 'ethernet',
  wifis: 'wifi',
  bonds: 'bond',
  bridges: 'bridge',
  vlans: 'vlan',
  tunnels: 'tunnel',
  'dummy-devices': 'dummy',
};

interface Definition {
  readonly id: string;
  readonly kind: string;
  readonly tree: Tree;
  readonly file: string;
}

/** /etc/netplan/*.yaml: later names add to earlier ones, and win. @throws AppError `corrupt`. */
export async function parseNetplan(files: readonly ConfigFile[]): Promise<NetworkConfig> {
  const definitions = new Map<string, Definition>();
  const sorted = files
    .filter(({ name }) => name.endsWith('.yaml'))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, content } of sorted) {
    const network = treeOf(treeOf(await parseYaml(content, name)).network);
    for (const found of definitionsOf(network, name)) {
      const earlier = definitions.get(found.id);
      definitions.set(
        found.id,
        earlier === undefined ? found : { ...found, tree: merged(earlier.tree, found.tree) },
      );
    }
  }
  return {
    system: 'netplan',
    interfaces: [...definitions.values()].slice(0, maxInterfaces).map(interfaceOf),
  };
}

/** The interfaces of what is below `network:`. */
export function versionTwo(network: Tree, file: string): NetworkInterface[] {
  return definitionsOf(network, file).slice(0, maxInterfaces).map(interfaceOf);
}

function definitionsOf(network: Tree, file: string): Definition[] {
  return Object.entries(kinds).flatMap(([key, kind]) =>
    Object.entries(treeOf(network[key])).map(([id, tree]) => ({ id, kind, tree: treeOf(tree), file })),
  );
}

/** As netplan does: mappings and lists are joined, other values replaced. One level is enough for what is read here. */
function merged(earlier: Tree, later: Tree): Tree {
  const both: Record<string, unknown> = { ...earlier };
  for (const [key, value] of Object.entries(later)) {
    const before = both[key];
    if (Array.isArray(before) && Array.isArray(value)) both[key] = [...before, ...value];
    else if (typeof before === 'object' && typeof value === 'object')
      both[key] = { ...treeOf(before), ...treeOf(value) };
    else both[key] = value;
  }
  return both;
}

function interfaceOf({ id, kind, tree, file }: Definition): NetworkInterface {
  const match = treeOf(tree.match);
  const name = textIn(tree['set-name']) ?? textIn(match.name) ?? (tree.match === undefined ? id : undefined);
  // An address may be a mapping from it to its options.
  const addresses = itemsOf(tree.addresses).flatMap((item) => textIn(item) ?? Object.keys(treeOf(item)));
  const routes = itemsOf(tree.routes).map(treeOf);
  const defaults = routes.filter((route) => /^(?:default|0\.0\.0\.0\/0|::\/0)$/.test(textIn(route.to) ?? ''));
  const gateways = [tree.gateway4, tree.gateway6, ...defaults.map((route) => route.via)];
  return {
    ...given('name', name === undefined ? undefined : plainText(name)),
    ...given('mac', macOf(textIn(match.macaddress))),
    method: isOn(tree.dhcp4) ? 'dhcp' : addresses.length > 0 ? 'static' : 'none',
    addresses: addresses.map((address) => plainText(address, 64)),
    gateways: gateways.flatMap(textsIn).map((gateway) => plainText(gateway, 64)),
    dns: textsIn(treeOf(tree.nameservers).addresses).map((server) => plainText(server, 64)),
    kind,
    file,
  };
}
