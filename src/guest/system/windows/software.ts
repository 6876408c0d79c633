/** The SOFTWARE hive: which Windows it is, and the guest tools that are installed in it. */
import type { GuestTools, WindowsFacts } from '../../../model/guest-report.ts';
import type { Hive, RegistryKey } from '../../formats/registry/open-hive.ts';
import { given } from '../../text.ts';
import { maxKeys, number, text } from './hives.ts';

export interface WindowsRelease {
  readonly name: string;
  readonly facts: Pick<WindowsFacts, 'edition' | 'build' | 'version' | 'autoLogon' | 'pendingUpdates'>;
}

/** The first build of Windows 11, whose ProductName still says Windows 10. */
const firstBuildOf11 = 22_000;

export async function readRelease(software: Hive): Promise<WindowsRelease | undefined> {
  const current = await software.key('Microsoft\\Windows NT\\CurrentVersion');
  if (current === undefined) return undefined;
  const product = (await text(current, 'ProductName')) ?? 'Windows';
  const build = Number((await text(current, 'CurrentBuildNumber')) ?? (await text(current, 'CurrentBuild')));
  const major = await number(current, 'CurrentMajorVersionNumber');
  const minor = await number(current, 'CurrentMinorVersionNumber');
  const version = major === undefined ? await text(current, 'CurrentVersion') : `${major}.${minor ?? 0}`;
  const client = (await text(current, 'InstallationType')) === 'Client';
  const logon = await current.subkey('Winlogon');
  const servicing = await software.key(
    'Microsoft\\Windows\\CurrentVersion\\Component Based Servicing\\RebootPending',
  );
  const update = await software.key(
    'Microsoft\\Windows\\CurrentVersion\\WindowsUpdate\\Auto Update\\RebootRequired',
  );
  return {
    name: client && build >= firstBuildOf11 ? product.replace(/^Windows 10\b/, 'Windows 11') : product,
    facts: {
      ...given('edition', await text(current, 'EditionID')),
      ...(Number.isSafeInteger(build) ? { build } : {}),
      ...given('version', version),
      autoLogon: (await text(logon, 'AutoAdminLogon')) === '1',
      pendingUpdates: servicing !== undefined || update !== undefined,
    },
  };
}

/** By what the list of programs calls them. */
const products: readonly (readonly [id: string, name: RegExp])[] = [
  ['vmware-tools', /^VMware Tools$/i],
  ['virtualbox-additions', /^Oracle (?:VM )?VirtualBox Guest Additions/i],
  ['qemu-guest-agent', /^QEMU guest agent/i],
  ['virtio-win', /^Virtio-win-(?:guest-tools|driver-installer)/i],
  ['spice-guest-tools', /^SPICE Guest Tools/i],
  [
    'xe-guest-utilities',
    /^(?:XenServer|Citrix) (?:VM )?Tools|^XCP-ng.*(?:Tools|Agent)|^Citrix Hypervisor PV/i,
  ],
  ['parallels-tools', /^Parallels Tools/i],
  ['hyperv-integration', /^Microsoft Hyper-V Integration/i],
  ['cloudbase-init', /^Cloudbase-Init/i],
  ['azure-agent', /^Windows Azure VM Agent/i],
];

export async function readPrograms(software: Hive): Promise<GuestTools[]> {
  const found = new Map<string, GuestTools>();
  for (const top of ['Microsoft', 'Wow6432Node\\Microsoft']) {
    const list = await software.key(`${top}\\Windows\\CurrentVersion\\Uninstall`);
    for (const program of (await list?.subkeys())?.slice(0, maxKeys) ?? []) await note(program, found);
  }
  return [...found.values()];
}

async function note(program: RegistryKey, found: Map<string, GuestTools>): Promise<void> {
  const name = await text(program, 'DisplayName');
  const id = name === undefined ? undefined : products.find(([, mark]) => mark.test(name))?.[0];
  if (id !== undefined && !found.has(id))
    found.set(id, { id, ...given('version', await text(program, 'DisplayVersion')) });
}
