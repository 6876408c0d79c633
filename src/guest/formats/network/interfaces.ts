/** /etc/network/interfaces of Debian and Alpine (interfaces(5), ifupdown and ifupdown-ng). */
import { given, plainText } from '../../text.ts';
import { type ConfigFile, linesOf } from '../config-file.ts';
import {
  type AddressMethod,
  listOf,
  macOf,
  maxInterfaces,
  type NetworkConfig,
  type NetworkInterface,
  withPrefix,
} from './interface.ts';

interface Stanza {
  readonly name: string;
  readonly family: string | undefined;
  readonly method: string | undefined;
  readonly file: string;
  readonly options: Map<string, string[]>;
}

/** What else is read: `source` and `source-directory`, as they are written, with `*`. */
export function sourcesOf(content: Buffer | string): string[] {
  return joined(content).flatMap((line) => {
    const match = /^\s*source(-dir(?:ectory)?)?\s+(\S+)/.exec(line);
    return match === null ? [] : [`${plainText(match[2]!, 1024)}${match[1] === undefined ? '' : '/*'}`];
  });
}

/** All files that the first one leads to, in order. The loopback is left out. */
export function parseInterfaces(files: readonly ConfigFile[]): NetworkConfig {
  const stanzas = files.flatMap(stanzasOf).slice(0, maxInterfaces * 2);
  // One interface has a stanza per family, or several of one.
  const byName = new Map<string, Stanza[]>();
  for (const stanza of stanzas) {
    if (stanza.name === 'lo' || stanza.method === 'loopback') continue;
    byName.set(stanza.name, [...(byName.get(stanza.name) ?? []), stanza]);
  }
  return { system: 'interfaces', interfaces: [...byName].map(([name, own]) => interfaceOf(name, own)) };
}

/** A backslash at the end joins the next line. */
function joined(content: Buffer | string): string[] {
  const lines: string[] = [];
  let open = '';
  for (const line of linesOf(content)) {
    if (line.endsWith('\\') && open.length < 65536) open += line.slice(0, -1);
    else {
      lines.push(open + line);
      open = '';
    }
  }
  return lines;
}

function stanzasOf({ name: file, content }: ConfigFile): Stanza[] {
  const stanzas: Stanza[] = [];
  let open = false;
  for (const line of joined(content)) {
    const [keyword, ...rest] = line.trim().split(/\s+/);
    if (keyword === undefined || keyword === '' || keyword.startsWith('#')) continue;
    if (keyword === 'iface') {
      const [name = '', family, method] = rest;
      stanzas.push({ name: plainText(name), family, method, file, options: new Map() });
      open = true;
    } else if (
      /^(?:auto|allow-.+|mapping|source(?:-dir.*)?|no-auto-down|no-scripts|template|rename)$/.test(keyword)
    )
      open = false;
    else if (open) {
      const { options } = stanzas.at(-1)!;
      options.set(keyword, [...(options.get(keyword) ?? []), rest.join(' ')]);
    }
  }
  return stanzas;
}

function interfaceOf(name: string, stanzas: readonly Stanza[]): NetworkInterface {
  const all = (key: string) => stanzas.flatMap(({ options }) => options.get(key) ?? []);
  const addresses = stanzas.flatMap(({ options }) =>
    (options.get('address') ?? []).map((address) => withPrefix(address, options.get('netmask')?.[0])),
  );
  const methods = stanzas.filter(({ family }) => family !== 'inet6').map(({ method }) => method);
  // `hwaddress` sets an address, it does not look for a card.
  const kind = kindOf(all);
  return {
    name,
    method: methodOf(methods, stanzas.length > 0, addresses),
    addresses,
    gateways: all('gateway').flatMap(listOf),
    dns: [...all('dns-nameservers'), ...all('dns-nameserver')].flatMap(listOf),
    ...given('kind', kind),
    ...given('mac', macOf(/^mac\/([0-9a-f:]+)=/i.exec(name)?.[1])),
    file: stanzas[0]!.file,
  };
}

function kindOf(all: (key: string) => string[]): string | undefined {
  if (all('bridge_ports').length + all('bridge-ports').length > 0) return 'bridge';
  if (all('bond-slaves').length + all('bond-mode').length + all('bond_mode').length > 0) return 'bond';
  return all('vlan-raw-device').length + all('vlan_raw_device').length > 0 ? 'vlan' : undefined;
}

function methodOf(
  methods: readonly (string | undefined)[],
  known: boolean,
  addresses: readonly string[],
): AddressMethod {
  if (methods.includes('dhcp')) return 'dhcp';
  if (methods.includes('static') || (addresses.length > 0 && known)) return 'static';
  return methods.every((method) => method === undefined || method === 'manual') ? 'none' : 'unknown';
}
