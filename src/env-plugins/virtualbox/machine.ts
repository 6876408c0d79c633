/** The neutral machine of a .vbox, with what is known of the files beside it. Pure. */
import { posix } from 'node:path';
import { attribute, textOf, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import type { Machine, MachineDisk, PowerState, Snapshot } from '../../model/machine.ts';
import { type Drive, type Drives, readDrives } from './drives.ts';
import { systemOf } from './guest-properties.ts';
import { chipsetOf, devicesOf, firmwareOf, guestUuid, memoryOf, processorsOf } from './hardware.ts';
import { diskFindings, machineFindings } from './machine-findings.ts';
import { ancestorsOf, type Medium } from './media.ts';
import { readNics } from './nics.ts';
import { at, type SettingsFile } from './settings-file.ts';
import type { VboxSnapshot } from './snapshots.ts';

export interface Surroundings {
  readonly path: string;
  readonly state: PowerState;
  /** What is known of a medium; undefined where no registry has it. */
  medium(uuid: string): Medium | undefined;
  /** Where its file is; the size where there is one. */
  locate(medium: Medium): { readonly path: string; readonly size?: number };
  readonly snapshots: readonly VboxSnapshot[];
  /** Of those, the one that is wanted. */
  readonly snapshot?: VboxSnapshot;
  readonly hasNvram: boolean;
  /** What reading the files has told. */
  readonly findings: readonly Finding[];
}

const codecs: Readonly<Record<string, string>> = {
  vdi: 'vdi',
  vmdk: 'vmdk',
  vhd: 'vhd',
  parallels: 'parallels',
};

export function machineOfVbox(
  id: string,
  file: SettingsFile,
  machine: XmlElement,
  around: Surroundings,
): Machine {
  const { snapshot, snapshots, path } = around;
  const holder = snapshot?.element ?? machine;
  const drives = readDrives(holder);
  const boot = drives.disks.find((drive) => drive.bootable) ?? drives.disks[0];
  const disks = drives.disks.flatMap((drive) => diskOf(drive, drive === boot, around) ?? []);
  const system = systemOf(attribute(machine, 'OSType') ?? '', at(holder, 'Hardware'));
  const memory = memoryOf(holder);
  const uuid = guestUuid(holder, machine, system);
  const description = textOf(machine, 'Description')?.replaceAll('\r\n', '\n');
  const name = attribute(machine, 'name')?.trim() || fallbackName(path);
  return {
    id,
    name: snapshot === undefined ? name : `${name} (${snapshot.name})`,
    state: around.state,
    ...(system === undefined ? {} : { system }),
    processors: processorsOf(holder),
    ...(memory === undefined ? {} : { memoryBytes: memory }),
    firmware: firmwareOf(holder, around.hasNvram),
    disks,
    nics: readNics(at(holder, 'Hardware')),
    devices: devicesOf(holder, cdromsOf(drives, around)),
    chipset: chipsetOf(holder),
    ...(uuid === undefined ? {} : { uuid }),
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map((one) => plainSnapshot(one, around)) }),
    packaging: `VirtualBox machine, settings ${file.version}`,
    ...(description === undefined ? {} : { description }),
    findings: [
      ...around.findings,
      ...machineFindings(file, machine, holder, around),
      ...drives.findings,
      ...drives.disks.flatMap((drive) => diskFindings(drive, around)),
    ],
  };
}

export const fallbackName = (path: string): string => posix.basename(path).replace(/\.vbox$/i, '');

function cdromsOf({ cdroms }: Drives, { medium, locate }: Surroundings) {
  return cdroms.map(({ bus, medium: uuid }) => {
    const image = uuid === undefined ? undefined : medium(uuid);
    return { bus, ...(image === undefined ? {} : { media: locate(image).path }) };
  });
}

/** One that no registry knows has no file; a finding says so. */
function diskOf(drive: Drive, bootable: boolean, { medium, locate }: Surroundings): MachineDisk | undefined {
  const found = medium(drive.medium);
  if (found === undefined) return undefined;
  const { path, size } = locate(found);
  const format = codecs[found.format.toLowerCase()];
  return {
    id: drive.node,
    name: posix.basename(path),
    ...(format === undefined ? {} : { format }),
    ...(size === undefined ? {} : { allocatedSizeBytes: size }),
    bus: drive.bus,
    ...(drive.model === undefined ? {} : { controllerModel: drive.model }),
    controller: drive.controller,
    unit: drive.unit,
    files: [path, ...ancestorsOf(found).map((above) => locate(above).path)],
    ...(bootable ? { bootable } : {}),
    ...(found.type === 'shareable' ? { shared: true } : {}),
    ...(found.type === 'readonly' ? { readOnly: true } : {}),
  };
}

function plainSnapshot(one: VboxSnapshot, { path, snapshots }: Surroundings): Snapshot {
  const { name, uuid, createdAt, current, description } = one;
  const unique = snapshots.filter((other) => other.name === name).length === 1;
  return {
    name,
    ...(createdAt === undefined ? {} : { createdAt }),
    ...(current ? { current } : {}),
    ...(description === undefined ? {} : { description }),
    machine: `${path}#${unique ? name : uuid}`,
  };
}
