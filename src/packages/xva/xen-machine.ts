/** A VM of the Xen management API, with what hangs on it, as the neutral machine. Pure. */
import type { Finding } from '../../model/finding.ts';
import type {
  Devices,
  Firmware,
  Machine,
  MachineDisk,
  Nic,
  PowerState,
  Snapshot,
} from '../../model/machine.ts';
import { guestSystem } from './guest-system.ts';
import {
  countIn,
  isTrueIn,
  mapIn,
  refIn,
  textIn,
  textsIn,
  timeIn,
  type XenRecord,
  type XenWorld,
} from './records.ts';

/** A disk of a machine, and the image that it is. */
export interface XenDisk {
  readonly id: string;
  readonly vdi: string;
  readonly record: XenRecord;
}

export interface ReadXenMachine {
  readonly machine: Machine;
  readonly disks: readonly XenDisk[];
}

/** No machine of the user's: what a new one is made from, and the hosts' own. */
export const isOrdinary = (vm: XenRecord): boolean =>
  !isTrueIn(vm, 'is_a_template') && !isTrueIn(vm, 'is_control_domain') && !isTrueIn(vm, 'is_a_snapshot');

const states: Readonly<Record<string, PowerState>> = {
  Halted: 'off',
  Running: 'running',
  Paused: 'running',
  Suspended: 'suspended',
};

export const powerState = (vm: XenRecord): PowerState => states[textIn(vm, 'power_state') ?? ''] ?? 'unknown';

/** `id`: what it is called by in its environment. */
export function readXenMachine(vm: XenRecord, world: XenWorld, id: string): ReadXenMachine {
  const findings: Finding[] = [];
  const drives = drivesOf(vm, world);
  const disks = drives.flatMap((drive) => diskOf(drive, world, findings));
  const order = bootOrder(vm, disks.length);
  const system = guestSystem(vm, world);
  const uuid = textIn(vm, 'uuid')?.toLowerCase();
  const description = textIn(vm, 'name_description');
  const host = world.record('host', refIn(vm, 'resident_on') ?? '');
  const place = textIn(host, 'name_label');
  const snapshots = snapshotsOf(vm, world);
  const devices = devicesOf(vm, drives, world);
  findings.push(...findingsOf(vm));
  const machine: Machine = {
    id,
    name: textIn(vm, 'name_label') ?? uuid ?? id,
    state: isTrueIn(vm, 'is_a_snapshot') ? 'off' : powerState(vm),
    ...(system === undefined ? {} : { system }),
    ...processorsOf(vm),
    ...memoryOf(vm),
    firmware: firmwareOf(vm),
    disks: disks.map(({ disk }, i) => ({ ...disk, ...(order.disk === i ? { bootable: true } : {}) })),
    nics: nicsOf(vm, world).map((nic, i) => (order.nic === i ? { ...nic, bootOrder: 1 } : nic)),
    ...(devices === undefined ? {} : { devices }),
    ...(uuid === undefined ? {} : { uuid }),
    ...(snapshots.length === 0 ? {} : { snapshots }),
    packaging: isTrueIn(vm, 'is_a_snapshot') ? 'Xen snapshot' : 'Xen machine',
    ...(place === undefined ? {} : { place: `host ${place}` }),
    ...(description === undefined ? {} : { description }),
    findings,
  };
  return {
    machine,
    disks: disks.map(({ drive, disk }) => ({ id: disk.id, vdi: drive.vdi, record: drive.record })),
  };
}

interface Drive {
  readonly vbd: XenRecord;
  readonly vdi: string;
  readonly record: XenRecord;
  readonly isCd: boolean;
}

/** In the order in which the guest sees them. */
function drivesOf(vm: XenRecord, world: XenWorld): Drive[] {
  const found = [...new Set(textsIn(vm, 'VBDs'))].flatMap((ref) => {
    const vbd = world.record('VBD', ref);
    if (vbd === undefined) return [];
    const vdi = refIn(vbd, 'VDI') ?? '';
    const isCd = textIn(vbd, 'type') === 'CD' || textIn(vbd, 'type') === 'Floppy';
    return [{ vbd, vdi, record: world.record('VDI', vdi) ?? {}, isCd }];
  });
  return found.sort((a, b) => deviceNumber(a.vbd) - deviceNumber(b.vbd));
}

const deviceNumber = (vbd: XenRecord): number => countIn(vbd, 'userdevice') ?? Number.MAX_SAFE_INTEGER;

function diskOf(drive: Drive, world: XenWorld, findings: Finding[]): { drive: Drive; disk: MachineDisk }[] {
  const { vbd, vdi, record, isCd } = drive;
  if (isCd) return [];
  const device = textIn(vbd, 'userdevice') ?? '0';
  const name = textIn(record, 'name_label') ?? `disk ${device}`;
  if (vdi === '' || Object.keys(record).length === 0) {
    findings.push({
      rule: 'xen.disk-missing',
      severity: 'warning',
      message: 'a disk has no image: it can not be carried',
      evidence: `device ${device}`,
    });
    return [];
  }
  const size = countIn(record, 'virtual_size');
  const used = countIn(record, 'physical_utilisation');
  const sr = textIn(world.record('SR', refIn(record, 'SR') ?? ''), 'name_label');
  const uuid = textIn(record, 'uuid');
  const disk: MachineDisk = {
    id: `device-${device}`,
    name,
    format: 'raw',
    ...(size === undefined ? {} : { virtualSizeBytes: size }),
    ...(used === undefined ? {} : { allocatedSizeBytes: Math.min(used, size ?? used) }),
    bus: 'xen',
    ...(/^\d{1,3}$/.test(device) ? { unit: Number(device) } : {}),
    files: [[sr, uuid ?? name].filter((part) => part !== undefined).join('/')],
    ...(textIn(vbd, 'mode') === 'RO' ? { readOnly: true } : {}),
    ...(isTrueIn(record, 'sharable') ? { shared: true } : {}),
  };
  return [{ drive, disk }];
}

/** `order` of HVM_boot_params: c the disk, d the CD, n the network. */
function bootOrder(vm: XenRecord, disks: number): { disk?: number; nic?: number } {
  const order = textIn(mapIn(vm, 'HVM_boot_params'), 'order') ?? 'cd';
  const first = /[cn]/.exec(order)?.[0];
  return { ...(disks > 0 ? { disk: 0 } : {}), ...(first === 'n' ? { nic: 0 } : {}) };
}

function processorsOf(vm: XenRecord): Pick<Machine, 'processors'> {
  const count = countIn(vm, 'VCPUs_at_startup') ?? countIn(vm, 'VCPUs_max');
  if (count === undefined || count === 0) return {};
  const cores = countIn(mapIn(vm, 'platform'), 'cores-per-socket');
  return { processors: { count, ...(cores === undefined || cores === 0 ? {} : { coresPerSocket: cores }) } };
}

/** What it may have; with dynamic memory it may have less at times. */
function memoryOf(vm: XenRecord): Pick<Machine, 'memoryBytes'> {
  const bytes = countIn(vm, 'memory_dynamic_max') ?? countIn(vm, 'memory_static_max');
  return bytes === undefined || bytes === 0 ? {} : { memoryBytes: bytes };
}

export function firmwareOf(vm: XenRecord): Firmware {
  if (textIn(mapIn(vm, 'HVM_boot_params'), 'firmware') !== 'uefi') return { kind: 'bios' };
  const secure = textIn(mapIn(vm, 'platform'), 'secureboot');
  const nvram = textIn(mapIn(vm, 'NVRAM'), 'EFI-variables');
  return {
    kind: 'uefi',
    // `auto` is on where the pool has keys, which the machine alone does not tell.
    ...(secure === undefined || secure === 'auto' ? {} : { secureBoot: secure === 'true' }),
    ...(nvram === undefined ? {} : { nvram: true }),
  };
}

/** PV, HVM, PVH … : since XenServer 7.5 a field, before that by how it boots. */
export function domainType(vm: XenRecord): 'hvm' | 'pv' | 'pvh' | 'pv_in_pvh' {
  const told = textIn(vm, 'domain_type');
  if (told === 'hvm' || told === 'pv' || told === 'pvh' || told === 'pv_in_pvh') return told;
  return textIn(vm, 'HVM_boot_policy') === undefined ? 'pv' : 'hvm';
}

function nicsOf(vm: XenRecord, world: XenWorld): Nic[] {
  const found = [...new Set(textsIn(vm, 'VIFs'))]
    .map((ref) => world.record('VIF', ref))
    .filter((vif) => vif !== undefined);
  found.sort((a, b) => (countIn(a, 'device') ?? 0) - (countIn(b, 'device') ?? 0));
  return found.map((vif) => {
    const mac = textIn(vif, 'MAC')?.toLowerCase();
    const network = textIn(world.record('network', refIn(vif, 'network') ?? ''), 'name_label');
    return {
      ...(mac !== undefined && /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/.test(mac) ? { mac } : {}),
      ...(network === undefined ? {} : { network }),
      model: 'xen',
      connected: textIn(vif, 'locking_mode') !== 'disabled',
    };
  });
}

function devicesOf(vm: XenRecord, drives: readonly Drive[], world: XenWorld): Devices | undefined {
  const cdroms = drives
    .filter(({ isCd }) => isCd)
    .map(({ vbd, record }) => {
      const media = isTrueIn(vbd, 'empty') ? undefined : textIn(record, 'name_label');
      return { bus: 'ide' as const, ...(media === undefined ? {} : { media }) };
    });
  const platform = mapIn(vm, 'platform');
  const vtpms = textsIn(vm, 'VTPMs').filter((ref) => world.record('VTPM', ref) !== undefined);
  const tpm = isTrueIn(platform, 'vtpm') || vtpms.length > 0;
  const bound = [
    ...textsIn(vm, 'VGPUs').map(() => 'a virtual GPU'),
    ...textsIn(vm, 'VUSBs').map(() => 'a USB device of the host'),
    ...(textIn(mapIn(vm, 'other_config'), 'pci')?.split(',') ?? []).map((pci) => `PCI ${pci.slice(0, 40)}`),
  ];
  const offset = textIn(platform, 'timeoffset');
  const devices: Devices = {
    ...(tpm ? { tpm: { version: '2.0' } } : {}),
    // Windows keeps local time in the clock, and so the machine has an offset from UTC.
    ...(offset !== undefined && offset !== '0' ? { clock: 'localtime' } : {}),
    ...(cdroms.length === 0 ? {} : { cdroms }),
    ...(bound.length === 0 ? {} : { bound }),
  };
  return Object.keys(devices).length === 0 ? undefined : devices;
}

function snapshotsOf(vm: XenRecord, world: XenWorld): Snapshot[] {
  const parent = refIn(vm, 'parent');
  const found = [...new Set(textsIn(vm, 'snapshots'))].flatMap((ref) => {
    const record = world.record('VM', ref);
    const uuid = textIn(record, 'uuid');
    if (record === undefined || uuid === undefined) return [];
    const createdAt = timeIn(record, 'snapshot_time');
    const description = textIn(record, 'name_description');
    return [
      {
        name: textIn(record, 'name_label') ?? uuid,
        ...(createdAt === undefined ? {} : { createdAt }),
        ...(ref === parent ? { current: true } : {}),
        ...(description === undefined ? {} : { description }),
        machine: uuid,
      },
    ];
  });
  return found.sort((a, b) => (a.createdAt ?? 0) - (b.createdAt ?? 0));
}

function findingsOf(vm: XenRecord): Finding[] {
  const findings: Finding[] = [];
  const type = domainType(vm);
  if (type !== 'hvm') {
    const loader = textIn(vm, 'PV_bootloader') ?? textIn(vm, 'PV_kernel');
    findings.push({
      rule: 'xen.paravirtual',
      severity: 'warning',
      message: `a machine of the kind ${type}: its disks may have no boot loader of a PC, as Xen loads the kernel itself`,
      ...(loader === undefined ? {} : { evidence: loader.slice(0, 200) }),
      remedy: 'let the guest be changed: it needs a kernel with drivers of the destination and a boot loader',
    });
  }
  if (powerState(vm) === 'suspended' && isTrueIn(vm, 'is_a_snapshot')) {
    findings.push({
      rule: 'xen.snapshot-memory',
      severity: 'note',
      message:
        'the snapshot has what was in memory, too: that is not carried, and it starts as after a power cut',
    });
  } else if (powerState(vm) === 'suspended') {
    findings.push({
      rule: 'xen.suspended',
      severity: 'warning',
      message: 'it is suspended: what it has in memory is not carried, and it starts as after a power cut',
      remedy: 'resume it and shut it down first',
    });
  }
  return findings;
}
