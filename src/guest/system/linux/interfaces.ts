/** The network as a Linux configures it, whichever of the systems for that it has. */
import type { GuestInterface } from '../../../model/guest-report.ts';
import type { Files } from '../../filesystems/files.ts';
import { shellAssignments } from '../../formats/config-file.ts';
import { parseCloudInitNetwork } from '../../formats/network/cloud-init.ts';
import { parseIfcfg } from '../../formats/network/ifcfg.ts';
import { listOf, type NetworkInterface } from '../../formats/network/interface.ts';
import { parseInterfaces, sourcesOf } from '../../formats/network/interfaces.ts';
import { parseNetplan } from '../../formats/network/netplan.ts';
import { parseKeyfiles } from '../../formats/network/network-manager.ts';
import { parseNetworkd } from '../../formats/network/networkd.ts';
import { type PinnedName, pinsOfLinks, pinsOfUdev } from '../../formats/network/pinned-names.ts';
import { given, plainText } from '../../text.ts';
import { type FoundFile, filesIn, textAt, unlessBroken } from './guest-text.ts';

type Read = (files: readonly FoundFile[]) => Promise<readonly NetworkInterface[]>;

interface System {
  readonly id: string;
  find(files: Files): Promise<FoundFile[]>;
  readonly read: Read;
  /** What is set for all cards at once, in files of its own. */
  readonly common?: (files: Files) => Promise<Common>;
}

interface Common {
  /** The one of a card, or of any that has an address of its own. */
  gateway(name: string): string | undefined;
  readonly dns: readonly string[];
}

const inFolders =
  (folders: readonly string[], wanted: (name: string) => boolean) =>
  async (files: Files): Promise<FoundFile[]> =>
    (await Promise.all(folders.map((folder) => filesIn(files, folder, wanted)))).flat();

/** The one that wins where several configure the same interface comes first. */
const systems: readonly System[] = [
  {
    id: 'netplan',
    find: inFolders(['/etc/netplan'], (name) => name.endsWith('.yaml')),
    read: async (files) => (await parseNetplan(files)).interfaces,
  },
  {
    id: 'networkmanager',
    find: inFolders(['/etc/NetworkManager/system-connections'], (name) => !name.startsWith('.')),
    read: async (files) => parseKeyfiles(files).interfaces,
  },
  {
    id: 'ifcfg',
    find: inFolders(['/etc/sysconfig/network-scripts', '/etc/sysconfig/network'], (name) =>
      name.startsWith('ifcfg-'),
    ),
    read: async (files) => parseIfcfg(files).interfaces,
    common: ifcfgCommon,
  },
  { id: 'interfaces', find: ifupdownFiles, read: async (files) => parseInterfaces(files).interfaces },
  {
    id: 'networkd',
    find: inFolders(['/etc/systemd/network'], (name) => name.endsWith('.network')),
    read: async (files) => parseNetworkd(files).interfaces,
  },
];

/** What cloud-init writes the others from: told only where it has not been started yet. */
const cloudInit: System = {
  id: 'cloud-init',
  find: inFolders(['/etc/cloud/cloud.cfg.d'], (name) => name.endsWith('.cfg')),
  async read(files) {
    const found: NetworkInterface[] = [];
    for (const file of files) {
      if (!/^\s*network:/m.test(file.content.toString())) continue;
      const config = await unlessBroken(() => parseCloudInitNetwork(file));
      if (config !== undefined && config !== 'disabled') found.push(...config.interfaces);
    }
    return found;
  },
};

/** `part` does a step of it and tells where it fails: a broken folder hides no other. */
export async function readInterfaces(
  files: Files,
  part: <T>(step: () => Promise<T>) => Promise<T | undefined> = (step) => step(),
): Promise<GuestInterface[]> {
  const of = async (system: System) => (await part(() => interfacesOf(files, system))) ?? [];
  const found: GuestInterface[] = [];
  for (const system of systems) found.push(...(await of(system)));
  if (found.length === 0) found.push(...(await of(cloudInit)));
  return withPins(merged(found), (await part(() => pinsOf(files))) ?? []);
}

/** /etc/sysconfig/network of Red Hat is a file; of SUSE a folder with `routes`, `ifroute-NAME` and `config` (netconfig). */
async function ifcfgCommon(files: Files): Promise<Common> {
  const folder = '/etc/sysconfig/network';
  const red = shellAssignments((await textAt(files, folder)) ?? '');
  const suse = shellAssignments((await textAt(files, `${folder}/config`)) ?? '');
  const routes = await filesIn(files, folder, (name) => /^(?:routes|ifroute-.+)$/.test(name));
  const defaults = routes.flatMap(({ name, content }) =>
    [...content.toString().matchAll(/^[ \t]*default[ \t]+([\da-fA-F.:]+)(?:[ \t]+\S+[ \t]+(\S+))?/gm)].map(
      ([, gateway, card]) => ({
        gateway: gateway!,
        card: name === 'routes' ? (card === '-' ? undefined : card) : name.slice('ifroute-'.length),
      }),
    ),
  );
  return {
    gateway: (name) =>
      (defaults.find(({ card }) => card === name) ?? defaults.find(({ card }) => card === undefined))
        ?.gateway ?? ((red.get('GATEWAYDEV') ?? name) === name ? red.get('GATEWAY') : undefined),
    dns: listOf(suse.get('NETCONFIG_DNS_STATIC_SERVERS')),
  };
}

async function interfacesOf(
  files: Files,
  { id, find, read, common: readCommon }: System,
): Promise<GuestInterface[]> {
  const configs = await find(files);
  if (configs.length === 0) return [];
  const paths = new Map(configs.map(({ name, path }) => [name, path]));
  const interfaces = await unlessBroken(() => read(configs));
  const common = await readCommon?.(files);
  return (interfaces ?? []).map((one) => ({
    name: one.name ?? '',
    ...given('mac', one.mac),
    ...given('kind', one.kind),
    method: one.method === 'none' ? 'manual' : one.method,
    addresses: one.addresses,
    ...given(
      'gateway',
      one.gateways[0] ?? (one.method === 'static' ? common?.gateway(one.name ?? '') : undefined),
    ),
    ...dnsOf(one, common),
    system: id,
    ...given('file', paths.get(one.file)),
  }));
}

function dnsOf({ dns, method }: NetworkInterface, common: Common | undefined): { dns?: readonly string[] } {
  const all = dns.length === 0 && method === 'static' ? (common?.dns ?? []) : dns;
  return all.length === 0 ? {} : { dns: all };
}

/** /etc/network/interfaces and what it includes, one level of `*` in the last name of a path. */
async function ifupdownFiles(files: Files): Promise<FoundFile[]> {
  const all = await filesIn(files, '/etc/network', (name) => name === 'interfaces');
  for (let at = 0; at < all.length && all.length < 200; at++) {
    for (const source of sourcesOf(all[at]!.content)) {
      const path = source.startsWith('/') ? source : `/etc/network/${source}`;
      const folder = path.slice(0, path.lastIndexOf('/'));
      const pattern = path.slice(path.lastIndexOf('/') + 1);
      const [head = '', ...rest] = pattern.split('*');
      const tail = rest.at(-1);
      const fits = (name: string) =>
        tail === undefined ? name === pattern : name.startsWith(head) && name.endsWith(tail);
      for (const file of await filesIn(files, folder, (name) => !name.startsWith('.') && fits(name)))
        if (!all.some((other) => other.path === file.path)) all.push(file);
    }
  }
  return all;
}

/** One entry per name, or per address of a card where it has no name; what the first leaves open the next may tell. */
function merged(all: readonly GuestInterface[]): GuestInterface[] {
  const byName = new Map<string, GuestInterface>();
  for (const one of all) {
    const key = one.name === '' ? `mac ${one.mac ?? one.file}` : one.name;
    const before = byName.get(key);
    byName.set(key, before === undefined ? one : { ...one, ...before });
  }
  return [...byName.values()];
}

async function pinsOf(files: Files): Promise<PinnedName[]> {
  const rules = await filesIn(files, '/etc/udev/rules.d', (name) => /net.*\.rules$/.test(name));
  const links = await filesIn(files, '/etc/systemd/network', (name) => name.endsWith('.link'));
  return [...rules.flatMap(pinsOfUdev), ...pinsOfLinks(links)];
}

/** The card of a name, or the name of a card, that is bound elsewhere. */
function withPins(all: readonly GuestInterface[], pins: readonly PinnedName[]): GuestInterface[] {
  return all.map((one) => {
    const pin = pins.find(({ name, mac }) => (one.name === '' ? mac === one.mac : name === one.name));
    if (pin === undefined) return one;
    return { ...one, name: plainText(pin.name), mac: one.mac ?? pin.mac };
  });
}
