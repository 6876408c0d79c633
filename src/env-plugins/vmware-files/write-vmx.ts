/** The text of a .vmx: what Workstation itself writes, without what it makes anew at the first start. Pure. */
import type { Machine } from '../../model/machine.ts';
import type { PlacedDisks } from '../vmware-hardware/fit-disks.ts';
import { writeGuestOs } from '../vmware-hardware/guest-os.ts';
import { needs } from '../vmware-hardware/needs.ts';
import { dictionaryLine } from './dictionary.ts';
import type { PlacedNic } from './fit-nics.ts';

export interface VmxPlan {
  readonly name: string;
  readonly machine: Machine;
  readonly hardware: number;
  readonly placed: PlacedDisks;
  /** Names of the disks' files, in the order of `placed.disks`. */
  readonly files: readonly string[];
  readonly nics: readonly PlacedNic[];
  readonly secureBoot: boolean;
  readonly tpm: boolean;
  readonly uefi: boolean;
  readonly memoryMiB: number;
  readonly cdrom: boolean;
  readonly nvram: string;
}

type Line = readonly [key: string, value: string | number];
const yes = 'TRUE';
const no = 'FALSE';

export function writeVmx(plan: VmxPlan): string {
  const lines: Line[] = [
    ['.encoding', 'UTF-8'],
    ['config.version', 8],
    ['virtualHW.version', plan.hardware],
    ...(plan.hardware >= needs.pcie ? bridges() : []),
    ['displayName', plan.name],
    ['guestOS', writeGuestOs(plan.machine.system, plan.hardware)],
    ['nvram', plan.nvram],
    ['virtualHW.productCompatibility', 'hosted'],
    ...power,
    ...board(plan),
    ...drives(plan),
    ...plan.nics.flatMap(nicLines),
    ...others(plan),
  ];
  return lines.map(([key, value]) => `${dictionaryLine(key, sayable(value))}\n`).join('');
}

/** A description may hold anything. */
const sayable = (value: string | number): string => String(value).replaceAll('\0', '');

/** Without these ports there is no room for PCI Express devices: e1000e, vmxnet3, pvscsi, NVMe. */
const bridges = (): Line[] => [
  ['pciBridge0.present', yes],
  ...[4, 5, 6, 7].flatMap((n): Line[] => [
    [`pciBridge${n}.present`, yes],
    [`pciBridge${n}.virtualDev`, 'pcieRootPort'],
    [`pciBridge${n}.functions`, 8],
  ]),
  ['vmci0.present', yes],
  ['hpet0.present', yes],
];

const power: readonly Line[] = ['powerOff', 'powerOn', 'suspend', 'reset'].map((key) => [
  `powerType.${key}`,
  'soft',
]);

function board({ machine, memoryMiB, uefi, secureBoot, tpm }: VmxPlan): Line[] {
  const { count = 1, coresPerSocket } = machine.processors ?? {};
  const { clock } = machine.devices ?? {};
  return [
    ...(uefi ? ([['firmware', 'efi']] as Line[]) : []),
    ...(uefi && secureBoot ? ([['uefi.secureBoot.enabled', yes]] as Line[]) : []),
    ...(tpm ? ([['managedvm.autoAddVTPM', 'software']] as Line[]) : []),
    ['memsize', memoryMiB],
    ['numvcpus', count],
    ...(coresPerSocket !== undefined && count % coresPerSocket === 0
      ? ([['cpuid.coresPerSocket', coresPerSocket]] as Line[])
      : []),
    ...(clock === 'utc' ? ([['rtc.diffFromUTC', 0]] as Line[]) : []),
    ['tools.syncTime', no],
  ];
}

function drives({ placed, files, cdrom }: VmxPlan): Line[] {
  const lines: Line[] = [];
  for (const [controller, model] of [...placed.scsi].sort(([a], [b]) => a - b)) {
    lines.push([`scsi${controller}.present`, yes], [`scsi${controller}.virtualDev`, model]);
  }
  const others = new Set(placed.disks.map(({ node }) => node.split(':')[0]!));
  for (const controller of [...others].filter((name) => /^(sata|nvme)/.test(name)).sort()) {
    lines.push([`${controller}.present`, yes]);
  }
  for (const [i, { node }] of placed.disks.entries()) {
    lines.push([`${node}.present`, yes], [`${node}.fileName`, files[i]!]);
  }
  if (cdrom) {
    lines.push(
      ['ide1:0.present', yes],
      ['ide1:0.deviceType', 'cdrom-raw'],
      ['ide1:0.fileName', 'auto detect'],
      ['ide1:0.autodetect', yes],
      ['ide1:0.startConnected', no],
    );
  }
  return lines;
}

function nicLines(nic: PlacedNic, n: number): Line[] {
  const line = (key: string, value: string): Line => [`ethernet${n}.${key}`, value];
  return [
    line('present', yes),
    line('connectionType', nic.connection),
    ...(nic.vnet === undefined ? [] : [line('vnet', nic.vnet)]),
    line('virtualDev', nic.model),
    ...(nic.mac === undefined
      ? [line('addressType', 'generated')]
      : [line('addressType', 'static'), line('address', nic.mac)]),
    ...(nic.foreignMac ? [line('checkMACAddress', no)] : []),
    ...(nic.connected ? [] : [line('startConnected', no)]),
  ];
}

function others({ machine, hardware, placed }: VmxPlan): Line[] {
  const boot = placed.disks.find(({ disk }) => disk.bootable);
  return [
    ...(hardware >= needs.pcie
      ? ([
          ['usb.present', yes],
          ['ehci.present', yes],
        ] as Line[])
      : []),
    ['floppy0.present', no],
    ...((machine.devices?.consoles ?? []).includes('serial') ? serialPort : []),
    ...(boot !== undefined && boot !== placed.disks[0] ? ([['bios.hddOrder', boot.node]] as Line[]) : []),
    ...(machine.uuid === undefined || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(machine.uuid)
      ? []
      : ([
          ['uuid.bios', uuidText(machine.uuid)],
          // Else it asks at the first start whether the machine was moved or copied, and makes a new one.
          ['uuid.action', 'keep'],
        ] as Line[])),
    ...(machine.description === undefined ? [] : ([['annotation', machine.description]] as Line[])),
  ];
}

/** Its output goes to a file beside the .vmx. */
const serialPort: readonly Line[] = [
  ['serial0.present', yes],
  ['serial0.fileType', 'file'],
  ['serial0.fileName', 'serial0.log'],
  ['serial0.tryNoRxLoss', no],
];

/** `56 4d 3a 9f 01 02 03 04-05 …`. */
function uuidText(uuid: string): string {
  const bytes = uuid.replaceAll('-', '').toLowerCase().match(/../g) ?? [];
  return `${bytes.slice(0, 8).join(' ')}-${bytes.slice(8).join(' ')}`;
}
