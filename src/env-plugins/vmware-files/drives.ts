/** The drives of a .vmx: `scsi0:0.fileName` and its like. Pure. */
import type { Finding } from '../../model/finding.ts';
import type { DiskBus } from '../../model/machine.ts';
import { type Dictionary, isFalse, isTrue } from './dictionary.ts';

export interface Drive {
  /** `scsi0:0`. */
  readonly node: string;
  readonly bus: DiskBus;
  readonly controller: number;
  readonly unit: number;
  /** As the file writes it. */
  readonly fileName: string;
  readonly controllerModel?: string;
  readonly shared: boolean;
}

export interface Cdrom {
  readonly bus: DiskBus;
  /** The image in it, as the file writes it. */
  readonly media?: string;
}

export interface Drives {
  readonly disks: readonly Drive[];
  readonly cdroms: readonly Cdrom[];
  readonly findings: readonly Finding[];
}

/** More are no machine's: four controllers of each kind, 64 units on the largest. */
const mostDrives = 1024;
const busOrder = ['ide', 'scsi', 'sata', 'nvme'];

export function readDrives(vmx: Dictionary): Drives {
  const disks: Drive[] = [];
  const cdroms: Cdrom[] = [];
  const findings: Finding[] = [];
  for (const node of nodesOf(vmx)) {
    if (!isTrue(vmx.get(`${node.name}.present`))) continue;
    if (isFalse(vmx.get(`${node.bus}${node.controller}.present`))) {
      findings.push(noController(node));
      continue;
    }
    const bus = node.bus as DiskBus;
    const kind = (vmx.get(`${node.name}.deviceType`) ?? '').toLowerCase();
    // VMware Server and GSX before it write `name`.
    const named = vmx.get(`${node.name}.fileName`) ?? vmx.get(`${node.name}.name`) ?? '';
    if (/cdrom/.test(kind)) {
      cdroms.push({ bus, ...(/image/.test(kind) && named !== '' ? { media: named } : {}) });
      continue;
    }
    if (kind.includes('passthr')) {
      findings.push(passedThrough(node.name, named));
      continue;
    }
    if (named === '') {
      findings.push(noFile(node.name));
      continue;
    }
    disks.push(diskOf(vmx, node, bus, named));
    findings.push(...modeFindings(vmx, node.name, kind));
  }
  return { disks, cdroms, findings };
}

interface Node {
  readonly name: string;
  readonly bus: string;
  readonly controller: number;
  readonly unit: number;
}

/** In the order in which a guest finds them. */
function nodesOf(vmx: Dictionary): Node[] {
  const nodes = new Map<string, Node>();
  for (const key of vmx.keys()) {
    const match = /^((ide|scsi|sata|nvme)([0-3]):(\d{1,2}))\./.exec(key);
    if (match === null || nodes.size >= mostDrives) continue;
    const [, name = '', bus = ''] = match;
    nodes.set(name, { name, bus, controller: Number(match[3]), unit: Number(match[4]) });
  }
  return [...nodes.values()].sort(
    (a, b) =>
      busOrder.indexOf(a.bus) - busOrder.indexOf(b.bus) || a.controller - b.controller || a.unit - b.unit,
  );
}

function diskOf(vmx: Dictionary, node: Node, bus: DiskBus, named: string): Drive {
  const { name, controller, unit } = node;
  const model = bus === 'scsi' ? vmx.get(`scsi${controller}.virtualDev`)?.toLowerCase() : undefined;
  // The default of a SCSI controller is BusLogic.
  const controllerModel = bus === 'scsi' ? model || 'buslogic' : undefined;
  const sharedBus = vmx.get(`${bus}${controller}.sharedBus`) ?? 'none';
  return {
    ...{ node: name, bus, controller, unit, fileName: fileNameOf(vmx, name, named) },
    ...(controllerModel === undefined ? {} : { controllerModel }),
    shared: !/^(none|)$/i.test(sharedBus) || /multi-writer/i.test(vmx.get(`${name}.sharing`) ?? ''),
  };
}

/** What an undoable disk has had written since its start lies in a redo log, which names the disk as its parent. */
function fileNameOf(vmx: Dictionary, node: string, named: string): string {
  const redo = vmx.get(`${node}.redo`) ?? '';
  return /undoable|append/i.test(vmx.get(`${node}.mode`) ?? '') && redo !== '' ? redo : named;
}

function modeFindings(vmx: Dictionary, node: string, kind: string): Finding[] {
  const mode = (vmx.get(`${node}.mode`) ?? '').toLowerCase();
  const findings: Finding[] = [];
  if (/rawdisk/.test(kind)) {
    findings.push({
      rule: 'vmware.physical-disk',
      severity: 'warning',
      message: `${node} is a physical disk of its host, or partitions of one: there is no image of it`,
      evidence: node,
      remedy: 'leave this disk out, and convert the device itself as a disk of its host',
    });
  }
  if (mode.includes('nonpersistent')) {
    findings.push({
      rule: 'vmware.nonpersistent-disk',
      severity: 'warning',
      message: `${node} forgets at each power-off what was written to it; the new machine's disk keeps it`,
      evidence: node,
    });
  } else if (mode === 'independent-persistent') {
    findings.push({
      rule: 'vmware.independent-disk',
      severity: 'note',
      message: `${node} is independent: no snapshot holds an earlier state of it`,
      evidence: node,
    });
  } else if (/undoable|append/.test(mode)) {
    findings.push({
      rule: 'vmware.undoable-disk',
      severity: 'warning',
      message: `${node} is ${mode}: what was written since it was started can still be thrown away there`,
      evidence: node,
      remedy: 'shut the machine down and commit the changes, to be sure',
    });
  }
  return findings;
}

const passedThrough = (node: string, named: string): Finding => ({
  rule: 'vmware.device-passed-through',
  severity: 'warning',
  message: `${node} is a SCSI device of its host (${named || 'unnamed'}), which is not carried`,
  evidence: node,
});

const noController = ({ name, bus, controller }: Node): Finding => ({
  rule: 'vmware.controller-absent',
  severity: 'note',
  message: `${name} is on a controller that is switched off (${bus}${controller}): the machine does not see it, and it is left out`,
  evidence: name,
});

const noFile = (node: string): Finding => ({
  rule: 'vmware.disk-unnamed',
  severity: 'warning',
  message: `${node} is there, but names no file: it is left out`,
  evidence: node,
});
