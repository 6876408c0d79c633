/** What can't be carried, or only in part, in an operator's words. Pure. */

import type { Finding } from '../../model/finding.ts';
import type { DiskDevice, Hardware } from './devices.ts';
import { type Places, privilegeText, valueText } from './places.ts';
import type { Properties } from './properties.ts';
import { isTrue } from './soap.ts';

export function findingsOf(object: Properties, hardware: Hardware, places: Places): Finding[] {
  const { values } = object;
  const found: Finding[] = [];
  const add = (
    severity: Finding['severity'],
    rule: string,
    message: string,
    evidence?: string,
    remedy?: string,
  ) =>
    found.push({
      rule: `vsphere.${rule}`,
      severity,
      message,
      ...(evidence === undefined ? {} : { evidence }),
      ...(remedy === undefined ? {} : { remedy }),
    });
  const connection = valueText(values.get('runtime.connectionState'));
  if (connection !== undefined && connection !== 'connected') {
    add(
      'warning',
      'not-connected',
      `the server has no connection to this machine (${connection})`,
      undefined,
      'bring its host and its datastore back, then list again',
    );
  }
  if (!values.has('config.hardware')) {
    const why = privilegeText(object, 'config.hardware');
    add(
      'blocker',
      'no-configuration',
      why === undefined
        ? 'the server does not tell its configuration'
        : `its configuration can't be read: ${why} is missing`,
    );
  }
  if (isTrue(values.get('config.changeTrackingEnabled')))
    add('note', 'change-tracking', 'changed-block tracking is on');
  const runs = valueText(values.get('runtime.powerState')) === 'poweredOn';
  if (runs && valueText(values.get('guest.toolsRunningStatus')) === 'guestToolsNotRunning') {
    add(
      'note',
      'no-tools',
      'VMware Tools do not run in it: its filesystems can not be brought to rest, nor it be shut down from here',
    );
  }
  if (values.has('config.keyId')) {
    add('warning', 'encrypted', 'the machine is encrypted: what its files say can be read, its NVRAM cannot');
  }
  if (hardware.tpm) {
    add(
      'warning',
      'tpm',
      'what its virtual TPM holds stays here',
      undefined,
      'have the recovery keys of BitLocker or LUKS at hand, or suspend them before',
    );
  }
  for (const disk of hardware.disks) found.push(...diskFindings(disk, places));
  return found;
}

/** Datastores of objects: a disk's bytes are in no file that could be fetched. */
export const withoutFiles = new Set(['vsan', 'vsand', 'vvol', 'pmem']);

function diskFindings(disk: DiskDevice, places: Places): Finding[] {
  const found: Finding[] = [];
  const add = (severity: Finding['severity'], rule: string, message: string, remedy?: string) =>
    found.push({
      rule: `vsphere.${rule}`,
      severity,
      message,
      evidence: disk.file === undefined ? disk.label : `${disk.label}: ${disk.file}`,
      ...(remedy === undefined ? {} : { remedy }),
    });
  if (disk.encrypted) {
    add('blocker', 'disk-encrypted', 'the disk is encrypted', 'decrypt it there first, or leave it out');
  }
  if (disk.rdm !== undefined) {
    const kind = disk.rdm === 'virtualMode' ? 'virtual' : 'physical';
    const remedy = 'read the LUN by other means, or clone the disk to a VMDK there first, or leave it out';
    add(
      'warning',
      'rdm',
      `a raw device of the storage (RDM, ${kind}): the datastore has no bytes of it`,
      remedy,
    );
  }
  if (disk.mode.startsWith('independent')) {
    add('warning', 'independent', 'an independent disk: no snapshot has it', 'shut the machine down first');
  }
  if (disk.shared) {
    add('warning', 'shared', 'other machines may write to this disk', 'shut all of them down first');
  }
  const kind = disk.datastore === undefined ? undefined : places.get(disk.datastore)?.kind;
  if (kind !== undefined && withoutFiles.has(kind.toLowerCase())) {
    add(
      'note',
      'no-files',
      `its datastore (${kind}) gives no files of disks: it is read by an export, or by VMware's own library`,
      'where that fails, move it to a VMFS or NFS datastore first',
    );
  }
  return found;
}
