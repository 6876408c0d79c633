/** What speaks against a plan, or will come out otherwise, before a byte moves. */
import type { OpenImage } from '../codecs/codec.ts';
import { codecById } from '../codecs/registry.ts';
import type { DeliveryRequest, DestinationRole } from '../env-plugins/plugin.ts';
import { allocatedBytes } from '../io/disk.ts';
import type { Finding } from '../model/finding.ts';
import type { Plan } from '../model/plan.ts';
import { formatBytes } from '../model/units.ts';
import { diskFileNames, packageFileName } from './make-plan.ts';
import { findingsOf } from './open-image.ts';

export interface CheckedDisk {
  readonly id: string;
  readonly image: OpenImage;
}

/** All findings of the plan with its images open; `request` is what the destination will be asked for. */
export async function checkPlan(
  plan: Plan,
  images: readonly CheckedDisk[],
  destination: DestinationRole,
  request: DeliveryRequest,
): Promise<Finding[]> {
  const findings = [...machineFindings(plan), ...plan.machine.findings];
  let bytes = 0;
  for (const { id, image } of images) {
    const name = plan.machine.disks.find((d) => d.id === id)?.name ?? id;
    findings.push(...findingsOf(image.info), ...sizeFindings(plan, name, image.size));
    bytes += await bytesNeeded(plan, image, request.signal);
  }
  const packageName = packageFileName(plan);
  const files = packageName === undefined ? diskFileNames(plan) : [packageName];
  findings.push(...(await destination.check(request, files, bytes)));
  return findings;
}

/** A plain guess from above: data plus tables; a preallocated file takes its whole size. */
async function bytesNeeded(plan: Plan, image: OpenImage, signal: AbortSignal): Promise<number> {
  const full = plan.destination.options.preallocation === 'full';
  const data = full ? image.size : await allocatedBytes(image, signal);
  return data + Math.ceil(data / 1024);
}

function sizeFindings(plan: Plan, name: string, size: number): Finding[] {
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

function machineFindings(plan: Plan): Finding[] {
  const { machine, destination } = plan;
  const findings: Finding[] = [];
  if (machine.disks.length === 0) {
    findings.push({ rule: 'machine.no-disk', severity: 'blocker', message: 'no disk is left to convert' });
  }
  if (machine.state === 'running' || machine.state === 'suspended') {
    findings.push({
      rule: 'machine.running',
      severity: 'warning',
      message: `the machine is ${machine.state}: its disks change while they are read`,
      remedy: 'shut it down first',
    });
  }
  if (destination.container === 'disks') {
    findings.push({
      rule: 'machine.hardware-apart',
      severity: 'note',
      message: `a plain disk says nothing of the machine; give it ${hardwareInWords(plan)} when you create it`,
    });
  }
  if (destination.product === 'hyperv' && machine.firmware?.kind === 'uefi') {
    findings.push({
      rule: 'hyperv.vhd-needs-bios',
      severity: 'warning',
      message: 'a generation 2 machine (UEFI) does not take a VHD, and this guest starts by UEFI',
      remedy: 'turn the VHD into a VHDX at the host (Convert-VHD), then create a generation 2 machine',
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
