/** What a machine becomes in VirtualBox, and what is otherwise there. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { Machine } from '../../model/machine.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import type { DeliveryRequest } from '../plugin.ts';
import { fitDisks, type PlacedDisks } from './fit-disks.ts';
import { fitNics, type PlacedNic } from './fit-nics.ts';

export interface FittedMachine {
  readonly machine: Machine;
  readonly placed: PlacedDisks;
  readonly nics: readonly PlacedNic[];
  readonly uefi: boolean;
  readonly tpm: boolean;
  readonly ich9: boolean;
  readonly processors: number;
  readonly memoryMiB: number;
  /** The firmware's variables go along. */
  readonly nvram: boolean;
  readonly findings: readonly Finding[];
}

const mostProcessors = 64;
const mostMemoryMiB = 2_097_152;

export function fitMachine(request: DeliveryRequest): FittedMachine {
  const { machine, settings } = request;
  const { devices } = machine;
  const cdrom = devices?.cdroms?.[0];
  const ich9 = /^(q35|ich9)/i.test(machine.chipset ?? '');
  const cdromBus = cdrom && (cdrom.bus === 'ide' ? 'ide' : 'sata');
  const placed = fitDisks(machine.disks, { cdromBus, ich9 });
  const nics = fitNics(machine.nics, { most: ich9 ? 36 : 8, network: settings.network || 'nat' });
  const uefi = machine.firmware?.kind === 'uefi';
  const memoryMiB = Math.min(
    mostMemoryMiB,
    Math.max(4, Math.ceil((machine.memoryBytes ?? 1024 * MiB) / MiB)),
  );
  const processors = Math.min(mostProcessors, Math.max(1, machine.processors?.count ?? 1));
  const tpm = devices?.tpm !== undefined;
  const nvram = uefi && request.nvram !== undefined && isOwn(machine) && isVariables(request.nvram);
  return {
    ...{ machine, placed, nics: nics.nics, uefi, tpm, ich9, processors, memoryMiB, nvram },
    findings: [
      ...sizeFindings(machine, processors, memoryMiB),
      ...firmwareFindings(request, uefi, nvram),
      ...deviceFindings(machine),
      ...(uefi ? [] : bootFindings(placed)),
      ...placed.findings,
      ...nics.findings,
    ],
  };
}

/** Only what VirtualBox itself has written is known to be read by it. */
const isOwn = ({ packaging }: Machine): boolean => packaging?.startsWith('VirtualBox machine') === true;
const isVariables = (bytes: Uint8Array): boolean =>
  Buffer.from(bytes.subarray(40, 44)).equals(Buffer.from('_FVH'));

function sizeFindings(machine: Machine, processors: number, memoryMiB: number): Finding[] {
  const findings: Finding[] = [];
  const { count = 1 } = machine.processors ?? {};
  const { memoryBytes = memoryMiB * MiB } = machine;
  if (count > processors) {
    findings.push({
      rule: 'virtualbox.too-many-processors',
      severity: 'warning',
      message: `VirtualBox takes ${mostProcessors} processors, the machine has ${count}: it gets ${processors}`,
    });
  }
  if (memoryBytes !== memoryMiB * MiB) {
    findings.push({
      rule: 'virtualbox.memory-rounded',
      severity: memoryBytes > memoryMiB * MiB ? 'warning' : 'note',
      message: `VirtualBox counts memory in MiB, up to 2 TiB: the machine gets ${formatBytes(memoryMiB * MiB)}`,
    });
  }
  if (machine.system?.architecture === 'aarch64') {
    findings.push({
      rule: 'virtualbox.other-architecture',
      severity: 'warning',
      message: 'the guest is for ARM: what is written is a machine for x86',
      remedy: 'VirtualBox 7.1 and later on a Mac runs it, in a machine that is made there around its disk',
    });
  }
  return findings;
}

function firmwareFindings({ machine, nvram }: DeliveryRequest, uefi: boolean, carried: boolean): Finding[] {
  if (!uefi) return [];
  const findings: Finding[] = [];
  if (machine.firmware?.secureBoot && !carried) {
    findings.push({
      rule: 'virtualbox.no-secure-boot',
      severity: 'warning',
      message:
        'VirtualBox keeps Secure Boot in the firmware’s variables, which are new: the machine starts without it',
      remedy:
        'VirtualBox 7: VBoxManage modifynvram NAME inituefivarstore, enrollmssignatures, secureboot --enable',
    });
  }
  if (nvram !== undefined && !carried) {
    findings.push({
      rule: 'virtualbox.nvram-foreign',
      severity: 'note',
      message:
        "the variables of its firmware are another product's and stay behind: boot entries are made anew",
      remedy:
        'if it does not start by itself, choose its boot loader once in the firmware ("Boot from a file")',
    });
  }
  return findings;
}

function deviceFindings({ devices }: Machine): Finding[] {
  const findings: Finding[] = [];
  if (devices?.tpm !== undefined) {
    findings.push({
      rule: 'virtualbox.tpm-new',
      severity: 'warning',
      message: 'it gets a new, empty TPM (VirtualBox 7 and later): what the old one kept is not carried',
      remedy: 'have the recovery key of BitLocker at hand',
    });
  }
  for (const thing of devices?.bound ?? []) {
    findings.push({
      rule: 'virtualbox.device-not-carried',
      severity: 'warning',
      message: `${thing} of the old host is not carried`,
    });
  }
  return findings;
}

/** The BIOS starts from the lowest port of a controller, and not from NVMe or USB. */
function bootFindings({ disks }: PlacedDisks): Finding[] {
  const boot = disks.find(({ disk }) => disk.bootable);
  if (boot === undefined) return [];
  const { controller, slot, disk } = boot;
  if (controller.kind.bus === 'nvme' || controller.kind.bus === 'usb') {
    return [
      {
        rule: 'virtualbox.boot-from-bus',
        severity: 'warning',
        message: `the BIOS of VirtualBox starts from no ${controller.kind.name} disk, and the machine from ${disk.name}`,
        remedy: 'attach that disk to SATA',
      },
    ];
  }
  if (!disks.some((other) => other.controller === controller && other.slot < slot)) return [];
  return [
    {
      rule: 'virtualbox.boot-order',
      severity: 'note',
      message: `VirtualBox starts from the first disk of ${controller.name}, and the machine from ${disk.name}`,
      remedy: 'if it does not start, attach that disk to the first port',
    },
  ];
}

/** The hardware that the guest finds: what its drivers are chosen by. */
export function guestHardware({
  placed,
  nics,
  uefi,
}: FittedMachine): Pick<Machine, 'disks' | 'nics' | 'firmware'> {
  return {
    disks: placed.disks.map(({ controller, slot, disk: { controllerModel: _own, ...disk } }) => ({
      ...disk,
      bus: controller.kind.bus,
      ...(controller.kind.model === undefined ? {} : { controllerModel: controller.kind.model }),
      ...(controller.kind.bus === 'ide'
        ? { controller: slot >> 1, unit: slot & 1 }
        : { controller: controller.number, unit: slot }),
    })),
    nics: nics.map(({ model, mac }) => ({ model, ...(mac === undefined ? {} : { mac }) })),
    firmware: { kind: uefi ? 'uefi' : 'bios' },
  };
}
