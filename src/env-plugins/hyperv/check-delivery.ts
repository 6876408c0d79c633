/** What speaks against a delivery, before a byte moves. */
import { win32 } from 'node:path';
import type { Finding } from '../../model/finding.ts';
import { lostParts } from '../../model/lost-parts.ts';
import type { Machine } from '../../model/machine.ts';
import { formatBytes, GiB } from '../../model/units.ts';
import type { DeliveryRequest, Settings } from '../plugin.ts';
import { fitMachine, hardwareOf } from './fit-machine.ts';
import type { HostPlaces } from './places.ts';
import { impossibleName, samePath } from './windows-path.ts';

const blocker = (rule: string, message: string, more: Partial<Finding> = {}): Finding => ({
  rule: `hyperv.${rule}`,
  severity: 'blocker',
  message,
  ...more,
});

/** The folder below which the machine gets one of its own. */
export const baseFolder = (settings: Settings, { machinePath }: HostPlaces): string =>
  win32.normalize((settings.folder ?? '').trim() || machinePath).replace(/(?<=[^:])\\+$/, '');

export function checkDelivery(
  places: HostPlaces,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Finding[] {
  const { machine, settings } = request;
  return [
    ...nameFindings(places, request.name),
    ...fileFindings(request, files),
    ...folderFindings(places, settings, bytes),
    ...switchFindings(places, settings),
    ...(request.nvram === undefined ? [] : [nvramFinding]),
    ...fitMachine(machine, settings, places).findings,
    ...partFindings(machine, settings, places),
  ];
}

/** What neither generation has words for, and what both have otherwise. */
function partFindings(machine: Machine, settings: Settings, places: HostPlaces): Finding[] {
  const { disks, nics, firmware } = hardwareOf(machine, settings, places);
  const bus = firmware.kind === 'uefi' ? 'scsi' : 'ide';
  const cdroms = machine.devices?.cdroms?.slice(0, 1).map(() => ({ bus }) as const);
  return lostParts(
    machine,
    [
      ...(['threads per core', 'processor model', 'chipset', 'clock', 'graphics', 'video card'] as const),
      ...(['consoles', 'agent channels', 'CD drives'] as const),
      ...(['disk bus', 'disk controller', 'disk place', 'disk boot order', 'disk serial number'] as const),
      ...(['read-only disk', 'shared disk', 'card model', 'card boot order'] as const),
    ],
    {
      disks: disks.map(({ id, bus, controllerModel = '', controller, unit }) => ({
        ...{ id, bus: bus!, controllerModel, controller: controller!, unit: unit! },
      })),
      nics: nics.map(({ model }) => ({ model: model! })),
      ...(cdroms === undefined ? {} : { devices: { cdroms } }),
    },
  );
}

export function nameFindings({ names }: HostPlaces, name: string): Finding[] {
  const why = impossibleName(name);
  if (why !== undefined)
    return [
      blocker('name-impossible', `this can not be the name of a machine and its folder: ${why}`, {
        evidence: JSON.stringify(name.slice(0, 300)),
        remedy: 'give it another name',
      }),
    ];
  if (!names.some((one) => one.toLowerCase() === name.toLowerCase())) return [];
  return [
    blocker('exists', `there is a machine "${name}" already`, {
      remedy: 'choose another name; a machine that is there is never replaced, remove it there yourself',
    }),
  ];
}

/** Microsoft: a VHD has 2040 GiB at most, a VHDX 64 TiB. */
const largestVhd = 2040 * GiB;

function fileFindings({ machine }: DeliveryRequest, files: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  if (machine.disks.length === 0)
    findings.push(blocker('no-disk', 'the machine has no disk that goes along', { remedy: 'leave one in' }));
  for (const file of files) {
    const why = impossibleName(file);
    if (why !== undefined)
      findings.push(blocker('file-impossible', `no name of a file: ${why}`, { evidence: file }));
    else if (!/\.vhdx?$/i.test(file))
      findings.push(
        blocker('no-vhdx', 'Hyper-V takes VHDX, or VHD, not packed', {
          evidence: file,
          remedy: 'choose vhdx',
        }),
      );
    else if (/\.vhd$/i.test(file) && machine.firmware?.kind === 'uefi')
      findings.push(
        blocker('vhd-generation-2', 'a machine with UEFI (generation 2) takes VHDX only', {
          evidence: file,
          remedy: 'choose vhdx',
        }),
      );
  }
  const isVhd = files.some((file) => /\.vhd$/i.test(file));
  const large = machine.disks.find(({ virtualSizeBytes = 0 }) => virtualSizeBytes > largestVhd);
  if (isVhd && large !== undefined)
    findings.push(
      blocker('vhd-large', 'a VHD has 2040 GiB at most', { evidence: large.name, remedy: 'choose vhdx' }),
    );
  return findings;
}

function folderFindings(places: HostPlaces, settings: Settings, bytes: number): Finding[] {
  const folder = baseFolder(settings, places);
  if (!/^[A-Za-z]:\\/.test(folder) || /[<>"/|?*[\]\0-\x1f]/.test(folder))
    return [
      blocker('folder-impossible', 'the folder is no plain absolute path on a drive of the host', {
        evidence: folder,
        remedy: 'name one such as D:\\VMs; nothing is delivered to a share',
      }),
    ];
  const drive = places.drives.find(({ root }) => samePath(root, win32.parse(folder).root));
  if (drive === undefined)
    return [blocker('drive-not-found', 'the host has no such drive', { evidence: folder })];
  if (drive.freeBytes >= bytes) return [];
  return [
    {
      rule: 'hyperv.no-space',
      severity: 'warning',
      message: `up to ${formatBytes(bytes)} will be written and ${formatBytes(drive.freeBytes)} are free`,
      evidence: folder,
      remedy: 'free some space, or choose another folder or dynamic disks',
    },
  ];
}

function switchFindings({ switches }: HostPlaces, settings: Settings): Finding[] {
  const chosen = (settings.network ?? '').trim();
  if (chosen === '' || switches.includes(chosen)) return [];
  return [
    blocker('switch-not-found', `there is no switch "${chosen}"`, {
      remedy: `choose one of ${switches.slice(0, 20).join(', ')}`,
    }),
  ];
}

const nvramFinding: Finding = {
  rule: 'hyperv.nvram-left',
  severity: 'note',
  message: "the firmware's variables can not be carried: the machine begins with new ones",
  remedy: 'a boot entry that is missing then is made anew by the system, or by its fallback loader',
};
