/** What of a VirtualBox machine does not go along, or has to be known. Pure. */
import { attribute, child, type XmlElement } from '../../io/xml.ts';
import type { Finding } from '../../model/finding.ts';
import { type Drive, readDrives } from './drives.ts';
import { isEfi32 } from './hardware.ts';
import type { Surroundings } from './machine.ts';
import { ancestorsOf } from './media.ts';
import { allAt, at, attributeOf, isYes, type SettingsFile } from './settings-file.ts';

type Holder = XmlElement;

export function machineFindings(
  file: SettingsFile,
  machine: XmlElement,
  holder: Holder,
  around: Surroundings,
): Finding[] {
  return [
    ...versionFindings(file, around),
    ...stateFindings(machine, around),
    ...snapshotFindings(around),
    ...efiFindings(holder),
    ...sharedFolders(holder),
    ...leftBehind(holder),
  ];
}

function versionFindings({ later, version }: SettingsFile, { path }: Surroundings): Finding[] {
  if (!later) return [];
  return [
    {
      rule: 'virtualbox.settings-later',
      severity: 'warning',
      message: `its settings are of version ${version}, known are those up to 1.20: what is new in them is not seen`,
      evidence: path,
    },
  ];
}

function stateFindings(machine: XmlElement, { snapshot, state }: Surroundings): Finding[] {
  if (snapshot !== undefined) {
    if (attribute(snapshot.element, 'stateFile') === undefined) return [];
    return [
      {
        rule: 'virtualbox.snapshot-online',
        severity: 'warning',
        message:
          'the snapshot was taken while the machine ran: its memory is not carried, so programs inside find the disks as after a power cut',
        evidence: snapshot.name,
      },
    ];
  }
  if (state === 'suspended') {
    return [
      {
        rule: 'virtualbox.saved-state',
        severity: 'warning',
        message:
          'its state was saved while it ran: the memory is not carried, what was not yet written is lost',
        evidence: attribute(machine, 'stateFile') ?? '',
        remedy: 'start it once more and shut it down',
      },
    ];
  }
  if (!isYes(attribute(machine, 'aborted')) || state === 'running') return [];
  return [
    {
      rule: 'virtualbox.aborted',
      severity: 'note',
      message: 'it did not end in order the last time (aborted): its filesystems are as after a power cut',
      remedy: 'start it once more and shut it down, to be sure',
    },
  ];
}

function snapshotFindings({ snapshots, snapshot }: Surroundings): Finding[] {
  if (snapshots.length === 0 || snapshot !== undefined) return [];
  return [
    {
      rule: 'virtualbox.snapshots-stay',
      severity: 'note',
      message: `its ${snapshots.length} snapshots stay where they are: the disks are carried as they are now`,
    },
  ];
}

function efiFindings(holder: Holder): Finding[] {
  if (!isEfi32(holder)) return [];
  return [
    {
      rule: 'virtualbox.efi32',
      severity: 'warning',
      message: 'its firmware is a UEFI of 32 bits: what starts from it may not start from one of 64 bits',
    },
  ];
}

function sharedFolders(holder: Holder): Finding[] {
  const folders = allAt(child(holder, 'Hardware'), ['SharedFolders'], 'SharedFolder');
  if (folders.length === 0) return [];
  const named = folders
    .slice(0, 10)
    .map((one) => `${attribute(one, 'name')} (${attribute(one, 'hostPath')})`);
  return [
    {
      rule: 'virtualbox.shared-folders',
      severity: 'note',
      message: `folders that it shares with its host are not carried: ${named.join(', ')}`,
      remedy: 'copy what is needed from them, and remove them from the guest’s fstab',
    },
  ];
}

/** Devices that have no counterpart elsewhere. */
function leftBehind(holder: Holder): Finding[] {
  const hardware = child(holder, 'Hardware');
  const things = [
    ...(isYes(attributeOf(at(hardware, 'AudioAdapter'), 'enabled')) ? ['sound'] : []),
    ...(readDrives(holder).floppy ? ['the floppy drive'] : []),
    ...(allAt(hardware, ['LPT'], 'Port').some((port) => isYes(attribute(port, 'enabled')))
      ? ['the parallel port']
      : []),
    ...(isYes(attributeOf(at(hardware, 'Display'), 'accelerate3D')) ? ['3D acceleration'] : []),
    ...(allAt(hardware, ['Network'], 'Adapter').some(
      (adapter) => isYes(attribute(adapter, 'enabled')) && allAt(adapter, ['NAT'], 'Forwarding').length > 0,
    )
      ? ['port forwarding of NAT']
      : []),
  ];
  if (things.length === 0) return [];
  return [{ rule: 'virtualbox.left-behind', severity: 'note', message: `not carried: ${things.join(', ')}` }];
}

export function diskFindings(drive: Drive, { medium, locate }: Surroundings): Finding[] {
  const found = medium(drive.medium);
  if (found === undefined) {
    return [
      {
        rule: 'virtualbox.medium-unknown',
        severity: 'blocker',
        message: `no registry knows the disk ${drive.medium} at ${drive.node}: where its file is can't be told`,
        evidence: drive.node,
        remedy: 'name the folder with its VirtualBox.xml as well, or attach the disk anew in VirtualBox',
      },
    ];
  }
  if (/^iscsi$/i.test(found.format)) {
    return [
      {
        rule: 'virtualbox.iscsi',
        severity: 'blocker',
        message: `${drive.node} lies on an iSCSI target, and in no file: ${found.location}`,
        evidence: found.location,
        remedy: 'log the host in to the target, and carry the disk from the device that it gets there',
      },
    ];
  }
  const findings: Finding[] = [];
  if (found.encrypted) {
    findings.push({
      rule: 'virtualbox.encrypted',
      severity: 'blocker',
      message: `${drive.node} is encrypted by VirtualBox, which alone can read it`,
      evidence: found.location,
      remedy: 'decrypt it there: VBoxManage encryptmedium DISK --oldpassword FILE',
    });
  }
  for (const one of [found, ...ancestorsOf(found)]) {
    const { path, size } = locate(one);
    if (size !== undefined) continue;
    findings.push({
      rule: 'virtualbox.disk-missing',
      severity: 'warning',
      message: `the file of ${drive.node} is not there: ${path}`,
      evidence: path,
      remedy: 'copy it beside the .vbox, or leave this disk out',
    });
  }
  if (found.autoReset || found.type === 'immutable') {
    findings.push({
      rule: 'virtualbox.disk-forgets',
      severity: 'warning',
      message: `${drive.node} is ${found.type}: it forgets at each start what was written to it; the new machine's disk keeps it`,
      evidence: found.location,
    });
  }
  return findings;
}
