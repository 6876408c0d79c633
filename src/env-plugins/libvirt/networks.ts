/** What a NIC can be joined to: networks of libvirt, bridges of the host, and the emulator's own NAT. */
import { posix } from 'node:path';
import { attribute, child, parseXml, textOf } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Libvirt } from './connect.ts';
import { virshBatch } from './virsh.ts';

/** QEMU's own: it leads out by NAT, nothing leads in; needs no right and no network of the host. */
export const userNetwork = 'user';

export type NetworkTarget =
  | { readonly kind: 'network'; readonly name: string }
  | { readonly kind: 'bridge'; readonly name: string }
  | { readonly kind: 'user' };

export interface Networks {
  /** As they are shown and chosen, the default first. */
  readonly names: readonly string[];
  /** Networks of libvirt that are defined and not running. */
  readonly inactive: readonly string[];
  /** A whole host's libvirt has none of its own that is active; of a user's own that is usual. */
  readonly lacking?: boolean;
}

const bridgePrefix = 'bridge:';

/** `bridge:br0` is the host's bridge br0, `user` QEMU's NAT, all others are libvirt's. */
export function targetOfNetwork(name: string): NetworkTarget {
  if (name === userNetwork) return { kind: 'user' };
  if (name.startsWith(bridgePrefix)) return { kind: 'bridge', name: name.slice(bridgePrefix.length) };
  return { kind: 'network', name };
}

export const isSession = (uri: string): boolean => /^qemu[^:]*:\/\/\/session\b/.test(uri);

export async function listNetworks(libvirt: Libvirt, signal?: AbortSignal): Promise<Networks> {
  const found = await libvirtNetworks(libvirt, signal);
  return orderNetworks(found, await hostBridges(libvirt, signal), isSession(libvirt.uri));
}

/**
 * The default first: libvirt's own networks, `default` before the others. Which of the host's bridges lead where is
 * not known (docker0 is one, too), so they are chosen by the user alone and stand last.
 */
export function orderNetworks(
  found: readonly LibvirtNetwork[],
  hostBridges: readonly string[],
  session: boolean,
): Networks {
  const active = found.filter((network) => network.active).map(({ name }) => name);
  const own = [
    ...active.filter((name) => name === 'default'),
    ...active.filter((name) => name !== 'default').sort(),
  ];
  const ofLibvirt = new Set(found.map(({ bridge }) => bridge));
  const bridges = hostBridges.filter((name) => !ofLibvirt.has(name)).map((name) => bridgePrefix + name);
  const names = session ? [userNetwork, ...own, ...bridges] : [...own, userNetwork, ...bridges];
  const inactive = found.filter((network) => !network.active).map(({ name }) => name);
  return { names, inactive, ...(own.length === 0 && !session ? { lacking: true } : {}) };
}

export interface LibvirtNetwork {
  readonly name: string;
  readonly active: boolean;
  readonly bridge?: string | undefined;
}

async function libvirtNetworks({ virsh }: Libvirt, signal?: AbortSignal): Promise<LibvirtNetwork[]> {
  const uuids = async (...more: string[]) =>
    linesOf(await virsh(['net-list', '--uuid', ...more], { signal }));
  try {
    const [all, active] = await Promise.all([uuids('--all'), uuids()]);
    const commands = all.map((uuid) => `net-dumpxml ${uuid}`);
    const found = await virshBatch((args, options) => virsh(args, options), commands, { signal });
    return found.flatMap((xml, i) => {
      if (xml.trim() === '') return [];
      const root = parseXml(Buffer.from(xml.trim()), 'net-dumpxml');
      const bridge = child(root, 'bridge');
      const name = textOf(root, 'name');
      if (name === undefined) return [];
      return [{ name, active: active.includes(all[i]!), bridge: bridge && attribute(bridge, 'name') }];
    });
  } catch (error) {
    // A libvirt may come without its network driver: there are bridges still.
    if (error instanceof AppError && !['cancelled', 'corrupt'].includes(error.kind)) return [];
    throw error;
  }
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const devices = '/sys/class/net';

/** Linux keeps a folder `bridge` of each; another system has no such list, and its bridges are not offered. */
async function hostBridges({ host }: Libvirt, signal?: AbortSignal): Promise<string[]> {
  // One question for all of them: behind SSH each takes its time.
  const listed = await host.run(
    ['find', '-L', devices, '-mindepth', '2', '-maxdepth', '2', '-name', 'bridge'],
    {
      ...(signal === undefined ? {} : { signal }),
    },
  );
  return linesOf(listed.stdout.toString())
    .map((path) => posix.basename(posix.dirname(path)))
    .sort();
}
