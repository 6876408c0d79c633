/** What a machine becomes in VMware, and what is otherwise there. Pure. */
import type { Finding } from '../../model/finding.ts';
import { formatBytes } from '../../model/units.ts';
import type { DeliveryRequest } from '../plugin.ts';
import { fitDisks } from '../vmware-hardware/fit-disks.ts';
import { needs } from '../vmware-hardware/needs.ts';
import { fitNics } from './fit-nics.ts';
import { defaultHardware, limitsOf } from './hardware.ts';
import { lostFindings } from './lost.ts';
import type { VmxPlan } from './write-vmx.ts';

/** The first bytes of VMware's own NVRAM files. */
export const nvramMark = Buffer.from('MRVN');
const MiB = 2 ** 20;

export interface FittedMachine {
  /** All but the names of the disks' files. */
  readonly plan: Omit<VmxPlan, 'files' | 'nvram' | 'name'>;
  readonly findings: readonly Finding[];
}

export function fitMachine(request: DeliveryRequest): FittedMachine {
  const { machine, settings } = request;
  const hardware = Number(settings.hardware || defaultHardware);
  const { system } = machine;
  const cdrom = (machine.devices?.cdroms ?? []).length > 0;
  const placed = fitDisks(machine.disks, { hardware, system, cdromOnIde: cdrom });
  const nics = fitNics(machine.nics, { hardware, system, network: settings.network || 'nat' });
  const uefi = machine.firmware?.kind === 'uefi';
  const memory = memoryOf(machine.memoryBytes ?? 1024 * MiB);
  const tpm = machine.devices?.tpm !== undefined && uefi && hardware >= 20;
  const secureBoot = machine.firmware?.secureBoot === true && hardware >= needs.secureBoot;
  const plan = {
    ...{ machine, hardware, placed, nics: nics.nics, uefi, secureBoot, tpm, cdrom },
    memoryMiB: memory.mib,
  };
  return {
    plan,
    findings: [
      ...memory.findings,
      ...limitFindings(request, hardware),
      ...firmwareFindings(request, hardware, secureBoot),
      ...deviceFindings(request, tpm),
      ...placed.findings,
      ...nics.findings,
      ...lostFindings(plan),
    ],
  };
}

/** VMware counts memory in steps of 4 MiB. */
function memoryOf(bytes: number): { mib: number; findings: Finding[] } {
  const mib = Math.max(4, Math.ceil(bytes / (4 * MiB)) * 4);
  if (mib * MiB === bytes) return { mib, findings: [] };
  return {
    mib,
    findings: [
      {
        rule: 'vmware.memory-rounded',
        severity: 'note',
        message: `VMware counts memory in steps of 4 MiB: the machine gets ${formatBytes(mib * MiB)}`,
      },
    ],
  };
}

function limitFindings({ machine }: DeliveryRequest, hardware: number): Finding[] {
  const limits = limitsOf(hardware);
  const { count = 1 } = machine.processors ?? {};
  const { memoryBytes = 0 } = machine;
  const findings: Finding[] = [];
  const remedy = 'give the machine less, or choose a later hardware version';
  if (count > limits.processors) {
    findings.push({
      rule: 'vmware.too-many-processors',
      severity: 'warning',
      message: `hardware version ${hardware} takes ${limits.processors} processors, the machine has ${count}: it will not start`,
      remedy,
    });
  }
  if (memoryBytes > limits.memoryBytes) {
    findings.push({
      rule: 'vmware.too-much-memory',
      severity: 'warning',
      message: `hardware version ${hardware} takes ${formatBytes(limits.memoryBytes)} of memory, the machine has ${formatBytes(memoryBytes)}: it will not start`,
      remedy,
    });
  }
  if (machine.system?.architecture === 'aarch64') {
    findings.push({
      rule: 'vmware.other-architecture',
      severity: 'warning',
      message: 'the guest is for ARM: what is written is a machine for x86',
      remedy:
        'only Fusion on a Mac with an ARM processor runs it, in a machine that is made there around its disk',
    });
  }
  return findings;
}

function firmwareFindings(
  { machine, nvram }: DeliveryRequest,
  hardware: number,
  secureBoot: boolean,
): Finding[] {
  if (machine.firmware?.kind !== 'uefi') return [];
  const findings: Finding[] = [];
  if (hardware < needs.uefi) {
    findings.push({
      rule: 'vmware.no-uefi',
      severity: 'blocker',
      message: `hardware version ${hardware} has no UEFI, and the machine starts by it`,
      remedy: `choose hardware version ${needs.uefi} or later`,
    });
  }
  if (machine.firmware.secureBoot && !secureBoot) {
    findings.push({
      rule: 'vmware.no-secure-boot',
      severity: 'warning',
      message: `hardware version ${hardware} has no Secure Boot: the machine starts without it`,
    });
  }
  if (nvram !== undefined && !isVmwareNvram(nvram)) {
    findings.push({
      rule: 'vmware.nvram-foreign',
      severity: 'note',
      message:
        "the variables of its firmware are another product's, VMware can't read them: boot entries are made anew",
      remedy:
        'if it does not start by itself, choose its boot loader once in the firmware (EFI Internal Shell, or "Boot from a file")',
    });
  }
  return findings;
}

export const isVmwareNvram = (nvram: Uint8Array): boolean =>
  Buffer.from(nvram.subarray(0, nvramMark.length)).equals(nvramMark);

function deviceFindings({ machine }: DeliveryRequest, tpm: boolean): Finding[] {
  const { devices } = machine;
  const findings: Finding[] = [];
  if (devices?.tpm !== undefined) {
    findings.push({
      rule: 'vmware.tpm-new',
      severity: 'warning',
      message: tpm
        ? 'it gets a new, empty TPM: what the old one kept is not carried'
        : 'it has a TPM, and gets none: that takes hardware version 20, UEFI, and an encryption of its own',
      remedy:
        'have the recovery key of BitLocker at hand; add a TPM in VMware (Settings, Add) if the guest needs one',
    });
  }
  for (const thing of devices?.bound ?? []) {
    findings.push({
      rule: 'vmware.device-not-carried',
      severity: 'warning',
      message: `${thing} of the old host is not carried`,
    });
  }
  return findings;
}
