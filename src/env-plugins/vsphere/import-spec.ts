/** What a machine becomes on an ESXi, and what is otherwise there. Pure. */
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { MachineDisk } from '../../model/machine.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import type { DeliveryRequest, Settings } from '../plugin.ts';
import { fitDisks, type PlacedDisks } from '../vmware-hardware/fit-disks.ts';
import { needs } from '../vmware-hardware/needs.ts';
import { limitsOf } from './esx-hardware.ts';
import { fitCards, type PlacedCard } from './fit-cards.ts';
import type { Ground } from './ground.ts';
import { guestIdFor } from './guest-id.ts';
import { automatic } from './place-choices.ts';

export type Provisioning = 'thin' | 'thick' | 'eager';

export interface SpecDisk {
  /** `scsi0:1`. */
  readonly node: string;
  readonly disk: MachineDisk;
  /** Whole sectors. */
  readonly capacityBytes: number;
}

export interface MachineSpec {
  readonly name: string;
  /** Undefined: what the host makes by itself. */
  readonly version: number | undefined;
  readonly hardware: number;
  readonly guestId: string;
  readonly annotation: string;
  readonly uuid: string | undefined;
  readonly processors: number;
  readonly coresPerSocket: number | undefined;
  readonly memoryMiB: number;
  readonly uefi: boolean;
  readonly secureBoot: boolean;
  readonly disks: readonly SpecDisk[];
  readonly scsi: PlacedDisks['scsi'];
  readonly provisioning: Provisioning;
  readonly cards: readonly PlacedCard[];
  readonly cdrom: boolean;
  /** `[datastore]`: the server makes the machine's folder there. */
  readonly datastore: string;
}

export interface FittedMachine {
  readonly spec: MachineSpec;
  readonly findings: readonly Finding[];
}

const sector = 512;

export function fitMachine(request: DeliveryRequest, ground: Ground): FittedMachine {
  const { machine, settings } = request;
  const version = wantedVersion(settings);
  const hardware = version ?? ground.usualVersion;
  const { system } = machine;
  const cdrom = (machine.devices?.cdroms ?? []).length > 0;
  const placed = fitDisks(machine.disks, { hardware, system, cdromOnIde: cdrom });
  const cards = fitCards(machine.nics, {
    ...{ hardware, system },
    networks: ground.networks,
    usual: settings.network ?? '',
    reached: ground.place.networks,
    keepMac: settings.keepMac !== 'no',
  });
  const guest = guestIdFor(system, hardware, ground.guestIds);
  const { count = 1, coresPerSocket = 0 } = machine.processors ?? {};
  const memory = machine.memoryBytes ?? 1024 * MiB;
  const memoryMiB = Math.max(4, Math.ceil(memory / (4 * MiB)) * 4);
  const uefi = machine.firmware?.kind === 'uefi';
  const secureBoot = machine.firmware?.secureBoot === true && uefi && hardware >= needs.secureBoot;
  const spec: MachineSpec = {
    name: request.name,
    ...{ version, hardware, uefi, secureBoot, memoryMiB, cdrom },
    guestId: guest.id,
    annotation: machine.description ?? '',
    uuid: machine.uuid,
    processors: count,
    coresPerSocket: coresPerSocket > 1 && count % coresPerSocket === 0 ? coresPerSocket : undefined,
    disks: placed.disks.map(({ node, disk }) => ({
      ...{ node, disk },
      capacityBytes: Math.ceil((disk.virtualSizeBytes ?? 0) / sector) * sector,
    })),
    scsi: placed.scsi,
    provisioning: provisioningOf(settings.provisioning),
    cards: cards.cards,
    datastore: ground.datastore.name,
  };
  return {
    spec,
    findings: [
      ...(memoryMiB * MiB === memory ? [] : [memoryRounded(memoryMiB)]),
      ...limitFindings(spec),
      ...(guest.exact ? [] : [guestUnknown(guest.id, system?.name)]),
      ...firmwareFindings(request, hardware, secureBoot),
      ...deviceFindings(request),
      ...placed.findings,
      ...cards.findings,
    ],
  };
}

/** @throws AppError `usage`. */
function provisioningOf(text = ''): Provisioning {
  const wanted = text || 'thin';
  if (wanted === 'thin' || wanted === 'thick' || wanted === 'eager') return wanted;
  throw new AppError('usage', `"${wanted}" is no kind of disk known here`, {
    hint: 'it takes thin, thick, eager',
  });
}

/** Undefined: what the host makes by itself. @throws AppError `usage`. */
export function wantedVersion({ hardware = '' }: Settings): number | undefined {
  if (hardware === '' || hardware === automatic) return undefined;
  if (/^\d{1,2}$/.test(hardware)) return Number(hardware);
  throw new AppError('usage', `"${hardware}" is no hardware version`, {
    hint: `it takes ${automatic}, or a number such as 13`,
  });
}

const memoryRounded = (mib: number): Finding => ({
  rule: 'vmware.memory-rounded',
  severity: 'note',
  message: `VMware counts memory in steps of 4 MiB: the machine gets ${formatBytes(mib * MiB)}`,
});

const guestUnknown = (id: string, name = 'the guest'): Finding => ({
  rule: 'vsphere.guest-unknown',
  severity: 'note',
  message: `the server knows no id for ${name}: the machine is noted as ${id}`,
  remedy: 'choose the guest system there, in the settings of the machine, if tools or adapters depend on it',
});

function limitFindings({ hardware, processors, memoryMiB, disks }: MachineSpec): Finding[] {
  const limits = limitsOf(hardware);
  const findings: Finding[] = [];
  const over = (rule: string, takes: string, has: string, evidence?: string) =>
    findings.push({
      rule,
      severity: 'blocker',
      message: `hardware version ${hardware} takes ${takes}, the machine has ${has}`,
      ...(evidence === undefined ? {} : { evidence }),
      remedy: 'give the machine less, or choose a later hardware version',
    });
  if (processors > limits.processors) {
    over('vmware.too-many-processors', `${limits.processors} processors`, String(processors));
  }
  if (memoryMiB * MiB > limits.memoryBytes) {
    const takes = `${formatBytes(limits.memoryBytes)} of memory`;
    over('vmware.too-much-memory', takes, formatBytes(memoryMiB * MiB));
  }
  for (const { disk, capacityBytes } of disks) {
    if (capacityBytes <= limits.diskBytes) continue;
    const takes = `disks of ${formatBytes(limits.diskBytes)}`;
    over('vmware.disk-too-large', takes, `one of ${formatBytes(capacityBytes)}`, disk.name);
  }
  return findings;
}

/** The first bytes of VMware's own NVRAM files. */
const nvramMark = Buffer.from('MRVN');

export const carriedNvram = ({ machine, nvram, settings }: DeliveryRequest): Uint8Array | undefined => {
  if (nvram === undefined || machine.firmware?.kind !== 'uefi' || settings.nvram === 'new') return undefined;
  return Buffer.from(nvram.subarray(0, nvramMark.length)).equals(nvramMark) ? nvram : undefined;
};

function firmwareFindings(request: DeliveryRequest, hardware: number, secureBoot: boolean): Finding[] {
  const { machine, nvram, settings } = request;
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
  if (carriedNvram(request) === undefined && settings.nvram !== 'new') {
    findings.push({
      rule: nvram === undefined ? 'vmware.nvram-lost' : 'vmware.nvram-foreign',
      severity: 'note',
      message:
        nvram === undefined
          ? 'the source gives no variables of its firmware: boot entries are made anew'
          : "the variables of its firmware are another product's, VMware can't read them: boot entries are made anew",
      remedy:
        'if it does not start by itself, choose its boot loader once in the firmware ("Boot from a file")',
    });
  }
  return findings;
}

function deviceFindings({ machine }: DeliveryRequest): Finding[] {
  const { devices, system } = machine;
  const findings: Finding[] = [];
  const add = (rule: string, message: string, remedy?: string) =>
    findings.push({ rule, severity: 'warning', message, ...(remedy === undefined ? {} : { remedy }) });
  if (devices?.tpm !== undefined) {
    add(
      'vmware.tpm-lost',
      'it has a TPM, and gets none: what that kept is not carried',
      'have the recovery key of BitLocker at hand; add a TPM in vCenter, which needs a key provider, if the guest needs one',
    );
  }
  for (const thing of devices?.bound ?? []) {
    add('vmware.device-not-carried', `${thing} of the old host is not carried`);
  }
  if (system?.architecture === 'aarch64') {
    add('vmware.other-architecture', 'the guest is for ARM: what is made is a machine for x86');
  }
  return findings;
}
