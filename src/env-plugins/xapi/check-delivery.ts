/** What speaks against a delivery, before a byte moves. */
import { toAppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import { formatBytes, MiB } from '../../model/units.ts';
import { textIn } from '../../packages/xva/records.ts';
import { lossesOf, xenVariables } from '../../packages/xva/xen-record.ts';
import type { DeliveryRequest } from '../plugin.ts';
import { chosenRepository, networkFor, type Places, type Repository } from './places.ts';
import { largestVhdBytes } from './ways/streams.ts';

/** A VHD of the product grows in steps of its blocks, and its size is a multiple of them. */
const vhdStepBytes = 2 * MiB;

export function checkDelivery(
  places: Places,
  request: DeliveryRequest,
  files: readonly string[],
  bytes: number,
): Finding[] {
  const { machine, settings } = request;
  return [
    ...nameFindings(places, request),
    ...diskFindings(request, files),
    ...storageFindings(places, request, bytes),
    ...networkFindings(places, request),
    ...nvramFindings(request),
    ...lossesOf(machine).filter(({ rule }) => rule !== 'xen.mac-impossible' || settings.keepMac !== 'no'),
  ];
}

const blocker = (rule: string, message: string, more: Partial<Finding> = {}): Finding => ({
  rule: `xapi.${rule}`,
  severity: 'blocker',
  message,
  ...more,
});

/** The server takes several machines of one name; nobody could tell them apart. */
export function nameFindings({ machines }: Places, { name }: DeliveryRequest): Finding[] {
  if (name.trim() === '' || name.length > 200 || /[\0-\x1f\x7f\ufffe\uffff]/.test(name)) {
    return [
      blocker('name-impossible', 'this can not be the name of a machine', {
        evidence: JSON.stringify(name.slice(0, 300)),
        remedy: 'give it another one, of 200 characters at most',
      }),
    ];
  }
  const same = machines.find((vm) => textIn(vm, 'name_label') === name);
  if (same === undefined) return [];
  return [
    blocker('exists', `there is a machine "${name}" already`, {
      evidence: textIn(same, 'uuid') ?? '',
      remedy: 'choose another name; a machine that is there is never replaced, remove it there yourself',
    }),
  ];
}

function diskFindings({ machine, settings }: DeliveryRequest, files: readonly string[]): Finding[] {
  if (machine.disks.length === 0)
    return [
      blocker('no-disk', 'the machine has no disk that goes along', { remedy: 'leave at least one disk in' }),
    ];
  const findings = files
    .filter((file) => !/\.(raw|img)$/i.test(file))
    .map((file) =>
      blocker('no-raw', `"${file}" can't be sent: the server takes raw disks, not packed`, {
        remedy: 'leave the format as it is',
      }),
    );
  if (machine.disks.length > 15)
    findings.push(blocker('many-disks', 'Xen takes 15 disks of a machine at most'));
  for (const { virtualSizeBytes, name } of machine.disks) {
    if (virtualSizeBytes !== undefined) continue;
    findings.push({
      rule: 'xapi.size-unknown',
      severity: settings.transfer === 'xva' ? 'blocker' : 'warning',
      message: 'how large this disk is could not be told, and it is made with its size',
      evidence: name,
    });
  }
  return findings;
}

function storageFindings(places: Places, { machine, settings }: DeliveryRequest, bytes: number): Finding[] {
  let chosen: Repository & { readonly label: string };
  try {
    chosen = chosenRepository(places, settings);
  } catch (error) {
    const { message, hint } = toAppError(error);
    return [blocker('sr-not-found', message, hint === undefined ? {} : { remedy: hint })];
  }
  const findings: Finding[] = [];
  const { label, kind, freeBytes, shared } = chosen;
  // What is kept thin takes what the disks hold; the other kinds all of their space.
  const isThick = /^(lvm|lvmoiscsi|lvmohba|lvmofcoe)$/.test(kind);
  const all = machine.disks.reduce((sum, { virtualSizeBytes = 0 }) => sum + virtualSizeBytes, 0);
  const needed = isThick ? all : bytes;
  if (freeBytes !== undefined && needed > freeBytes) {
    findings.push({
      rule: 'xapi.no-space',
      severity: isThick ? 'blocker' : 'warning',
      message: `"${label}" has ${formatBytes(freeBytes)} free, and the disks can take ${formatBytes(needed)}`,
      remedy: 'free some space there or choose another storage repository',
    });
  }
  for (const { name, virtualSizeBytes: size = 0 } of machine.disks) {
    if (size > largestVhdBytes) {
      findings.push({
        rule: 'xapi.disk-large',
        severity: 'warning',
        message: `the disk has ${formatBytes(size)}: most storage repositories take 2040 GiB at most`,
        evidence: name,
      });
    } else if (size % vhdStepBytes !== 0) {
      findings.push({
        rule: 'xapi.size-rounded',
        severity: 'note',
        message: 'the server rounds a disk up to its own steps, 2 MiB mostly: it ends with some more zeros',
        evidence: name,
      });
    }
  }
  if (!shared) {
    findings.push({
      rule: 'xapi.sr-local',
      severity: 'note',
      message: `"${label}" belongs to one host: the machine can run on that one only`,
    });
  }
  return findings;
}

function networkFindings(places: Places, { machine, settings }: DeliveryRequest): Finding[] {
  const chosen = settings.network?.trim() ?? '';
  const choose = `choose one of ${[...places.networks.keys()].join(', ')}`;
  if (chosen !== '' && !places.networks.has(chosen))
    return [blocker('network-not-found', `there is no network "${chosen}"`, { remedy: choose })];
  return machine.nics.flatMap(({ network }, i) => {
    const found = networkFor(places, settings, network);
    if (found === undefined) return [blocker('no-network', `there is no network for NIC ${i + 1}`)];
    if (found.isOwn || network === undefined) return [];
    return [
      {
        rule: 'network.changed',
        severity: 'warning' as const,
        message: `there is no network "${network}" here: NIC ${i + 1} is joined to "${found.label}"`,
        remedy: choose,
      },
    ];
  });
}

export const carriedVariables = ({ nvram, settings }: DeliveryRequest): string | undefined =>
  settings.nvram === 'new' ? undefined : xenVariables(nvram);

function nvramFindings(request: DeliveryRequest): Finding[] {
  const { nvram, settings } = request;
  if (nvram === undefined || settings.nvram === 'new' || carriedVariables(request) !== undefined) return [];
  return [
    {
      rule: 'xapi.nvram-foreign',
      severity: 'note',
      message: "the firmware's variables are another product's: the machine begins with new ones",
      remedy: 'a boot entry that is missing then is made anew by the system, or by its fallback loader',
    },
  ];
}
