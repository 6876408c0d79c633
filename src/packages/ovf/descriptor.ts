/** The descriptor (.ovf): DSP0243 1.0, 1.1, 2.0, as VMware, VirtualBox, XenServer and oVirt write it. */

import { attribute, childrenOf, parseXml, textOf, type XmlElement } from '../../io/xml.ts';
import { AppError } from '../../model/errors.ts';
import type { Finding } from '../../model/finding.ts';
import type { DiskBus } from '../../model/machine.ts';
import type { Storage } from './hardware.ts';
import { readMachine } from './machine.ts';
import type { OvfDisk, OvfFile, OvfMachine, OvfPackage } from './package.ts';
import { isOvf, noteSection, sectionKind } from './sections.ts';
import { safeName } from './tar.ts';
import { quantityBytes } from './units.ts';

/** `where`: the descriptor's name, for messages. @throws AppError `corrupt`, `unsupported`. */
export function parseDescriptor(bytes: Uint8Array, where: string): OvfPackage {
  const root = parseXml(bytes, where);
  if (root.local !== 'Envelope' || !isOvf(root)) {
    throw new AppError(
      'unsupported',
      `the outermost element is <${root.local}> of "${root.uri}", not OVF's Envelope`,
      {
        where,
        hint: "name the package's .ovf file",
      },
    );
  }
  const findings: Finding[] = [];
  const files = readFiles(root, where);
  const disks: OvfDisk[] = [];
  const busOf = new Map<string, DiskBus>();
  const networks: string[] = [];
  let configuration: string | undefined;
  for (const section of root.children) {
    const kind = sectionKind(section);
    if (kind === 'DiskSection') disks.push(...readDisks(section, files, busOf, findings, where));
    else if (kind === 'NetworkSection') networks.push(...namesOf(section));
    else if (kind === 'DeploymentOptionSection') configuration = chosenConfiguration(section, findings);
    else noteSection(section, kind, findings);
  }
  const storage: Storage = { disks, files, busOf };
  const machines = systemsOf(root, findings).map((system, i) =>
    readMachine(system, i, storage, configuration),
  );
  if (machines.length === 0) throw new AppError('unsupported', 'the package describes no machine', { where });
  checkIds(machines, where);
  return { version: versionOf(root), files, disks, networks, machines, findings };
}

function versionOf(root: XmlElement): string {
  if (root.uri.includes('/envelope/2')) return '2.0';
  return root.attributes.find((a) => a.local === 'version' && a.uri === root.uri)?.value ?? '1.0';
}

const childKind = (parent: XmlElement, kind: string) => parent.children.find((c) => sectionKind(c) === kind);

function readFiles(root: XmlElement, where: string): OvfFile[] {
  const references = childKind(root, 'References');
  if (references === undefined) return [];
  // oVirt gives the size that the image takes on its storage, not the file's.
  const sizesAreOfFiles = !/ovirt|\/$/.test(root.uri);
  return childrenOf(references, 'File').map((element) => {
    const href = attribute(element, 'href');
    const id = attribute(element, 'id');
    if (href === undefined || id === undefined)
      throw new AppError('corrupt', 'a File without href or id', { where });
    const compression = attribute(element, 'compression') ?? '';
    if (!['', 'identity', 'gzip'].includes(compression)) {
      throw new AppError('unsupported', `"${href}" is compressed with "${compression}"`, { where });
    }
    const sizeBytes = sizesAreOfFiles ? wholeNumber(element, 'size', where) : undefined;
    const chunk = wholeNumber(element, 'chunkSize', where);
    return {
      id,
      href: localHref(href, where),
      ...(sizeBytes === undefined || (sizeBytes === 0 && compression === '') ? {} : { sizeBytes }),
      compression: compression === 'gzip' ? 'gzip' : 'none',
      ...(chunk === undefined || chunk === 0 ? {} : { chunkSizeBytes: chunk }),
    };
  });
}

function localHref(href: string, where: string): string {
  const path = href.replace(/^file:(?!\/)/, '');
  if (/^[A-Za-z][A-Za-z0-9+.-]+:/.test(path)) {
    throw new AppError('unsupported', `the file "${href}" lies elsewhere, not in the package`, {
      where,
      hint: 'download it beside the descriptor and name it there',
    });
  }
  return safeName(path, where);
}

function wholeNumber(element: XmlElement, name: string, where: string): number | undefined {
  const text = attribute(element, name);
  if (text === undefined || text === '') return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new AppError('corrupt', `${name}="${text}" of <${element.local}> is not a number of bytes`, {
    where,
  });
}

const ovirtBuses: Record<string, DiskBus> = {
  virtio: 'virtio',
  virtio_scsi: 'scsi',
  ide: 'ide',
  sata: 'sata',
  spapr_vscsi: 'scsi',
};

function readDisks(
  section: XmlElement,
  files: readonly OvfFile[],
  busOf: Map<string, DiskBus>,
  findings: Finding[],
  where: string,
): OvfDisk[] {
  const seen = new Set<string>();
  return childrenOf(section, 'Disk').map((element) => {
    const diskId = attribute(element, 'diskId');
    if (diskId === undefined) throw new AppError('corrupt', 'a Disk without diskId', { where });
    if (seen.has(diskId)) throw new AppError('corrupt', `two disks have the id "${diskId}"`, { where });
    seen.add(diskId);
    const fileRef = attribute(element, 'fileRef') ?? '';
    // oVirt refers to the file by its href.
    const file = files.find((f) => f.id === fileRef) ?? files.find((f) => f.href === fileRef);
    if (fileRef !== '' && file === undefined) {
      throw new AppError(
        'corrupt',
        `the disk "${diskId}" refers to the file "${fileRef}", which is not listed`,
        { where },
      );
    }
    const capacityBytes = quantityBytes(
      attribute(element, 'capacity'),
      attribute(element, 'capacityAllocationUnits'),
      1,
    );
    if (capacityBytes === undefined) {
      findings.push({
        rule: 'ovf.capacity-not-understood',
        severity: file === undefined ? 'warning' : 'note',
        message: `the capacity "${attribute(element, 'capacity') ?? ''}" is not a number of bytes; the image's own is taken`,
        evidence: diskId,
      });
    }
    const bus = ovirtBuses[attribute(element, 'disk-interface')?.toLowerCase() ?? ''];
    if (bus !== undefined) busOf.set(diskId, bus);
    const format = attribute(element, 'volume-format') === 'RAW' ? 'RAW' : attribute(element, 'format');
    const codec = format === undefined ? undefined : codecOf(format);
    const populated = quantityBytes(attribute(element, 'populatedSize'), undefined, 1);
    const parentRef = attribute(element, 'parentRef') ?? '';
    return {
      diskId,
      ...(capacityBytes === undefined ? {} : { capacityBytes }),
      ...(file === undefined ? {} : { file }),
      ...(format === undefined ? {} : { format }),
      ...(codec === undefined ? {} : { codec }),
      ...(populated === undefined ? {} : { populatedBytes: populated }),
      ...(parentRef === '' ? {} : { parentRef }),
    };
  });
}

/** The codec that a format URI means; a hint only, what the file is decides. */
function codecOf(format: string): string | undefined {
  const words = format.toLowerCase();
  if (words.includes('vmdk')) return 'vmdk';
  if (words.includes('vhdx')) return 'vhdx';
  if (/vhd|linkid=137171/.test(words)) return 'vhd';
  if (words.includes('vdi')) return 'vdi';
  if (words === 'raw') return 'raw';
  if (words.includes('qcow2')) return 'qcow2';
  return undefined; // oVirt names every disk's format by the page of the qcow format, raw ones too
}

const namesOf = (section: XmlElement): string[] =>
  childrenOf(section, 'Network').flatMap((n) => attribute(n, 'name') ?? []);

function chosenConfiguration(section: XmlElement, findings: Finding[]): string | undefined {
  const all = childrenOf(section, 'Configuration');
  const chosen = all.find((c) => attribute(c, 'default') === 'true') ?? all[0];
  if (chosen === undefined) return undefined;
  const id = attribute(chosen, 'id');
  findings.push({
    rule: 'ovf.configuration',
    severity: 'note',
    message: `the package offers ${all.length} configurations; "${id ?? ''}" is taken`,
    evidence: textOf(chosen, 'Label') ?? id ?? '',
  });
  return id;
}

/** The machines, in order; collections may be nested. */
function systemsOf(parent: XmlElement, findings: Finding[]): XmlElement[] {
  return parent.children.flatMap((element) => {
    const kind = sectionKind(element);
    if (kind === 'VirtualSystem') return [element];
    if (kind !== 'VirtualSystemCollection') return [];
    for (const section of element.children) noteSection(section, sectionKind(section), findings);
    return systemsOf(element, findings);
  });
}

function checkIds(machines: readonly OvfMachine[], where: string): void {
  const seen = new Set<string>();
  for (const { id } of machines) {
    if (seen.has(id)) throw new AppError('corrupt', `two machines have the id "${id}"`, { where });
    seen.add(id);
  }
}
