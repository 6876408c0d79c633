/** What was found in a guest, in words: a label and a text each, for the command line and the screens. */
import type {
  DriverPlace,
  GuestInterface,
  GuestKernel,
  GuestMountSpace,
  InstalledSystem,
  VolumeInside,
  WindowsFacts,
} from './guest-report.ts';
import { formatBytes } from './units.ts';

export interface GuestRow {
  readonly label: string;
  readonly text: string;
}

const words = (parts: readonly (string | undefined | false)[], between = ', '): string =>
  parts.filter((part) => part !== undefined && part !== false && part !== '').join(between);

/** Most telling first. */
export function systemRows(system: InstalledSystem): GuestRow[] {
  const { bootKernels = [], bootloader, interfaces = [], tools = [], space = [], packages } = system;
  const { windows, init, selinux, cloudInit, services = [] } = system;
  const rows: [string, string | undefined][] = [
    ['system', systemInWords(system)],
    ['windows', windows && windowsInWords(windows)],
    ...bootKernels.flatMap((kernel): [string, string][] => kernelRows(kernel)),
    ['bootloader', bootloaderInWords(system)],
    ['starts with', bootloader?.arguments],
    ...interfaces.map((one): [string, string] => ['network', interfaceInWords(one)]),
    ...mountRows(system, space),
    ['tools', words(tools.map(({ id, version }) => words([id, version], ' ')))],
    ['packages', packages && `${packages.count} (${packages.kind})`],
    ['services', words(services)],
    ['init', init],
    ['SELinux', selinux],
    ['cloud-init', cloudInit && cloudInitInWords(cloudInit)],
    ['boot drivers', windows && words(windows.drivers, ' ')],
  ];
  return rows.flatMap(([label, text]) => (text === undefined || text === '' ? [] : [{ label, text }]));
}

function systemInWords({ name, architecture, hostname, confidence }: InstalledSystem): string {
  const sure = { high: undefined, medium: 'probably', low: 'perhaps' }[confidence];
  return words([words([sure, name], ' '), architecture, hostname && `called ${hostname}`]);
}

function kernelRows(kernel: GuestKernel): [string, string][] {
  const { version, initramfsMaker, initramfs, unified, isDefault, drivers } = kernel;
  const facts = [
    isDefault && 'the default',
    unified && 'with its initramfs in one file',
    initramfs === undefined && !unified ? 'no initramfs' : initramfsMaker && `initramfs by ${initramfsMaker}`,
  ];
  const reach = isDefault && drivers !== undefined ? driversInWords(drivers) : '';
  return [
    ['kernel', words([version, words(facts)], ': ')],
    ...(reach === '' ? [] : [['  finds disks', reach] as [string, string]]),
  ];
}

/** A bus with the modules that a root on it takes. */
const buses: readonly (readonly [name: string, modules: readonly string[]])[] = [
  ['virtio', ['virtio_pci', 'virtio_blk']],
  ['virtio-scsi', ['virtio_pci', 'virtio_scsi', 'sd_mod']],
  ['SATA', ['ahci', 'sd_mod']],
  ['IDE', ['ata_piix', 'sd_mod']],
  ['NVMe', ['nvme']],
  ['pvscsi', ['vmw_pvscsi', 'sd_mod']],
  ['LSI', ['mptspi', 'sd_mod']],
  ['LSI SAS', ['mptsas', 'sd_mod']],
  ['Hyper-V', ['hv_vmbus', 'hv_storvsc', 'sd_mod']],
  ['Xen', ['xen_blkfront']],
];

const order: readonly DriverPlace[] = ['missing', 'module', 'initramfs', 'builtin'];

/** `on virtio, NVMe; SATA when its module is added; not LSI`. */
export function driversInWords(drivers: Readonly<Record<string, DriverPlace>>): string {
  const by = { ready: [] as string[], module: [] as string[], missing: [] as string[] };
  for (const [name, modules] of buses) {
    const places = modules.flatMap((module) => drivers[module] ?? []);
    if (places.length < modules.length) continue;
    const worst = order.find((place) => places.includes(place));
    by[worst === 'missing' || worst === 'module' ? worst : 'ready'].push(name);
  }
  const added = by.module.length === 1 ? 'when its module is added' : 'when their modules are added';
  return words(
    [
      by.ready.length > 0 && `on ${words(by.ready)}`,
      by.module.length > 0 && `on ${words(by.module)} ${added}`,
      by.missing.length > 0 && `not on ${words(by.missing)}`,
    ],
    '; ',
  );
}

const loaders: Readonly<Record<string, string>> = {
  grub2: 'GRUB 2',
  grub1: 'GRUB 1',
  lilo: 'LILO',
  windows: 'of Windows',
};

function bootloaderInWords({ bootloader }: InstalledSystem): string | undefined {
  if (bootloader === undefined) return undefined;
  const { kind, config, bls } = bootloader;
  return words([loaders[kind] ?? kind, config, bls && 'entries of their own files']);
}

export function interfaceInWords(found: GuestInterface): string {
  const { name, mac, method, addresses, gateway, dns = [], system } = found;
  const how = { dhcp: 'DHCP', static: undefined, manual: 'no address', unknown: undefined }[method];
  return words([
    words([name || 'any', mac], ' '),
    method === 'manual' && addresses.length > 0 ? undefined : how,
    ...addresses,
    gateway && `gateway ${gateway}`,
    dns.length > 0 && `DNS ${words(dns, ' ')}`,
    system !== 'windows' && `by ${system}`,
  ]);
}

function mountRows({ mounts }: InstalledSystem, space: readonly GuestMountSpace[]): [string, string][] {
  const known = new Set(space.map(({ mountPoint }) => mountPoint));
  const device = (mountPoint: string) => {
    const entry = mounts.find((m) => m.mountPoint === mountPoint);
    const subvolume = /(?:^|,)subvol=([^,]+)/.exec(entry?.options ?? '')?.[1];
    return words([entry?.device, subvolume && `subvolume ${subvolume}`], ' ');
  };
  const read = space.map(({ mountPoint, kind, freeBytes, freeInodes }) =>
    words([
      words([mountPoint, kind], ' '),
      device(mountPoint),
      freeBytes !== undefined && `${formatBytes(freeBytes)} free`,
      freeInodes !== undefined && freeInodes < 10_000 && `${freeInodes} inodes free`,
    ]),
  );
  const others = mounts.filter(
    ({ mountPoint, kind }) => mountPoint.startsWith('/') && !known.has(mountPoint) && !isVirtual(kind),
  );
  const unread = others.map(({ mountPoint, kind, device: from }) =>
    words([`${mountPoint} ${kind}`, from, 'not read']),
  );
  return [...read, ...unread].map((text) => ['mount', text]);
}

const isVirtual = (kind: string): boolean =>
  /^(?:proc|sysfs|tmpfs|devpts|devtmpfs|cgroup2?|debugfs|configfs|efivarfs|binfmt_misc|swap|iso9660|udf|nfs4?|cifs)$/.test(
    kind,
  );

const cloudInitInWords = ({ enabled, datasources }: NonNullable<InstalledSystem['cloudInit']>): string =>
  words([enabled ? 'on' : 'off', datasources !== undefined && `looks for ${words(datasources)}`]);

function windowsInWords(facts: WindowsFacts): string {
  const { edition, build, hibernated, fastStartup, pendingUpdates, hyperVRole, remoteDesktop, autoLogon } =
    facts;
  return words([
    edition,
    build !== undefined && `build ${build}`,
    hibernated === true && 'HIBERNATED',
    fastStartup === true && 'Fast Startup is on',
    pendingUpdates === true && 'updates wait for a restart',
    hyperVRole === true && 'Hyper-V role',
    remoteDesktop === true && 'remote desktop is on',
    autoLogon === true && 'logs on by itself',
  ]);
}

/** `vg0/root linear 10 GiB, xfs "data", 3 GiB used`. */
export function volumeInWords({ name, made, sizeBytes, volume, why }: VolumeInside): string {
  return words([
    `${name} ${made} ${formatBytes(sizeBytes)}`,
    words([volume?.kind, volume?.label && `"${volume.label}"`], ' '),
    volume?.usedBytes !== undefined && `${formatBytes(volume.usedBytes)} used`,
    why,
  ]);
}
