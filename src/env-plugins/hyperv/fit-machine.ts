/** A machine as Hyper-V will have it: the one place where that is decided, for the check, the guest and the making. */
import type { Finding } from '../../model/finding.ts';
import type { Machine, MachineDisk, Nic } from '../../model/machine.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import type { Settings } from '../plugin.ts';
import type { HostPlaces } from './places.ts';

export interface Slot {
  readonly bus: 'IDE' | 'SCSI';
  readonly controller: number;
  readonly unit: number;
}

export interface FittedNic {
  readonly mac?: string;
  /** Absent: joined to nothing. */
  readonly network?: string;
}

export interface Fitted {
  readonly generation: 1 | 2;
  readonly memoryBytes: number;
  readonly processors: number;
  readonly secureBoot: boolean;
  readonly secureBootTemplate: string;
  /** In the order of the machine's disks. */
  readonly disks: readonly Slot[];
  readonly dvds: readonly Slot[];
  readonly nics: readonly FittedNic[];
  readonly findings: readonly Finding[];
}

/** Microsoft, "Maximums for Hyper-V": what every version since 2012 R2 takes. */
const mostNics = 8;
const mostScsiDisks = 64;
const smallestMemory = 32 * MiB;
/** Memory is given in steps of it. */
const memoryStep = 2 * MiB;
const usualMemory = 2048 * MiB;

export function fitMachine(machine: Machine, settings: Settings, places: HostPlaces): Fitted {
  const generation = machine.firmware?.kind === 'uefi' ? 2 : 1;
  const nics = machine.nics.map((nic) => fitNic(nic, settings, places));
  const asked = machine.memoryBytes ?? usualMemory;
  const memoryBytes = Math.max(smallestMemory, Math.ceil(asked / memoryStep) * memoryStep);
  const disks = machine.disks.map((_, index) => slotOf(generation, index));
  const secure = secureBoot(machine, settings);
  return {
    generation,
    memoryBytes,
    processors: machine.processors?.count ?? 1,
    ...secure,
    disks,
    dvds: machine.devices?.cdroms?.length ? [dvdSlot(generation, disks)] : [],
    nics: nics.map(({ fitted }) => fitted),
    findings: [
      ...sizeFindings(machine, memoryBytes, places),
      ...lossFindings(machine, generation),
      ...nics.flatMap(({ findings }) => findings),
      ...(secure.secureBoot ? [secureFinding(secure.secureBootTemplate)] : []),
    ],
  };
}

/** Generation 1 starts from IDE only: two disks there, and a place for a CD drive; the rest goes to SCSI. */
function slotOf(generation: 1 | 2, index: number): Slot {
  if (generation === 1 && index < 2) return { bus: 'IDE', controller: 0, unit: index };
  const at = generation === 1 ? index - 2 : index;
  return { bus: 'SCSI', controller: 0, unit: at };
}

const dvdSlot = (generation: 1 | 2, disks: readonly Slot[]): Slot =>
  generation === 1
    ? { bus: 'IDE', controller: 1, unit: 0 }
    : { bus: 'SCSI', controller: 0, unit: disks.length };

const linuxTemplate = 'MicrosoftUEFICertificateAuthority';
const windowsTemplate = 'MicrosoftWindows';

function secureBoot({ firmware, system }: Machine, { secureBoot = 'automatic' }: Settings) {
  const template = system?.family === 'windows' ? windowsTemplate : linuxTemplate;
  if (secureBoot === 'linux') return { secureBoot: true, secureBootTemplate: linuxTemplate };
  if (secureBoot === 'windows') return { secureBoot: true, secureBootTemplate: windowsTemplate };
  const isOn = secureBoot !== 'off' && firmware?.kind === 'uefi' && firmware.secureBoot === true;
  return { secureBoot: isOn, secureBootTemplate: isOn ? template : '' };
}

const secureFinding = (template: string): Finding => ({
  rule: 'hyperv.secure-boot',
  severity: 'note',
  message: 'Secure Boot is on: only what this template trusts is started',
  evidence: template,
});

function fitNic(
  { mac, network }: Nic,
  settings: Settings,
  { switches }: HostPlaces,
): { fitted: FittedNic; findings: Finding[] } {
  const chosen = (settings.network ?? '').trim();
  const own = switches.find((name) => name === network);
  const joined = own ?? (chosen === '' ? switches[0] : chosen);
  const address = settings.keepMac === 'no' ? undefined : mac?.replaceAll(':', '').toUpperCase();
  const isMac = address !== undefined && /^[0-9A-F]{12}$/.test(address) && !(Number(`0x${address[1]}`) & 1);
  const fitted = {
    ...(isMac ? { mac: address } : {}),
    ...(joined === undefined ? {} : { network: joined }),
  };
  const findings: Finding[] = [];
  if (network !== undefined && own === undefined && joined !== undefined)
    findings.push({
      rule: 'network.changed',
      severity: 'warning',
      message: `there is no switch "${network}" here: the adapter is joined to "${joined}"`,
      remedy: `choose one of ${switches.slice(0, 20).join(', ')}`,
    });
  if (joined === undefined)
    findings.push({
      rule: 'hyperv.no-switch',
      severity: 'warning',
      message: 'the host has no virtual switch: the adapter is joined to nothing',
      remedy: 'make a switch there (New-VMSwitch) and join it afterwards',
    });
  if (address !== undefined && !isMac)
    findings.push({
      rule: 'hyperv.mac-impossible',
      severity: 'warning',
      message: 'this MAC address is none that an adapter can have: it gets a new one',
      evidence: mac ?? '',
    });
  return { fitted, findings };
}

function sizeFindings(
  { memoryBytes, processors, disks, nics, firmware }: Machine,
  memory: number,
  places: HostPlaces,
) {
  const findings: Finding[] = [];
  const add = (rule: string, severity: Finding['severity'], message: string) =>
    findings.push({ rule: `hyperv.${rule}`, severity, message });
  const generation = firmware?.kind === 'uefi' ? 2 : 1;
  if (memoryBytes !== undefined && memoryBytes !== memory)
    add(
      'memory-rounded',
      'note',
      `its memory becomes ${formatBytes(memory)}, a multiple of 2 MiB from 32 MiB on`,
    );
  if (places.memoryBytes > 0 && memory > places.memoryBytes)
    add(
      'memory-large',
      'warning',
      `the host has ${formatBytes(places.memoryBytes)} of memory, less than the machine`,
    );
  if (places.processors > 0 && (processors?.count ?? 1) > places.processors)
    add(
      'processors-many',
      'blocker',
      `the host has ${places.processors} logical processors, the machine wants ${processors?.count}`,
    );
  if (disks.length > mostScsiDisks + (generation === 1 ? 2 : 0) - 1)
    add('disks-many', 'blocker', 'one SCSI controller takes 64 drives');
  if (nics.length > mostNics) add('nics-many', 'blocker', `a machine takes ${mostNics} adapters`);
  return findings;
}

/** What the machine has and will not have there. */
function lossFindings({ devices, processors, uuid, nics }: Machine, generation: 1 | 2): Finding[] {
  const lost = [
    ...(devices?.tpm ? ['TPM'] : []),
    ...(uuid === undefined ? [] : ['UUID']),
    ...(processors?.coresPerSocket === undefined ? [] : ['cores per socket']),
    ...((devices?.cdroms?.length ?? 0) > 1 ? ['CD drives but one'] : []),
    ...(devices?.cdroms?.some(({ media }) => media !== undefined) ? ['the media in its CD drives'] : []),
    ...(nics.some(({ connected }) => connected === false)
      ? ['adapters that were not connected: they are']
      : []),
    ...(devices?.bound ?? []),
  ];
  if (lost.length === 0) return [];
  return [
    {
      rule: 'hyperv.not-carried',
      severity: 'note',
      message: `a machine of generation ${generation} is made without what it had besides`,
      evidence: lost.join(', ').slice(0, 1000),
    },
  ];
}

/** As the guest will find it. */
export function hardwareOf(machine: Machine, settings: Settings, places: HostPlaces) {
  const { disks, nics, generation } = fitMachine(machine, settings, places);
  return {
    disks: machine.disks.map((disk, index): MachineDisk => {
      const { controllerModel: _own, ...rest } = disk;
      const { bus, controller, unit } = disks[index]!;
      return bus === 'IDE'
        ? { ...rest, bus: 'ide', controller, unit }
        : { ...rest, bus: 'scsi', controllerModel: 'hyperv', controller, unit };
    }),
    nics: nics.map(
      ({ mac, network }): Nic => ({
        ...(mac === undefined ? {} : { mac: mac.toLowerCase().match(/../g)!.join(':') }),
        ...(network === undefined ? {} : { network }),
        model: 'netvsc',
      }),
    ),
    firmware: { kind: generation === 2 ? ('uefi' as const) : ('bios' as const) },
  };
}
