/**
 * A neutral machine as the records that the Xen management API makes it from: VM, VBD, VIF (XenAPI reference, the
 * fields of VM.create, VBD.create, VIF.create). A server is given them one by one, an export has them in its ova.xml.
 */
import type { Finding } from '../../model/finding.ts';
import { lostParts, type There } from '../../model/lost-parts.ts';
import type { Machine, Nic } from '../../model/machine.ts';
import { MiB } from '../../model/units.ts';
import { nullRef, type XenRecord } from './records.ts';

export interface RecordOptions {
  /** What firmware keeps, as the API has it: base64. */
  readonly efiVariables?: string | undefined;
}

const usual = { processors: 2, memoryBytes: 2048 * MiB } as const;
/** The API takes whole mebibytes of memory, and a machine below 16 of them makes no sense. */
const leastMemory = 16 * MiB;

export function vmRecord(name: string, machine: Machine, options: RecordOptions = {}): XenRecord {
  const { processors, description } = machine;
  const memory = String(memoryOf(machine));
  const count = String(processors?.count ?? usual.processors);
  const { efiVariables } = options;
  return {
    name_label: name,
    name_description: description ?? '',
    user_version: '1',
    is_a_template: false,
    affinity: nullRef,
    memory_target: memory,
    memory_overhead: '0',
    memory_static_max: memory,
    memory_dynamic_max: memory,
    memory_dynamic_min: memory,
    memory_static_min: memory,
    VCPUs_params: {},
    VCPUs_max: count,
    VCPUs_at_startup: count,
    actions_after_shutdown: 'destroy',
    actions_after_reboot: 'restart',
    actions_after_crash: 'restart',
    PV_bootloader: '',
    PV_kernel: '',
    PV_ramdisk: '',
    PV_args: '',
    PV_bootloader_args: '',
    PV_legacy_args: '',
    HVM_boot_policy: 'BIOS order',
    HVM_boot_params: {
      order: bootOrder(machine),
      firmware: machine.firmware?.kind === 'uefi' ? 'uefi' : 'bios',
    },
    HVM_shadow_multiplier: 1,
    platform: platformOf(machine),
    PCI_bus: '',
    other_config: {},
    recommendations: '',
    ha_always_run: false,
    ha_restart_priority: '',
    blocked_operations: {},
    tags: [],
    protection_policy: nullRef,
    is_snapshot_from_vmpp: false,
    appliance: nullRef,
    start_delay: '0',
    shutdown_delay: '0',
    order: '0',
    suspend_SR: nullRef,
    version: '0',
    generation_id: '',
    hardware_platform_version: '0',
    has_vendor_device: false,
    domain_type: 'hvm',
    NVRAM: efiVariables === undefined ? {} : { 'EFI-variables': efiVariables },
  };
}

export const memoryOf = ({ memoryBytes = usual.memoryBytes }: Machine): number =>
  Math.max(leastMemory, Math.ceil(memoryBytes / MiB) * MiB);

function bootOrder({ nics, disks }: Machine): string {
  const first = [...nics, ...disks].reduce(
    (least, { bootOrder: at = Infinity }) => Math.min(least, at),
    Infinity,
  );
  return nics.some(({ bootOrder: at }) => at === first && Number.isFinite(first)) ? 'ncd' : 'cdn';
}

function platformOf({ firmware, processors, devices }: Machine): XenRecord {
  const isUefi = firmware?.kind === 'uefi';
  return {
    nx: 'true',
    acpi: '1',
    apic: 'true',
    pae: 'true',
    hpet: 'true',
    viridian: 'true',
    vga: 'std',
    videoram: '8',
    'device-model': isUefi ? 'qemu-upstream-uefi' : 'qemu-upstream-compat',
    ...(isUefi ? { secureboot: firmware.secureBoot === true ? 'true' : 'false' } : {}),
    ...(processors?.coresPerSocket === undefined
      ? {}
      : { 'cores-per-socket': String(processors.coresPerSocket) }),
    ...(devices?.tpm === undefined ? {} : { vtpm: 'true' }),
  };
}

/** The fourth place of the emulated controller is that of the drive for CDs. */
const cdDevice = 3;

/** Places of the disks, in their order. */
export function deviceNumbers(disks: number, hasCd: boolean): number[] {
  return Array.from({ length: disks }, (_, i) => (hasCd && i >= cdDevice ? i + 1 : i));
}

export const vbdRecord = (vm: string, vdi: string, device: number, readOnly = false): XenRecord => ({
  VM: vm,
  VDI: vdi,
  device: '',
  userdevice: String(device),
  bootable: device === 0,
  mode: readOnly ? 'RO' : 'RW',
  type: 'Disk',
  unpluggable: true,
  empty: false,
  other_config: { owner: '' },
  qos_algorithm_type: '',
  qos_algorithm_params: {},
});

export const cdRecord = (vm: string): XenRecord => ({
  ...vbdRecord(vm, nullRef, cdDevice, true),
  bootable: false,
  type: 'CD',
  empty: true,
  other_config: {},
});

/** Without an address the server makes one. */
export const vifRecord = (vm: string, network: string, nic: Nic, device: number): XenRecord => ({
  device: String(device),
  network,
  VM: vm,
  MAC: possibleMac(nic) ?? '',
  MTU: '1500',
  other_config: {},
  qos_algorithm_type: '',
  qos_algorithm_params: {},
  locking_mode: nic.connected === false ? 'disabled' : 'network_default',
  ipv4_allowed: [],
  ipv6_allowed: [],
});

/** The lowest bit of the first byte marks an address of many. */
export const possibleMac = ({ mac }: Nic): string | undefined =>
  mac !== undefined && /^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/i.test(mac) ? mac.toLowerCase() : undefined;

/** What Xen's own firmware keeps begins so; that of other products means nothing to it. In base64, as the API has it. */
export function xenVariables(nvram: Uint8Array | undefined): string | undefined {
  const bytes = Buffer.from(nvram ?? []);
  return bytes.toString('latin1', 0, 4) === 'VARS' ? bytes.toString('base64') : undefined;
}

/** What of a machine has no place in these records. */
export function lossesOf(machine: Machine): Finding[] {
  const losses: Finding[] = [];
  const lose = (rule: string, severity: Finding['severity'], message: string, evidence?: string) =>
    losses.push({ rule: `xen.${rule}`, severity, message, ...(evidence === undefined ? {} : { evidence }) });
  const { disks, nics, devices, memoryBytes, chipset, uuid } = machine;
  if (memoryBytes !== undefined && memoryOf(machine) !== memoryBytes)
    lose(
      'memory-rounded',
      'note',
      `its memory becomes ${memoryOf(machine) / MiB} MiB: Xen takes whole mebibytes`,
    );
  const serials = disks.filter(({ serial }) => serial !== undefined).length;
  if (serials > 0)
    lose('serial-lost', 'note', 'the serial numbers of its disks are not kept', `${serials} disks`);
  if (nics.length > 7)
    lose('many-nics', 'warning', `Xen takes 7 network cards in most versions, it has ${nics.length}`);
  if (chipset !== undefined && /q35/i.test(chipset))
    lose('chipset-changed', 'note', 'Xen emulates an i440FX', chipset);
  for (const nic of nics) {
    if (nic.mac !== undefined && possibleMac(nic) === undefined)
      lose(
        'mac-impossible',
        'warning',
        "the address of a network card can't be one: it gets a new one",
        nic.mac,
      );
  }
  for (const bound of devices?.bound ?? [])
    lose('device-lost', 'warning', 'a device of the host is not carried', bound);
  if (devices?.tpm !== undefined)
    lose(
      'tpm-new',
      'warning',
      'it gets a new TPM without what is kept in the old one: have recovery keys at hand',
    );
  if (uuid !== undefined) lose('uuid-new', 'note', 'its UUID becomes a new one: Xen chooses it', uuid);
  return [...losses, ...lostParts(machine, lost, hardwareThere(machine))];
}

const lost = [
  ...(['threads per core', 'processor model', 'clock', 'graphics', 'video card'] as const),
  ...(['consoles', 'agent channels', 'CD drives', 'CD media'] as const),
  ...(['disk bus', 'disk controller', 'disk place', 'disk boot order'] as const),
  ...(['card model', 'card boot order'] as const),
];

/** The first card or the first disk is booted from; which one of several is not said. */
function hardwareThere(machine: Machine): There {
  const hasCd = (machine.devices?.cdroms?.length ?? 0) > 0;
  const numbers = deviceNumbers(machine.disks.length, hasCd);
  const byNetwork = bootOrder(machine).startsWith('n');
  return {
    disks: machine.disks.map(({ id }, i) => ({
      ...{ id, bus: 'xen', unit: numbers[i]! },
      ...(i === 0 ? { bootOrder: byNetwork ? 2 : 1 } : {}),
    })),
    nics: machine.nics.map((_, i) => ({ model: 'xen', ...(i === 0 && byNetwork ? { bootOrder: 1 } : {}) })),
    ...(hasCd ? { devices: { cdroms: [{ bus: 'ide' }] } } : {}),
  };
}
