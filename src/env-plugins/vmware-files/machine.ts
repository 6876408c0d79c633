/** The neutral machine of a .vmx, with what is known of the files beside it. Pure. */
import { posix } from 'node:path';
import type { Finding } from '../../model/finding.ts';
import type { Devices, Firmware, Machine, MachineDisk, PowerState, Snapshot } from '../../model/machine.ts';
import { readGuestOs } from '../vmware-hardware/guest-os.ts';
import { type Dictionary, isTrue, wholeNumber } from './dictionary.ts';
import { type Drive, type Drives, readDrives } from './drives.ts';
import { leftBehind, vmxFindings } from './machine-findings.ts';
import { readNics } from './nics.ts';
import type { VmwareSnapshot } from './snapshots.ts';

export interface Surroundings {
  /** Where its file is, absolute. */
  readonly path: string;
  readonly state: PowerState;
  /** The file that a name means there; its size where there is one. */
  locate(name: string): { readonly path: string; readonly size?: number };
  readonly snapshots: readonly VmwareSnapshot[];
  /** Of those, the one that is wanted. */
  readonly snapshot?: VmwareSnapshot;
  readonly hasNvram: boolean;
  /** What reading the files has told. */
  readonly findings: readonly Finding[];
}

export function machineOfVmx(id: string, vmx: Dictionary, around: Surroundings): Machine {
  const drives = readDrives(vmx);
  const { snapshot } = around;
  const disks = disksThen(drives.disks, snapshot).map((drive) => diskOf(drive, around));
  const system = readGuestOs(vmx.get('guestOS') ?? '');
  const memory = wholeNumber(vmx.get('memsize'));
  const uuid = uuidOf(vmx.get('uuid.bios'));
  const description = (vmx.get('annotation') ?? '').replaceAll('\r\n', '\n');
  const { snapshots } = around;
  return {
    id,
    name: nameOf(vmx, around),
    state: around.state,
    ...(system === undefined ? {} : { system }),
    processors: processorsOf(vmx),
    ...(memory === undefined || memory === 0 ? {} : { memoryBytes: memory * 2 ** 20 }),
    firmware: firmwareOf(vmx, around.hasNvram),
    disks: withBootOrder(vmx, disks),
    nics: readNics(vmx),
    devices: devicesOf(vmx, drives),
    ...(uuid === undefined ? {} : { uuid }),
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map((one) => plainSnapshot(one, around)) }),
    packaging: `VMware machine${hardwareWord(vmx)}`,
    ...(description === '' ? {} : { description }),
    findings: [
      ...around.findings,
      ...vmxFindings(vmx, around),
      ...drives.findings,
      ...disks.flatMap((disk) => fileFindings(disk, around)),
      ...leftBehind(vmx),
    ],
  };
}

export const fallbackName = (path: string): string => posix.basename(path).replace(/\.(vmx|vmtx)$/i, '');

function nameOf(vmx: Dictionary, { path, snapshot }: Surroundings): string {
  const name = vmx.get('displayName')?.trim() || fallbackName(path);
  return snapshot === undefined ? name : `${name} (${snapshot.name})`;
}

/** A disk that the snapshot does not name is independent: there is only its present state. */
const disksThen = (disks: readonly Drive[], snapshot: VmwareSnapshot | undefined): Drive[] =>
  disks.map((drive) => ({ ...drive, fileName: snapshot?.disks.get(drive.node) ?? drive.fileName }));

/** A descriptor is a text of about a kilobyte: its size says nothing of the disk. */
const smallestImage = 64 * 1024;

function diskOf(drive: Drive, { locate }: Surroundings): MachineDisk {
  const { path, size } = locate(drive.fileName);
  return {
    id: drive.node,
    name: posix.basename(path),
    ...(size !== undefined && size >= smallestImage ? { allocatedSizeBytes: size } : {}),
    bus: drive.bus,
    ...(drive.controllerModel === undefined ? {} : { controllerModel: drive.controllerModel }),
    controller: drive.controller,
    unit: drive.unit,
    files: [path],
    ...(drive.shared ? { shared: true } : {}),
  };
}

/** Its own order where it has one; else the first disk. */
function withBootOrder(vmx: Dictionary, disks: readonly MachineDisk[]): MachineDisk[] {
  const order = (vmx.get('bios.hddOrder') ?? '').toLowerCase().split(/[\s,]+/);
  const rank = (disk: MachineDisk) => order.indexOf(disk.id);
  const ordered = disks.filter((disk) => rank(disk) >= 0).sort((a, b) => rank(a) - rank(b));
  const first = ordered[0] ?? disks[0];
  return disks.map((disk) => {
    const place = ordered.indexOf(disk);
    return {
      ...disk,
      ...(disk === first ? { bootable: true } : {}),
      ...(place < 0 ? {} : { bootOrder: place + 1 }),
    };
  });
}

function processorsOf(vmx: Dictionary): NonNullable<Machine['processors']> {
  const count = Math.max(1, wholeNumber(vmx.get('numvcpus')) ?? 1);
  const cores = wholeNumber(vmx.get('cpuid.coresPerSocket'));
  return { count, ...(cores === undefined || cores < 1 ? {} : { coresPerSocket: Math.min(cores, count) }) };
}

function firmwareOf(vmx: Dictionary, hasNvram: boolean): Firmware {
  if (!/^efi/i.test(vmx.get('firmware') ?? '')) return { kind: 'bios' };
  const secureBoot = isTrue(vmx.get('uefi.secureBoot.enabled'));
  return { kind: 'uefi', secureBoot, ...(hasNvram ? { nvram: true } : {}) };
}

function devicesOf(vmx: Dictionary, { cdroms }: Drives): Devices {
  const tpm = isTrue(vmx.get('vtpm.present')) || /software/i.test(vmx.get('managedvm.autoAddVTPM') ?? '');
  const serial = Array.from({ length: 4 }, (_, n) => n).some((n) => isTrue(vmx.get(`serial${n}.present`)));
  const offset = vmx.get('rtc.diffFromUTC')?.trim();
  const bound = boundDevices(vmx);
  return {
    ...(tpm ? { tpm: { version: '2.0' } } : {}),
    ...(offset === undefined ? {} : { clock: Number(offset) === 0 ? 'utc' : 'localtime' }),
    ...(isTrue(vmx.get('RemoteDisplay.vnc.enabled')) ? { graphics: 'vnc' } : {}),
    video: 'vmvga',
    ...(serial ? { consoles: ['serial'] } : {}),
    ...(cdroms.length === 0 ? {} : { cdroms }),
    ...(bound.length === 0 ? {} : { bound }),
  };
}

function boundDevices(vmx: Dictionary): string[] {
  const bound: string[] = [];
  for (const key of vmx.keys()) {
    if (bound.length >= 64) break;
    const pci = /^(pcipassthru\d+)\.present$/.exec(key);
    if (pci !== null && isTrue(vmx.get(key))) bound.push(`PCI ${vmx.get(`${pci[1]}.id`) ?? pci[1]}`);
    const usb = /^usb\.autoconnect\.device\d+$/.test(key) ? (vmx.get(key) ?? '') : '';
    if (usb !== '') bound.push(`USB ${usb}`);
  }
  return bound;
}

/** `56 4d 3a …-…`: the 16 bytes in their order. */
function uuidOf(text: string | undefined): string | undefined {
  const hex = (text ?? '').replace(/[\s-]/g, '').toLowerCase();
  if (!/^[0-9a-f]{32}$/.test(hex)) return undefined;
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

function hardwareWord(vmx: Dictionary): string {
  const version = wholeNumber(vmx.get('virtualHW.version'));
  return version === undefined ? '' : `, hardware version ${version}`;
}

function plainSnapshot(one: VmwareSnapshot, { path, snapshots }: Surroundings): Snapshot {
  const { name, uid, createdAt, current, description } = one;
  const unique = snapshots.filter((other) => other.name === name).length === 1;
  return {
    name,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(current === undefined ? {} : { current }),
    ...(description === undefined ? {} : { description }),
    machine: `${path}#${unique ? name : uid}`,
  };
}

function fileFindings(disk: MachineDisk, { locate }: Surroundings): Finding[] {
  const [path = ''] = disk.files;
  if (locate(path).size !== undefined) return [];
  return [
    {
      rule: 'vmware.disk-missing',
      severity: 'warning',
      message: `the file of ${disk.id} is not there: ${path}`,
      evidence: path,
      remedy: 'copy it beside the .vmx, or leave this disk out',
    },
  ];
}
