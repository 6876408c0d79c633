/** What the property collector tells of a machine, as the neutral machine. Pure. */
import { child, childrenOf, type XmlElement } from '../../io/xml.ts';
import type {
  Firmware,
  GuestSystem,
  Machine,
  MachineDisk,
  PowerState,
  Snapshot,
} from '../../model/machine.ts';
import { MiB } from '../../model/units.ts';
import { type DiskDevice, type Hardware, readHardware } from './devices.ts';
import { findingsOf } from './findings.ts';
import { decodedName, inventoryPath, type Places, textAt, upward, valueText } from './places.ts';
import type { Properties } from './properties.ts';
import { isTrue, numberIn, refIn, refOf } from './soap.ts';
import { compareVersions } from './versions.ts';

/** A path that the server's version does not know would fail the whole call: each has its first version. */
const paths: readonly (readonly [path: string, since: string, before?: string])[] = [
  ['name', '2.5'],
  ['parent', '2.5'],
  ['parentVApp', '4.1'],
  ['runtime.powerState', '2.5'],
  ['runtime.connectionState', '2.5'],
  ['runtime.host', '2.5'],
  ['config.template', '2.5'],
  ['config.annotation', '2.5'],
  ['config.uuid', '2.5'],
  ['config.guestId', '2.5'],
  ['config.guestFullName', '2.5'],
  ['config.firmware', '5.0'],
  ['config.bootOptions', '2.5'],
  ['config.hardware', '2.5'],
  ['config.changeTrackingEnabled', '4.0'],
  ['config.keyId', '6.5'],
  ['guest.hostName', '2.5'],
  ['guest.guestFullName', '2.5'],
  ['guest.toolsRunningStatus', '4.0'],
  ['layout', '2.5', '4.0'],
  ['layoutEx', '4.0'],
  ['snapshot', '2.5'],
  ['datastore', '2.5'],
];

export const machinePaths = (version: string): string[] =>
  paths
    .filter(([, since]) => compareVersions(version, since) >= 0)
    .filter(([, , before]) => before === undefined || compareVersions(version, before) < 0)
    .map(([path]) => path);

export interface ReadMachine {
  readonly machine: Machine;
  readonly disks: readonly DiskDevice[];
  /** Ids of the datastores that it uses. */
  readonly datastores: readonly string[];
  /** Its files, as the server lists them: `[ds] path`. */
  readonly files: ReadonlySet<string>;
}

export function readMachine(object: Properties, places: Places): ReadMachine {
  const { ref, values } = object;
  const of = (path: string) => valueText(values.get(path));
  const config = values.get('config.hardware');
  const hardware = readHardware(config === undefined ? [] : childrenOf(config, 'device'), places);
  const layout = readLayout(values.get('layoutEx') ?? values.get('layout'));
  const order = bootOrder(values.get('config.bootOptions'));
  const name = decodedName(of('name') ?? ref.id);
  const system = systemOf(values);
  const snapshots = snapshotsOf(values.get('snapshot'));
  const processors = numberIn(config, 'numCPU');
  const cores = numberIn(config, 'numCoresPerSocket');
  const memory = numberIn(config, 'memoryMB');
  const uuid = of('config.uuid');
  const description = of('config.annotation');
  const place = placeOf(values, places);
  const machine: Machine = {
    id: ref.id,
    name,
    state: powerState(values),
    ...(system === undefined ? {} : { system }),
    ...(processors === undefined
      ? {}
      : { processors: { count: processors, ...(cores === undefined ? {} : { coresPerSocket: cores }) } }),
    ...(memory === undefined ? {} : { memoryBytes: memory * MiB }),
    ...(config === undefined ? {} : { firmware: firmwareOf(values) }),
    disks: hardware.disks.map((disk, index) => diskOf(disk, index, layout, order)),
    nics: hardware.nics.map(({ key, nic }) => ({ ...nic, ...placeInOrder(order, key) })),
    ...devicesOf(hardware),
    ...(uuid === undefined ? {} : { uuid: uuid.toLowerCase() }),
    ...(snapshots.length === 0 ? {} : { snapshots }),
    packaging: isTrue(values.get('config.template')) ? 'vSphere template' : 'vSphere machine',
    ...(place === '' ? {} : { place }),
    ...(description === undefined ? {} : { description }),
    findings: findingsOf(object, hardware, places),
  };
  const datastores = (values.get('datastore')?.children ?? []).map((e) => refOf(e).id);
  return { machine, disks: hardware.disks, datastores, files: new Set(layout.files.keys()) };
}

export const statePaths = ['runtime.powerState', 'runtime.connectionState'] as const;

export function powerState(values: Properties['values']): PowerState {
  const [power, connection] = statePaths.map((path) => valueText(values.get(path)));
  if (connection !== undefined && connection !== 'connected') return 'unknown';
  const states: Record<string, PowerState> = {
    poweredOn: 'running',
    poweredOff: 'off',
    suspended: 'suspended',
  };
  return states[power ?? ''] ?? 'unknown';
}

function firmwareOf(values: Properties['values']): Firmware {
  const secureBoot = child(values.get('config.bootOptions') ?? nothing, 'efiSecureBootEnabled');
  if (valueText(values.get('config.firmware')) !== 'efi') return { kind: 'bios' };
  return { kind: 'uefi', ...(secureBoot === undefined ? {} : { secureBoot: isTrue(secureBoot) }) };
}

const nothing: XmlElement = { uri: '', local: '', attributes: [], children: [], text: '' };

/** VMware Tools know better than the settings. */
function systemOf(values: Properties['values']): GuestSystem | undefined {
  const id = valueText(values.get('config.guestId')) ?? '';
  const told = valueText(values.get('guest.guestFullName'));
  const name = told ?? valueText(values.get('config.guestFullName')) ?? id;
  if (name === '') return undefined;
  const words = `${name} ${id}`.toLowerCase();
  const hostname = valueText(values.get('guest.hostName'));
  const architecture = /arm/.test(words)
    ? 'aarch64'
    : /64/.test(words)
      ? 'x86_64'
      : /32-bit/.test(words)
        ? 'i686'
        : undefined;
  return {
    name,
    family: familyOf(words),
    ...(architecture === undefined ? {} : { architecture }),
    ...(hostname === undefined ? {} : { hostname }),
  };
}

function familyOf(words: string): GuestSystem['family'] {
  if (/windows|\bwin/.test(words)) return 'windows';
  if (/bsd|darwin|mac ?os/.test(words)) return 'bsd';
  return /linux|debian|ubuntu|fedora|centos|rhel|red ?hat|suse|sles|rocky|alma|photon|coreos|asianux/.test(
    words,
  )
    ? 'linux'
    : 'other';
}

function placeOf(values: Properties['values'], places: Places): string {
  const folder = values.get('parent') ?? values.get('parentVApp');
  const host = values.get('runtime.host');
  const way = host === undefined ? [] : [...upward(places, refOf(host).id)];
  const hostName = way.find(({ type }) => type === 'HostSystem')?.name;
  const cluster = way.find(({ type }) => type === 'ClusterComputeResource')?.name;
  return [
    folder === undefined ? '' : inventoryPath(places, refOf(folder).id),
    hostName === undefined ? '' : `host ${hostName}`,
    cluster === undefined ? '' : `cluster ${cluster}`,
  ]
    .filter((part) => part !== '')
    .join(', ');
}

interface Layout {
  /** Name → bytes on the datastore. */
  readonly files: ReadonlyMap<string, number>;
  /** A disk's key → the names of its files, the lowest first. */
  readonly disks: ReadonlyMap<number, readonly string[]>;
}

function readLayout(layout: XmlElement | undefined): Layout {
  const files = new Map<string, number>();
  const names = new Map<number | undefined, string>();
  for (const file of layout === undefined ? [] : childrenOf(layout, 'file')) {
    const name = textAt(file, 'name');
    if (name === undefined) continue;
    files.set(name, numberIn(file, 'size') ?? 0);
    names.set(numberIn(file, 'key'), name);
  }
  const disks = new Map<number, readonly string[]>();
  for (const disk of layout === undefined ? [] : childrenOf(layout, 'disk')) {
    const keys = childrenOf(disk, 'chain').flatMap((unit) => childrenOf(unit, 'fileKey'));
    const own = keys.map((key) => names.get(Number(key.text.trim()))).filter((n) => n !== undefined);
    // Before API 4.0 there are names alone.
    for (const { text } of childrenOf(disk, 'diskFile')) files.set(text.trim(), 0);
    disks.set(numberIn(disk, 'key') ?? -1, own);
  }
  return { files, disks };
}

function diskOf(disk: DiskDevice, index: number, layout: Layout, order: readonly number[]): MachineDisk {
  const files = layout.disks.get(disk.key) ?? [];
  const allocated = files.reduce((sum, name) => sum + (layout.files.get(name) ?? 0), 0);
  const isFirst = order.length === 0 && index === 0;
  return {
    id: diskId(disk),
    name: disk.file?.replace(/^.*[/\]]\s*/, '') ?? disk.label,
    ...(disk.file === undefined ? {} : { format: 'vmdk' }),
    ...(disk.sizeBytes === undefined ? {} : { virtualSizeBytes: disk.sizeBytes }),
    ...(allocated === 0 ? {} : { allocatedSizeBytes: allocated }),
    ...(disk.bus === undefined ? {} : { bus: disk.bus }),
    ...(disk.model === undefined ? {} : { controllerModel: disk.model }),
    ...(disk.controller === undefined ? {} : { controller: disk.controller }),
    ...(disk.unit === undefined ? {} : { unit: disk.unit }),
    files: disk.file === undefined ? [] : [disk.file, ...disk.parents],
    ...(isFirst || order.includes(disk.key) ? { bootable: true } : {}),
    ...placeInOrder(order, disk.key),
    ...(disk.mode === 'nonpersistent' || disk.mode === 'independent_nonpersistent' ? { readOnly: true } : {}),
    ...(disk.shared ? { shared: true } : {}),
  };
}

/** Its key stays when the machine is changed. */
export const diskId = ({ key }: Pick<DiskDevice, 'key'>): string => `disk-${key}`;

/** Keys of disks and adapters in the order of booting. */
function bootOrder(options: XmlElement | undefined): number[] {
  return (options === undefined ? [] : childrenOf(options, 'bootOrder')).flatMap(
    (entry) => numberIn(entry, 'deviceKey') ?? [],
  );
}

function placeInOrder(order: readonly number[], key: number): { bootOrder?: number } {
  const at = order.indexOf(key);
  return at < 0 ? {} : { bootOrder: at + 1 };
}

function devicesOf(hardware: Hardware): Pick<Machine, 'devices'> {
  const { cdroms, serialPorts, tpm, video, bound } = hardware;
  const devices: NonNullable<Machine['devices']> = {
    ...(tpm ? { tpm: { version: '2.0' } } : {}),
    ...(video ? { video: 'vmware' } : {}),
    ...(serialPorts > 0 ? { consoles: Array.from({ length: serialPorts }, () => 'serial' as const) } : {}),
    ...(cdroms.length > 0 ? { cdroms } : {}),
    ...(bound.length > 0 ? { bound } : {}),
  };
  return Object.keys(devices).length === 0 ? {} : { devices };
}

function snapshotsOf(info: XmlElement | undefined): Snapshot[] {
  const current = refIn(info, 'currentSnapshot')?.id;
  return snapshotTrees(info).map((tree) => {
    const description = textAt(tree, 'description');
    const seconds = Date.parse(textAt(tree, 'createTime') ?? '') / 1000;
    return {
      name: decodedName(textAt(tree, 'name') ?? 'snapshot'),
      ...(Number.isFinite(seconds) ? { createdAt: Math.floor(seconds) } : {}),
      ...(refIn(tree, 'snapshot')?.id === current ? { current: true } : {}),
      ...(description === undefined ? {} : { description }),
    };
  });
}

/** All of the tree, parents before their children. */
export function snapshotTrees(info: XmlElement | undefined): XmlElement[] {
  const found: XmlElement[] = [];
  const walk = (trees: readonly XmlElement[]) => {
    for (const tree of trees) {
      found.push(tree);
      walk(childrenOf(tree, 'childSnapshotList'));
    }
  };
  if (info !== undefined) walk(childrenOf(info, 'rootSnapshotList'));
  return found;
}
