/** One machine in full, as lines: pure. The most useful lines come first, for a pane that shows only some. */
import { describeFailure } from '../../model/errors.ts';
import { findingText } from '../../model/finding.ts';
import type { GuestPartition, GuestReport } from '../../model/guest-report.ts';
import { systemRows, volumeInWords } from '../../model/guest-words.ts';
import type { ImageInfo } from '../../model/image-info.ts';
import type { Machine, MachineDisk } from '../../model/machine.ts';
import { formatBytes } from '../../model/units.ts';
import type { MachineItem } from '../../state/state.ts';
import { findingLines } from '../finding-lines.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';
import { packedIn } from './image-view.ts';
import { judgedInWords } from './matrix-view.ts';

type Line = PaneLine | string;

export function detailLines(item: MachineItem): Line[] {
  const { machine, images, reports } = item;
  const findings = [
    ...machine.findings,
    ...Object.values(images)
      .flatMap(layersOf)
      .flatMap((layer) => layer.findings),
    ...Object.values(reports).flatMap((report) => report.findings),
  ];
  return [
    ...failureLines(item),
    ...checkLines(item),
    ...(item.survey === 'later' ? ['Not looked into yet: that is done when it is chosen'] : []),
    machine.id,
    ...systemLines(item),
    `Machine: ${hardwareInWords(machine)}`,
    ...judgedInWords(item),
    ...(machine.place === undefined ? [] : [`Place: ${machine.place}`]),
    ...(machine.description === undefined ? [] : [`About: ${machine.description}`]),
    ...machine.disks.flatMap((disk) => diskLines(disk, images[disk.id], reports[disk.id])),
    ...machine.nics.map((nic, i) => `Adapter ${i + 1}: ${nicInWords(nic)}`),
    ...findingLines(findings),
  ];
}

/** What the environment says of it, until its disks were looked into. */
function systemLines({ machine, reports }: MachineItem): Line[] {
  const found = Object.values(reports).flatMap((report) => report.systems);
  if (found.length === 0) return machine.system === undefined ? [] : [`System: ${systemInWords(machine)}`];
  return found.flatMap((system) =>
    systemRows(system).map(
      ({ label, text }): Line =>
        label === 'system' ? { text: `System: ${text}`, tone: 'title' } : `  ${label.trim()}: ${text}`,
    ),
  );
}

function failureLines({ failure }: MachineItem): PaneLine[] {
  return failure === undefined ? [] : [{ text: `ERROR: ${describeFailure(failure)}`, tone: 'error' }];
}

function checkLines({ check }: MachineItem): Line[] {
  if (check === undefined) return [];
  if (check.status === 'busy') {
    const share = check.share === undefined ? '' : `, ${Math.floor(check.share * 100)} %`;
    return [`Check: ${check.step}${share}`];
  }
  const { disks, manifest } = check.result;
  const failures = [...disks.map((disk) => disk.failure), manifest?.failure].filter((f) => f !== undefined);
  const layers = disks.flatMap((disk) => disk.layers);
  const count = layers.reduce((sum, layer) => sum + layer.errorCount, failures.length);
  const leaks = layers.reduce((sum, layer) => sum + (layer.leaks?.bytes ?? 0), 0);
  if (count === 0) {
    return [`Check: no errors${leaks === 0 ? '' : `; ${formatBytes(leaks)} leaked, which does no harm`}`];
  }
  const error = (text: string): PaneLine => ({ text, tone: 'error' });
  return [
    error(`Check: ${count} ${count === 1 ? 'error' : 'errors'}`),
    ...failures.map((failure) => error(`  ${describeFailure(failure)}`)),
    ...layers.flatMap((layer) => layer.errors.map((found) => error(`  ${findingText(found)}`))),
  ];
}

function systemInWords({ system }: Machine): string {
  if (system === undefined) return 'not recognised';
  const more = [
    system.architecture,
    system.hostname === undefined ? undefined : `host name ${system.hostname}`,
  ];
  return [system.name, ...more.filter((part) => part !== undefined)].join(', ');
}

/** `2 processors, 4 GiB memory, UEFI`, or that the source says nothing of it. */
export function hardwareInWords(machine: Machine): string {
  const { processors, memoryBytes, firmware, packaging, state } = machine;
  const parts = [
    packaging,
    processors === undefined
      ? undefined
      : `${processors.count} ${processors.count === 1 ? 'processor' : 'processors'}`,
    memoryBytes === undefined ? undefined : `${formatBytes(memoryBytes)} memory`,
    firmware === undefined ? undefined : firmwareInWords(firmware),
    state === 'unknown' || state === 'off' ? undefined : state,
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? 'nothing is known of its hardware' : parts.join(', ');
}

const firmwareInWords = (firmware: NonNullable<Machine['firmware']>): string =>
  firmware.kind === 'bios' ? 'BIOS' : firmware.secureBoot === true ? 'UEFI with secure boot' : 'UEFI';

const nicInWords = (nic: Machine['nics'][number]): string =>
  [
    nic.model,
    nic.mac,
    nic.network === undefined ? undefined : `on ${nic.network}`,
    nic.connected === false ? 'not connected' : undefined,
  ]
    .filter((part) => part !== undefined)
    .join(', ') || 'nothing is known of it';

function diskLines(disk: MachineDisk, image: ImageInfo | undefined, report: GuestReport | undefined): Line[] {
  const size = disk.virtualSizeBytes ?? image?.virtualSizeBytes;
  const facts = [
    packedIn(disk, image === undefined ? (disk.format ?? '') : formatInWords(image)) || undefined,
    size === undefined ? undefined : formatBytes(size),
    disk.allocatedSizeBytes === undefined ? undefined : `${formatBytes(disk.allocatedSizeBytes)} data`,
    disk.bus === undefined
      ? undefined
      : `on ${disk.bus}${disk.controllerModel === undefined ? '' : ` (${disk.controllerModel})`}`,
  ].filter((part) => part !== undefined);
  return [
    {
      text: [`Disk ${disk.name}`, ...(facts.length === 0 ? [] : [facts.join(', ')])].join(': '),
      tone: 'title',
    },
    ...(report === undefined ? [] : partitionLines(report)),
    ...(image === undefined ? [] : imageLines(image)),
    ...fileLines(disk.files),
  ];
}

const formatInWords = ({ format, variant }: ImageInfo): string =>
  variant === undefined ? format : `${format} (${variant})`;

function imageLines(image: ImageInfo): Line[] {
  const details = Object.entries(image.details).map(([key, value]) => `${key} ${valueInWords(value)}`);
  const layers = layersOf(image).slice(1);
  return [
    ...layers.map((layer, i) => `  ${'  '.repeat(i)}over ${layer.files[0] ?? '?'}, ${formatInWords(layer)}`),
    ...(details.length === 0 ? [] : [`  ${details.join(', ')}`]),
  ];
}

const valueInWords = (value: string | number | boolean): string =>
  value === true ? 'yes' : value === false ? 'no' : String(value);

/** The image and the layers below it, itself first. */
export function layersOf(image: ImageInfo): ImageInfo[] {
  const layers = [];
  for (let layer: ImageInfo | undefined = image; layer !== undefined; layer = layer.parent)
    layers.push(layer);
  return layers;
}

const fileLines = (files: readonly string[]): string[] =>
  files.length < 2 ? [] : [`  ${files.length} files:`, ...files.map((file) => `    ${file}`)];

function partitionLines(report: GuestReport): Line[] {
  const { partitionTable, partitions, volumes = [] } = report;
  const table = { mbr: 'MBR', gpt: 'GPT', none: 'no partition table' }[partitionTable.kind];
  const starts = {
    bios: 'starts by BIOS',
    uefi: 'starts by UEFI',
    both: 'starts by BIOS or UEFI',
    unknown: undefined,
  };
  const facts = [
    table,
    partitionTable.fromBackup === true ? 'read from its backup copy' : undefined,
    starts[report.firmware],
  ].filter((part) => part !== undefined);
  return [
    `  ${facts.join(', ')}`,
    ...partitions.map(partitionLine),
    ...volumes.map((volume) => `  ${volumeInWords(volume)}`),
  ];
}

function partitionLine(partition: GuestPartition): Line {
  const { number, lengthBytes, typeName, volume, bootable, name } = partition;
  const label = volume?.label ?? name;
  const facts = [
    volume?.kind ?? typeName,
    label === undefined || label === '' ? undefined : `"${label}"`,
    volume?.usedBytes === undefined ? undefined : `${formatBytes(volume.usedBytes)} used`,
    bootable ? 'bootable' : undefined,
    volume?.encrypted === true ? 'ENCRYPTED' : undefined,
    volume?.state === 'dirty' || volume?.state === 'hibernated' ? volume.state.toUpperCase() : undefined,
  ].filter((part) => part !== undefined);
  const text = `  ${number === 0 ? 'whole' : `#${number}`} ${formatBytes(lengthBytes)} ${facts.join(', ')}`;
  return volume?.state === 'dirty' || volume?.state === 'hibernated' ? { text, tone: 'warn' } : text;
}
