/** What of a .vmx can't be carried, or will be otherwise, in the operator's words. Pure. */
import type { Finding } from '../../model/finding.ts';
import { type Dictionary, isTrue } from './dictionary.ts';
import type { Surroundings } from './machine.ts';

export function vmxFindings(vmx: Dictionary, { state, snapshots, snapshot, path }: Surroundings): Finding[] {
  return [
    ...repeatedKeys(vmx),
    ...encryption(vmx),
    ...stateFindings(state),
    ...snapshotFindings(snapshots.length, snapshot?.name, path),
    ...sharedFolders(vmx),
    ...clock(vmx),
    ...tpm(vmx),
  ];
}

/** Repeated keys that an error names. */
const mostNamed = 5;

function repeatedKeys({ repeated }: Dictionary): Finding[] {
  if (repeated.length === 0) return [];
  return [
    {
      rule: 'vmware.repeated-keys',
      severity: 'warning',
      message: 'its .vmx says some things twice, and differently: the first of each counts',
      evidence: repeated.slice(0, mostNamed).join(', '),
      remedy: 'look at these lines; VMware does not open such a file',
    },
  ];
}

function encryption(vmx: Dictionary): Finding[] {
  if (vmx.get('encryption.keySafe') === undefined && vmx.get('encryption.data') === undefined) return [];
  return [
    {
      rule: 'vmware.encrypted',
      severity: 'blocker',
      message: 'the machine is encrypted: its settings, and mostly its disks, can be read by VMware only',
      remedy:
        'remove the encryption in VMware (Settings, Options, Access Control; a TPM has to be removed first), or export it there as OVF',
    },
  ];
}

function stateFindings(state: Surroundings['state']): Finding[] {
  if (state !== 'suspended') return [];
  return [
    {
      rule: 'vmware.suspended',
      severity: 'warning',
      message:
        'it was suspended: its memory (.vmss, .vmem) is not carried, the new machine starts as after a power cut',
      remedy: 'resume it in VMware and shut it down inside',
    },
  ];
}

function snapshotFindings(count: number, chosen: string | undefined, path: string): Finding[] {
  if (chosen !== undefined) {
    return [
      {
        rule: 'vmware.snapshot-chosen',
        severity: 'note',
        message: `its disks are those of the snapshot "${chosen}"; its other settings are those of now`,
      },
    ];
  }
  if (count === 0) return [];
  return [
    {
      rule: 'vmware.snapshots-stay',
      severity: 'note',
      message: `it has ${count === 1 ? 'a snapshot' : `${count} snapshots`}: what is carried is its present state, without them`,
      remedy: `for the disks of a snapshot choose it (--snapshot NAME), or name the machine as ${path}#SNAPSHOT`,
    },
  ];
}

function sharedFolders(vmx: Dictionary): Finding[] {
  const folders = [...vmx.keys()].flatMap((key) => {
    const match = /^(sharedfolder\d{1,3})\.present$/.exec(key);
    if (match === null || !isTrue(vmx.get(key))) return [];
    const enabled = vmx.get(`${match[1]}.enabled`);
    return enabled === undefined || isTrue(enabled) ? [vmx.get(`${match[1]}.hostPath`) ?? match[1]!] : [];
  });
  if (folders.length === 0) return [];
  return [
    {
      rule: 'vmware.shared-folders',
      severity: 'warning',
      message: 'folders of its host are shared with it: they are not carried',
      evidence: folders.slice(0, 10).join(', '),
      remedy: 'copy what it needs into the machine, or share them anew at the destination',
    },
  ];
}

function clock(vmx: Dictionary): Finding[] {
  if (vmx.get('rtc.startTime') === undefined) return [];
  return [
    {
      rule: 'vmware.clock-fixed',
      severity: 'warning',
      message: 'its clock begins at a fixed time at each start; the new machine has the real time',
    },
  ];
}

function tpm(vmx: Dictionary): Finding[] {
  if (!isTrue(vmx.get('vtpm.present'))) return [];
  return [
    {
      rule: 'vmware.tpm-secrets',
      severity: 'warning',
      message: 'it has a TPM, whose secrets can not be taken out of VMware',
      remedy: 'have the recovery key of BitLocker at hand, or suspend BitLocker before',
    },
  ];
}

/** One line for all that has no counterpart elsewhere. */
export function leftBehind(vmx: Dictionary): Finding[] {
  const has = (key: string) => isTrue(vmx.get(key));
  const floppy = (n: number) => has(`floppy${n}.present`) && (vmx.get(`floppy${n}.fileName`) ?? '') !== '';
  const things = [
    ...(has('sound.present') ? ['the sound card'] : []),
    ...(floppy(0) || floppy(1) ? ['the floppy drive'] : []),
    ...(has('parallel0.present') || has('parallel1.present') ? ['the parallel port'] : []),
    ...(has('mks.enable3d') ? ['3D graphics'] : []),
  ];
  if (things.length === 0) return [];
  return [
    {
      rule: 'vmware.left-behind',
      severity: 'note',
      message: `not carried: ${things.join(', ')}`,
    },
  ];
}
