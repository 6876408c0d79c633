/** From a neutral machine to a domain that this libvirt can run, and what is otherwise there. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import type { Settings } from '../plugin.ts';
import type { DomainCapabilities } from './domain-capabilities.ts';
import { type DomainFirmware, type DomainSpec, isQ35 } from './domain-spec.ts';
import { fitDisks, type VolumePlace } from './fit-disks.ts';
import { fitNics } from './fit-nics.ts';
import { lostFindings } from './lost.ts';
import type { Networks } from './networks.ts';

export interface Surroundings {
  readonly capabilities: DomainCapabilities;
  readonly networks: Networks;
  /** The host has UEFI firmware that can't do Secure Boot. */
  readonly plainFirmware?: boolean | undefined;
  /** Of a machine whose variables are carried along. */
  readonly carried?: Extract<DomainFirmware, { readonly nvram: string }> | undefined;
}

export interface Fitted {
  readonly spec: DomainSpec;
  readonly findings: readonly Finding[];
}

/** What a PC of today is; IDE is only on the older one. */
export function machineTypeOf(machine: Machine, settings: Settings): string {
  const architecture = machine.system?.architecture ?? 'x86_64';
  if (!/^(x86_64|amd64|i[3-6]86)$/i.test(architecture)) return 'virt';
  if (settings.machineType === 'q35' || settings.machineType === 'pc') return settings.machineType;
  const { chipset = '', firmware, disks } = machine;
  if (chipset.includes('q35') || firmware?.secureBoot) return 'q35';
  if (/i440fx|^pc\b/.test(chipset)) return 'pc';
  return firmware?.kind !== 'uefi' && disks.some(({ bus }) => bus === 'ide') ? 'pc' : 'q35';
}

/** In QEMU's words; undefined leaves it to the host. */
export function architectureOf({ system }: Machine): string | undefined {
  const told = system?.architecture?.toLowerCase();
  if (told === undefined || told === '') return undefined;
  // A 64-bit PC runs what was made for a 32-bit one.
  if (/^(x86_64|amd64|x64|i[3-6]86|x86)$/.test(told)) return 'x86_64';
  return told === 'arm64' ? 'aarch64' : told;
}

export function fitMachine(
  name: string,
  uuid: string,
  machine: Machine,
  volumes: readonly VolumePlace[],
  settings: Settings,
  around: Surroundings,
): Fitted {
  const findings: Finding[] = [];
  const { capabilities } = around;
  const windows = machine.system?.family === 'windows';
  const devices = machine.devices ?? {};
  const disks = fitDisks(machine, volumes, capabilities, findings);
  const { video } = devices;
  const spec: DomainSpec = {
    name,
    uuid,
    description: machine.description === '' ? undefined : machine.description,
    type: capabilities.domainType,
    architecture: capabilities.architecture,
    machine: capabilities.machine,
    emulator: capabilities.emulator,
    memoryBytes: memoryOf(machine, findings),
    processors: processorsOf(machine, capabilities, findings),
    cpuMode: cpuModeOf(machine, capabilities),
    firmware: firmwareOf(machine, around, findings),
    clock: devices.clock ?? (windows ? 'localtime' : 'utc'),
    windows,
    disks,
    nics: fitNics(machine.nics, settings, around.networks, findings),
    cdroms: (devices.cdroms ?? []).slice(0, 4).map(() => ({ bus: cdromBus(capabilities) })),
    tpm: tpmOf(machine, capabilities, findings),
    video: [video, 'vga', 'virtio'].find((v) => v !== undefined && capabilities.videos.includes(v)),
    vnc: capabilities.graphics.includes('vnc'),
    rng: capabilities.rng,
  };
  for (const bound of devices.bound ?? []) {
    findings.push({
      rule: 'device.bound',
      severity: 'warning',
      message: `${bound} belongs to the other host and is left out`,
      remedy: 'give the machine such a device here by hand',
    });
  }
  findings.push(...lostFindings(spec, machine));
  return { spec: withBootOrder(spec, machine), findings };
}

/** libvirt keeps it as an unsigned number of KiB; QEMU wants whole megabytes. */
function memoryOf(machine: Machine, findings: Finding[]): number {
  const { memoryBytes = 2048 * MiB } = machine;
  const whole = Math.max(MiB, Math.ceil(memoryBytes / MiB) * MiB);
  if (whole !== memoryBytes) {
    findings.push({
      rule: 'machine.memory-rounded',
      severity: 'note',
      message: `the memory becomes ${formatBytes(whole)}, whole megabytes`,
    });
  }
  return whole;
}

function processorsOf(machine: Machine, { mostProcessors }: DomainCapabilities, findings: Finding[]) {
  const { count, coresPerSocket = count, threadsPerCore = 1 } = machine.processors ?? { count: 2 };
  if (count > mostProcessors) {
    findings.push({
      rule: 'machine.processors',
      severity: 'blocker',
      message: `${count} processors, and this libvirt gives a machine at most ${mostProcessors}`,
      remedy: 'give it fewer',
    });
  }
  const perSocket = coresPerSocket * threadsPerCore;
  const even = Number.isInteger(count / perSocket) && perSocket > 0;
  if (!even) return { sockets: 1, cores: count, threads: 1 };
  return { sockets: count / perSocket, cores: coresPerSocket, threads: threadsPerCore };
}

/** As it was where it was such a mode; else what the host has best. */
function cpuModeOf(
  { processors }: Machine,
  { cpuModes, domainType }: DomainCapabilities,
): string | undefined {
  const wanted = domainType === 'kvm' ? [processors?.model, 'host-model', 'host-passthrough'] : ['maximum'];
  return wanted.find((mode) => mode !== undefined && mode !== 'custom' && cpuModes.includes(mode));
}

function firmwareOf(
  machine: Machine,
  { capabilities, carried, plainFirmware }: Surroundings,
  findings: Finding[],
): DomainFirmware {
  const { firmware } = machine;
  if (firmware?.kind !== 'uefi') {
    if (capabilities.machine.includes('virt')) return { kind: 'uefi', secureBoot: false };
    return { kind: 'bios' };
  }
  const secureBoot = firmware.secureBoot === true;
  if (!capabilities.uefi) {
    findings.push({
      rule: 'firmware.uefi-missing',
      severity: 'blocker',
      message: `the host has no UEFI firmware for ${capabilities.machine}`,
      remedy: 'install it there ("ovmf" on Debian and Ubuntu, "edk2-ovmf" elsewhere)',
    });
  } else if (secureBoot && !capabilities.secureBoot) {
    findings.push({
      rule: 'firmware.secure-boot-missing',
      severity: 'blocker',
      message: `the host has no UEFI firmware with Secure Boot for ${capabilities.machine}`,
      remedy: isQ35(capabilities.machine)
        ? 'install one there, or switch Secure Boot off in the plan'
        : 'choose the machine type q35, or switch Secure Boot off in the plan',
    });
  }
  return carried ?? { kind: 'uefi', secureBoot, plain: !secureBoot && plainFirmware };
}

const cdromBus = ({ diskBuses, machine }: DomainCapabilities): 'ide' | 'sata' | 'scsi' => {
  if (!isQ35(machine) && diskBuses.includes('ide')) return 'ide';
  return diskBuses.includes('sata') ? 'sata' : 'scsi';
};

function tpmOf({ devices }: Machine, { tpmEmulator, tpmModels }: DomainCapabilities, findings: Finding[]) {
  const { tpm } = devices ?? {};
  if (tpm === undefined) return undefined;
  const version = tpm.version ?? '2.0';
  const model = (version === '1.2' ? ['tpm-tis'] : ['tpm-crb', 'tpm-tis']).find((m) => tpmModels.includes(m));
  if (tpmEmulator && model !== undefined) {
    findings.push({
      rule: 'tpm.empty',
      severity: 'warning',
      message: 'the machine gets a new, empty TPM: what was sealed with the old one stays locked',
      remedy: 'have the recovery keys of the disks (BitLocker) at hand',
    });
    return { model, version };
  }
  findings.push({
    rule: 'tpm.missing',
    severity: 'warning',
    message: 'the host has no swtpm: the machine gets no TPM',
    remedy: 'install swtpm there; have the recovery keys of the disks (BitLocker) at hand',
  });
  return undefined;
}

/** What was to boot first does so; where nothing says so, the disk that is marked, else the first. */
function withBootOrder(spec: DomainSpec, machine: Machine): DomainSpec {
  const told = [...spec.disks, ...spec.nics].some(({ bootOrder }) => bootOrder !== undefined);
  if (!told) {
    const first = Math.max(
      0,
      machine.disks.findIndex(({ bootable }) => bootable === true),
    );
    return { ...spec, disks: spec.disks.map((disk, i) => (i === first ? { ...disk, bootOrder: 1 } : disk)) };
  }
  // libvirt takes no number twice.
  const all = [...spec.disks, ...spec.nics].filter(({ bootOrder }) => bootOrder !== undefined);
  const sorted = all.sort((a, b) => a.bootOrder! - b.bootOrder!);
  const renumbered = <T extends { readonly bootOrder?: number | undefined }>(device: T): T => {
    const place = sorted.indexOf(device as never);
    return place < 0 ? device : { ...device, bootOrder: place + 1 };
  };
  return { ...spec, disks: spec.disks.map(renumbered), nics: spec.nics.map(renumbered) };
}
