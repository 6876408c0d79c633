/** What speaks against a delivery, before a byte moves. */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { quoteArgs } from '../../io/ssh/quote-args.ts';
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { checkHostFolder } from '../host-delivery.ts';
import type { DeliveryRequest } from '../plugin.ts';
import type { Place } from './destination.ts';
import { readRegistries } from './find-vbox.ts';
import { type FittedMachine, fitMachine } from './fit-machine.ts';
import { lostFindings } from './lost.ts';
import { type ManageVersion, manageVersion, olderThan, vboxManage } from './manage.ts';

export async function checkDelivery(
  host: Host,
  home: string,
  { folder, base }: Place,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Promise<Finding[]> {
  const { signal } = request;
  const version = await manageVersion(host, signal);
  const fitted = fitMachine(request);
  const own = [`${base}.vbox`, ...(fitted.nvram ? [`${base}.nvram`] : [])];
  return [
    ...(await checkHostFolder(host, folder, request, [...files, ...own], bytes)),
    ...ownFolder(host, folder, request),
    ...(await registered(host, home, posix.join(folder, `${base}.vbox`), request)),
    ...(version === undefined
      ? [noManage(host)]
      : [...(await sameName(host, request)), ...tooOld(host, version, fitted)]),
    ...fitted.findings,
    ...lostFindings(fitted),
  ];
}

/**
 * None of the files that are read is ever replaced. The same path on another host is refused as well: from here the two
 * can't be told apart.
 */
function ownFolder(host: Host, folder: string, { force, machine }: DeliveryRequest): Finding[] {
  const read = [machine.id, ...machine.disks.flatMap((disk) => disk.files)];
  const inside = read.some(
    (path) => posix.dirname(path) === folder || path.startsWith(`${folder}/Snapshots/`),
  );
  if (!force || !inside) return [];
  return [
    {
      rule: 'virtualbox.folder-is-source',
      severity: 'blocker',
      message: `the machine that is converted lies in a folder of this path itself: ${folder} on ${host.name}`,
      remedy: 'choose another name or folder',
    },
  ];
}

/** VirtualBox holds what it knows of that machine in memory, and would write it over ours. */
async function registered(
  host: Host,
  home: string,
  vbox: string,
  { name, signal }: DeliveryRequest,
): Promise<Finding[]> {
  if ((await host.files.stat(vbox, signal)) === undefined) return [];
  const known = (await readRegistries(host, home, [], signal)).flatMap((registry) => registry.machines);
  if (!known.includes(vbox)) return [];
  return [
    {
      rule: 'virtualbox.target-registered',
      severity: 'blocker',
      message: `VirtualBox knows a machine of this file: ${vbox}`,
      remedy: `choose another name, or take that machine out of VirtualBox first: VBoxManage unregistervm ${quoteArgs([name])}`,
    },
  ];
}

async function sameName(host: Host, { name, signal }: DeliveryRequest): Promise<Finding[]> {
  const list = await vboxManage(host, ['list', 'vms'], signal).catch((error) => {
    if (toAppError(error).kind !== 'io') throw error;
    return '';
  });
  const [uuid] = list.split(/\r?\n/).flatMap((line) => {
    const [, listed, id] = /^(.*) \{([0-9a-f-]{36})\}\s*$/i.exec(line) ?? [];
    return listed === `"${name}"` ? [id!] : [];
  });
  if (uuid === undefined) return [];
  return [
    {
      rule: 'virtualbox.name-taken',
      severity: 'blocker',
      message: `there is a machine "${name}" already in VirtualBox on ${host.name}`,
      // Also one that a run which was killed has left half made.
      remedy: `choose another name, or take that machine out of VirtualBox first: VBoxManage unregistervm ${uuid}`,
    },
  ];
}

/** What that VirtualBox does not have yet. */
function tooOld(host: Host, version: ManageVersion, { tpm, placed, nvram }: FittedMachine): Finding[] {
  const text = `VirtualBox ${version.major}.${version.minor} on ${host.name}`;
  const finding = (severity: Finding['severity'], message: string): Finding => ({
    ...{ rule: 'virtualbox.too-old', severity, message: `${text} ${message}` },
    remedy: 'update VirtualBox there',
  });
  const virtio = placed.controllers.some(({ kind }) => kind.storageBus === 'virtio');
  return [
    ...(olderThan(version, 5, 1) ? [finding('blocker', 'is not known here: 5.1 and later are')] : []),
    ...(virtio && olderThan(version, 6, 1)
      ? [finding('blocker', 'has no virtio-scsi, 6.1 and later have')]
      : []),
    ...(tpm && olderThan(version, 7, 0) ? [finding('warning', 'has no TPM: the machine gets none')] : []),
    ...(nvram && olderThan(version, 7, 0)
      ? [finding('warning', "does not read the firmware's variables: boot entries are made anew")]
      : []),
  ];
}

const noManage = (host: Host): Finding => ({
  rule: 'virtualbox.no-vboxmanage',
  severity: 'note',
  message: `there is no VBoxManage on ${host.name}: the machine can't be registered and started from here`,
  remedy: 'open its .vbox in VirtualBox (Machine, Add), or: VBoxManage registervm FILE',
});
