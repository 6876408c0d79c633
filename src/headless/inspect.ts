/** `inspect`: what an image is and what is inside it. */
import type { ImageInfo } from '../codecs/codec.ts';
import type { GuestReport, InstalledSystem } from '../model/guest-report.ts';
import { systemRows, volumeInWords } from '../model/guest-words.ts';
import { formatBytes } from '../model/units.ts';
import type { GuestPackage } from '../state/events.ts';
import type { MachineItem } from '../state/state.ts';
import type { CommonOptions } from './common-options.ts';
import { findingLine, formatOf, table, terminalOutput } from './output.ts';
import { addImage, connectTo, type Trust, withDispatcher } from './session.ts';
import { tellSteps } from './tell-steps.ts';

export async function inspect(image: string, options: CommonOptions & Trust): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    tellSteps(composed, output);
    const id = await addImage(composed, image, options).finally(() => output.progressDone());
    const { machines } = composed.dispatcher.getState();
    const item = machines.items.find((i) => i.machine.id === id)!;
    if (output.json) output.value({ machine: item.machine, images: item.images, reports: item.reports });
    else for (const line of describeItem(item)) output.line(line);
    return 0;
  });
}

/** The extents of all disks, one JSON value a line; nothing of it is kept. */
export async function printMap(image: string, options: CommonOptions & Trust): Promise<number> {
  const output = terminalOutput({ json: true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    dispatcher.watch((event) => {
      if (event.type !== 'machine-extents') return;
      const { disk } = event;
      for (const { offset, length, kind } of event.extents) output.value({ disk, offset, length, kind });
    });
    const remarks = terminalOutput({ json: false, quiet: false });
    tellSteps(composed, remarks);
    const id = await connectTo(composed, image, options);
    await dispatcher.perform({ type: 'map-machine', id }).finally(() => remarks.progressDone());
    return 0;
  });
}

/** All packages of its system by name; with `json` one value a line. */
export async function printPackages(image: string, options: CommonOptions & Trust): Promise<number> {
  const output = terminalOutput({ json: options.json === true, quiet: false });
  return withDispatcher(options, async (composed) => {
    const { dispatcher } = composed;
    let packages: readonly GuestPackage[] = [];
    dispatcher.watch((event) => {
      if (event.type === 'guest-packages') packages = event.packages;
      if (event.type === 'guest-remark') output.remark(event.text);
    });
    tellSteps(composed, output);
    const id = await connectTo(composed, image, options);
    await dispatcher.perform({ type: 'list-packages', id }).finally(() => output.progressDone());
    for (const one of packages.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      if (output.json) output.value(one);
      else output.line([one.name, one.version, one.architecture].filter(Boolean).join(' '));
    }
    return 0;
  });
}

export function describeItem({ machine, images, reports }: MachineItem): string[] {
  const lines = [machine.name, ...row('place', machine.id)];
  if (machine.packaging !== undefined) lines.push(...row('packaging', machine.packaging));
  if (machine.system !== undefined) {
    const { name, architecture, hostname } = machine.system;
    lines.push(
      ...row('system', [name, architecture, hostname && `called ${hostname}`].filter(Boolean).join(', ')),
    );
  }
  if (machine.processors !== undefined) lines.push(...row('processors', String(machine.processors.count)));
  if (machine.memoryBytes !== undefined) lines.push(...row('memory', formatBytes(machine.memoryBytes)));
  if (machine.firmware !== undefined) lines.push(...row('firmware', machine.firmware.kind.toUpperCase()));
  for (const nic of machine.nics) {
    lines.push(...row('network', [nic.model, nic.mac, nic.network].filter(Boolean).join(', ')));
  }
  const noSystem = Object.values(reports).every(({ systems }) => systems.length === 0);
  for (const disk of machine.disks) {
    const info = images[disk.id];
    lines.push('', `disk ${disk.name}`);
    if (info === undefined) {
      lines.push(...glanceLines(disk));
      continue;
    }
    lines.push(
      ...sizeLine(info.virtualSizeBytes),
      ...row('allocated', formatBytes(disk.allocatedSizeBytes ?? 0)),
      ...layerLines(info, disk.packed),
      ...reportLines(reports[disk.id], noSystem),
    );
  }
  return [...lines, ...findingLines([...machine.findings, ...allFindings(images, reports)])];
}

const row = (label: string, value: string): string[] => [`  ${label.padEnd(13)} ${value}`];

const sizeLine = (bytes: number): string[] => row('virtual size', `${formatBytes(bytes)} (${bytes} bytes)`);

/** What is known of a disk that was not opened. */
function glanceLines(disk: MachineItem['machine']['disks'][number]): string[] {
  if (disk.packed === undefined) return [];
  const { virtualSizeBytes: size } = disk;
  return [...(size === undefined ? [] : sizeLine(size)), ...row('format', formatOf(disk))];
}

function layerLines(info: ImageInfo, packed?: readonly string[], depth = 0): string[] {
  const details = Object.entries(info.details).map(([key, value]) => `${key} ${value}`);
  return [
    ...row(
      depth === 0 ? 'format' : `layer ${depth}`,
      formatOf({
        format: info.variant === undefined ? info.format : `${info.format} (${info.variant})`,
        ...(packed === undefined ? {} : { packed }),
      }),
    ),
    ...info.files.flatMap((file) => row('  file', file)),
    ...(details.length === 0 ? [] : row('  details', details.join(', '))),
    ...(info.parent === undefined ? [] : layerLines(info.parent, undefined, depth + 1)),
  ];
}

function reportLines(report: GuestReport | undefined, noSystem: boolean): string[] {
  if (report === undefined) return [];
  const { partitionTable, partitions, volumes = [], systems } = report;
  const rows = partitions.map((p) => [
    `    ${p.number === 0 ? 'whole disk' : p.number}`,
    formatBytes(p.lengthBytes),
    p.volume?.kind ?? '-',
    p.volume?.label ?? p.name ?? '',
    p.typeName + (p.bootable ? ', bootable' : ''),
  ]);
  return [
    ...row(
      'partitions',
      `${partitionTable.kind === 'none' ? 'no table' : partitionTable.kind.toUpperCase()}, firmware ${report.firmware}, boot code ${partitionTable.bootCode}`,
    ),
    ...table(rows),
    ...volumes.flatMap((volume) => row('volume', volumeInWords(volume))),
    ...systems.flatMap(systemLines),
    ...(noSystem ? row('system', 'none is recognised') : []),
    ...row('read', `${formatBytes(report.bytesRead)} to find this out`),
  ];
}

function systemLines(system: InstalledSystem): string[] {
  const rows = systemRows(system);
  return [
    '',
    ...rows.flatMap(({ label, text }, i) => row(rows[i - 1]?.label === label ? '' : label, text)),
    // A system of few facts still tells its kernels.
    ...(system.bootKernels === undefined && system.kernels.length > 0
      ? row('kernels', system.kernels.join(', '))
      : []),
  ];
}

function allFindings(images: MachineItem['images'], reports: MachineItem['reports']) {
  const ofLayer = (info: ImageInfo): MachineItem['machine']['findings'] => [
    ...info.findings,
    ...(info.parent === undefined ? [] : ofLayer(info.parent)),
  ];
  return [...Object.values(images).flatMap(ofLayer), ...Object.values(reports).flatMap((r) => r.findings)];
}

const findingLines = (findings: Parameters<typeof findingLine>[0][]): string[] =>
  findings.length === 0 ? [] : ['', ...findings.map(findingLine)];
