/** The SYSTEM hive: the computer's name, drivers, services, how it is shut down, and its addresses. */
import type { GuestInterface, WindowsFacts } from '../../../model/guest-report.ts';
import { withPrefix } from '../../formats/network/interface.ts';
import type { Hive, RegistryKey } from '../../formats/registry/open-hive.ts';
import { textsOfValue } from '../../formats/registry/values.ts';
import { given, plainText } from '../../text.ts';
import { maxKeys, number, text } from './hives.ts';

export interface WindowsMachine {
  readonly architecture?: string;
  readonly hostname?: string;
  readonly services: readonly string[];
  readonly interfaces: readonly GuestInterface[];
  readonly facts: Pick<WindowsFacts, 'drivers' | 'fastStartup' | 'hyperVRole' | 'remoteDesktop'> & {
    readonly pendingRenames: boolean;
  };
}

const architectures: Readonly<Record<string, string>> = {
  AMD64: 'x86_64',
  x86: 'i686',
  ARM64: 'aarch64',
  IA64: 'ia64',
};

export async function readMachine(system: Hive): Promise<WindowsMachine | undefined> {
  const current = (await number(await system.key('Select'), 'Current')) ?? 1;
  const set = await system.key(`ControlSet${String(current).padStart(3, '0')}`);
  if (set === undefined) return undefined;
  const at = (path: string) => below(set, path);
  const session = await at('Control\\Session Manager');
  const tcpip = await at('Services\\Tcpip\\Parameters');
  const processor = await text(await at('Control\\Session Manager\\Environment'), 'PROCESSOR_ARCHITECTURE');
  const name =
    (await text(tcpip, 'Hostname')) ??
    (await text(await at('Control\\ComputerName\\ComputerName'), 'ComputerName'));
  const power = await number(await at('Control\\Session Manager\\Power'), 'HiberbootEnabled');
  const denied = await number(await at('Control\\Terminal Server'), 'fDenyTSConnections');
  const renames = await session?.value('PendingFileRenameOperations');
  const { drivers, services } = await servicesOf(await at('Services'));
  return {
    ...given('architecture', processor === undefined ? undefined : (architectures[processor] ?? processor)),
    ...given('hostname', name),
    services: toldServices.filter((service) => services.has(service)),
    interfaces: await interfacesOf(tcpip, await at(`Control\\Network\\${networkClass}`)),
    facts: {
      drivers,
      ...(power === undefined ? {} : { fastStartup: power === 1 }),
      hyperVRole: services.has('vmms'),
      ...(denied === undefined ? {} : { remoteDesktop: denied === 0 }),
      pendingRenames: renames !== undefined && renames.data.length > 4,
    },
  };
}

async function below(key: RegistryKey, path: string): Promise<RegistryKey | undefined> {
  let at: RegistryKey | undefined = key;
  for (const name of path.split('\\')) at = await at?.subkey(name);
  return at;
}

/** Services that destinations and guest tools are known by. */
const toldServices = ['sshd', 'vmtools', 'qemu-ga', 'vboxservice', 'xenagent', 'cloudbase-init', 'vmms'];

async function servicesOf(
  list: RegistryKey | undefined,
): Promise<{ drivers: string[]; services: Set<string> }> {
  const drivers: string[] = [];
  const services = new Set<string>();
  for (const service of (await list?.subkeys())?.slice(0, maxKeys) ?? []) {
    const name = plainText(service.name.toLowerCase());
    const start = await number(service, 'Start');
    // Type 1: a kernel driver; Start 0: loaded by the boot loader. Start 4: switched off.
    if (start === 0 && (await number(service, 'Type')) === 1) drivers.push(name);
    else if (start !== undefined && start !== 4) services.add(name);
  }
  return { drivers: drivers.sort(), services };
}

/** Class of network adapters in Control\Network. */
const networkClass = '{4D36E972-E325-11CE-BFC1-08002BE10318}';
const maxInterfaces = 256;

async function interfacesOf(
  tcpip: RegistryKey | undefined,
  names: RegistryKey | undefined,
): Promise<GuestInterface[]> {
  const found: GuestInterface[] = [];
  const list = await tcpip?.subkey('Interfaces');
  for (const key of (await list?.subkeys())?.slice(0, maxInterfaces) ?? []) {
    const connection = await (await names?.subkey(key.name))?.subkey('Connection');
    const name = await text(connection, 'Name');
    const dhcp = await number(key, 'EnableDHCP');
    const texts = async (value: string) => {
      const there = await key.value(value);
      return ((there && textsOfValue(there)) ?? []).slice(0, 64).filter((t) => t !== '');
    };
    const masks = await texts('SubnetMask');
    const addresses = (await texts('IPAddress'))
      .map((address, i) => withPrefix(address, masks[i]))
      .filter((address) => !address.startsWith('0.0.0.0'));
    // Adapters without a connection are leftovers, unless they have an address of their own.
    if (name === undefined && addresses.length === 0) continue;
    const gateway = (await texts('DefaultGateway'))[0];
    const dns = ((await text(key, 'NameServer')) ?? '').split(/[\s,]+/).filter(Boolean);
    found.push({
      name: name ?? plainText(key.name),
      method: dhcp === 1 ? 'dhcp' : addresses.length > 0 ? 'static' : 'unknown',
      addresses: dhcp === 1 ? [] : addresses,
      ...given('gateway', gateway === undefined || dhcp === 1 ? undefined : plainText(gateway, 64)),
      ...(dns.length === 0 ? {} : { dns }),
      system: 'windows',
    });
  }
  return found;
}
