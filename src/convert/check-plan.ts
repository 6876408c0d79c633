/** What speaks against a plan, or will come out otherwise, before a byte moves. */
import type { OpenImage } from '../codecs/codec.ts';
import { codecById } from '../codecs/registry.ts';
import type { DeliveryRequest, DestinationRole } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import type { Finding } from '../model/finding.ts';
import type { PowerState } from '../model/machine.ts';
import { networkThere } from '../model/network-names.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { lostInPackage } from '../packages/ovf/lost.ts';
import { lossesOf } from '../packages/xva/xen-record.ts';
import { backingFindings, type OpenBacking } from './backing.ts';
import { keepFindings } from './keep-findings.ts';
import { diskFileNames, isFolder, packageFileName } from './make-plan.ts';
import { findingsOf } from './open-image.ts';
import { splitNames } from './pieces/split-delivery.ts';
import { proofFindings } from './proof-findings.ts';
import { outputName, wrapperFindings } from './wrapped-output.ts';

export interface CheckedDisk {
  readonly id: string;
  readonly image: OpenImage;
}

/** With the networks that are there, where the destination tells them. */
export interface CheckedRequest extends DeliveryRequest {
  readonly networks?: readonly string[];
  readonly backing?: OpenBacking;
}

/** How the source's machine is now, and what is done about that. */
export interface SourceCondition {
  readonly state: PowerState;
  /** `can`: it will be held when its turn comes. `held`: it is, and its own findings say how. */
  readonly hold: 'can' | 'held' | 'no';
  /** What it is called there, where that was asked. */
  readonly name?: string;
}

/** All findings of the plan with its images open; `request` is what the destination will be asked for. */
export async function checkPlan(
  plan: Plan,
  images: readonly CheckedDisk[],
  destination: DestinationRole,
  request: CheckedRequest,
  condition: SourceCondition,
): Promise<Finding[]> {
  const findings = [
    ...stateFindings(condition),
    ...machineFindings(plan),
    ...plan.machine.findings,
    ...sourceFindings(plan, condition),
    ...formatFindings(plan, destination),
    ...proofFindings(plan, destination),
    ...networkFindings(plan, request),
  ];
  let bytes = 0;
  for (const { id, image } of images) {
    const name = plan.machine.disks.find((d) => d.id === id)?.name ?? id;
    findings.push(...findingsOf(image.info), ...sizeFindings(plan, name, image.size));
    findings.push(...backingFindings(request.backing, image.size));
    bytes += await bytesNeeded(plan, image, request.signal);
  }
  const files = await plannedFiles(plan, images, request.backing);
  const names = plan.destination.splitBytes === undefined ? files.names : splitNames(files.names);
  findings.push(...files.findings, ...(await destination.check(request, names, bytes)));
  findings.push(...(await keepFindings(plan, bytes)));
  return findings;
}

/** Every file that the destination will get, as far as the disks are open: an extent in the way is one too. */
async function plannedFiles(
  plan: Plan,
  images: readonly CheckedDisk[],
  backing: OpenBacking | undefined,
): Promise<{ names: string[]; findings: Finding[] }> {
  const whole = packageFileName(plan);
  const findings: Finding[] = [];
  if (['ova', 'xva'].includes(plan.destination.container)) return { names: [whole!], findings };
  const { format, options } = plan.destination;
  const encoder = codecById(format).encoder!;
  const names: string[] = whole === undefined ? [] : [whole, whole.replace(/\.ovf$/, '.mf')];
  for (const [i, name] of diskFileNames(plan).entries()) {
    const image = images.find(({ id }) => id === plan.machine.disks[i]!.id)?.image;
    if (image === undefined || image.size > encoder.maximumBytes(options)) {
      names.push(name);
      continue;
    }
    const output = outputName(name);
    const files = await encoder.encode(image, output.inner, options, { backing });
    names.push(...files.map((file) => output.wrapped(file.name)));
    findings.push(...wrapperFindings(name, files), ...splitFindings(plan, name, files.length));
  }
  return { names, findings };
}

function splitFindings({ destination }: Plan, name: string, files: number): Finding[] {
  if (destination.splitBytes === undefined || files === 1) return [];
  return [
    {
      rule: 'disk.parts-of-several-files',
      severity: 'warning',
      message: `a disk of ${files} files in parts: each has to be joined by itself, as with cat, before it can be opened`,
      evidence: name,
      remedy: 'choose a layout of one file',
    },
  ];
}

/** A plain guess from above: data plus tables; a preallocated file takes its whole size. */
async function bytesNeeded(plan: Plan, image: OpenImage, signal: AbortSignal): Promise<number> {
  const full = plan.destination.options.preallocation === 'full';
  const data = full ? image.size : await allocatedBytes(image, signal);
  return data + Math.ceil(data / 1024);
}

function sizeFindings(plan: Plan, name: string, size: number): Finding[] {
  if (size === 0) {
    return [
      {
        rule: 'disk.empty',
        severity: 'blocker',
        message: 'the disk has no bytes',
        evidence: name,
        remedy: 'fetch the image again, or leave this disk out',
      },
    ];
  }
  const { format, options } = plan.destination;
  const encoder = codecById(format).encoder!;
  const limit = encoder.maximumBytes(options);
  if (size > limit) {
    return [
      {
        rule: 'disk.too-large',
        severity: 'blocker',
        message: `${format} holds at most ${formatBytes(limit)}, this disk has ${formatBytes(size)}`,
        evidence: name,
        remedy: 'choose another format',
      },
    ];
  }
  const padded = encoder.representableBytes(size, options);
  if (padded === size) return [];
  return [
    {
      rule: 'disk.size-not-representable',
      severity: 'warning',
      message: `${format} can't say ${size} bytes; the disk will have ${padded}, the rest zeros`,
      evidence: name,
      remedy: 'nothing, unless something counts on the exact size; raw keeps it',
    },
  ];
}

function stateFindings({ state, hold }: SourceCondition): Finding[] {
  if (state === 'off' || state === 'unknown' || hold === 'held') return [];
  if (hold === 'can') {
    return [
      {
        rule: 'machine.held',
        severity: 'note',
        message: `the machine is ${state}: a point in time of it is held and read while it goes on`,
      },
    ];
  }
  if (state === 'suspended') {
    return [
      {
        rule: 'machine.suspended',
        severity: 'warning',
        message: 'the machine is suspended: what is in its memory is not on its disks',
        remedy: 'wake it and shut it down first',
      },
    ];
  }
  return [
    {
      rule: 'machine.running',
      severity: 'blocker',
      message: 'the machine runs: its disks change while they are read',
      remedy: 'shut it down first',
    },
  ];
}

/** What makes two connections of one environment lead to the same place. */
const placeKeys = ['host', 'port', 'uri', 'url', 'server'];

/** Replacing what is being read is no way to carry it: a source is never written to. */
function sourceFindings({ source, destination, machine, force }: Plan, { name }: SourceCondition): Finding[] {
  if (!force || destination.environment === 'local' || source.environment !== destination.environment) {
    return [];
  }
  const own = source.profile !== undefined && source.profile === destination.profile;
  const same = (key: string) => (source.settings[key] ?? '') === (destination.settings[key] ?? '');
  if (!(own || placeKeys.every(same)) || machine.name !== name) return [];
  return [
    {
      rule: 'machine.is-source',
      severity: 'blocker',
      message: `the machine "${name}" is the one that is to be converted: it can't be replaced by itself`,
      remedy: 'give the new one another name',
    },
  ];
}

function formatFindings({ destination: { format } }: Plan, { formats }: DestinationRole): Finding[] {
  if (formats === undefined || formats.includes(format)) return [];
  return [
    {
      rule: 'disk.format-not-taken',
      severity: 'blocker',
      message: `the destination does not take ${format}; it takes ${formats.join(', ')}`,
      remedy: `choose ${formats[0]}`,
    },
  ];
}

/** Adapters whose network was replaced in the request, since there is none of this name. */
function networkFindings(plan: Plan, { machine, networks = [] }: CheckedRequest): Finding[] {
  return plan.machine.nics.flatMap((nic, i) => {
    const used = machine.nics[i]?.network;
    if (nic.network === undefined || used === undefined) return [];
    if (networkThere([used], nic.network) !== undefined) return [];
    const there = networks.slice(0, 10).join(', ') + (networks.length > 10 ? ' …' : '');
    return [
      {
        rule: 'nic.network-missing',
        severity: 'warning',
        message: `there is no network "${nic.network}" at the destination: "${used}" will be used`,
        evidence: `adapter ${i + 1}`,
        remedy: `choose one that is there: ${there}`,
      },
    ];
  });
}

function machineFindings(plan: Plan): Finding[] {
  const { machine, destination } = plan;
  const findings: Finding[] = [];
  if (machine.disks.length === 0) {
    findings.push({ rule: 'machine.no-disk', severity: 'blocker', message: 'no disk is left to convert' });
  }
  if (destination.container === 'disks' && isFolder(plan)) {
    findings.push({
      rule: 'machine.hardware-apart',
      severity: 'note',
      message: `a plain disk says nothing of the machine; give it ${hardwareInWords(plan)} when you create it`,
    });
  }
  if (['ova', 'ovf'].includes(destination.container)) findings.push(...lostInPackage(machine));
  if (destination.container === 'xva') findings.push(...lossesOf(machine));
  if (destination.product === 'hyperv' && destination.format === 'vhd' && machine.firmware?.kind === 'uefi') {
    findings.push({
      rule: 'hyperv.vhd-needs-bios',
      severity: 'warning',
      message: 'a generation 2 machine (UEFI) does not take a VHD, and this guest starts by UEFI',
      remedy: 'choose vhdx',
    });
  }
  return findings;
}

export function hardwareInWords({ machine }: Plan): string {
  const cpus = machine.processors?.count ?? 1;
  return [
    `${cpus} ${cpus === 1 ? 'processor' : 'processors'}`,
    `${formatBytes(machine.memoryBytes ?? 0)} memory`,
    `${machine.firmware?.kind === 'uefi' ? 'UEFI' : 'BIOS'} firmware`,
    `${machine.nics.length} network ${machine.nics.length === 1 ? 'adapter' : 'adapters'}`,
  ].join(', ');
}
