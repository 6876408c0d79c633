/**
 * What a machine's settings say of its hardware, in the words in which a host's PowerShell tells it: so both become a
 * machine in one place (`../machine.ts`). Pure.
 */

import { MiB, TiB } from '../../../model/units.ts';
import type { Answer } from '../answers.ts';
import { at, countAt, flagAt, type SettingNode, textAt } from './settings.ts';

/** Devices that every machine has but once have their type for their own id. */
const devices = {
  firmware: 'ac6b8dc1-3257-4a70-b1b2-a9c9215659ad',
  ide: '83f8638b-8dca-4152-9eda-2ca8b33039b4',
  scsi: 'd422512d-2bf2-4752-809d-7b82b5fcb1b4',
  adapter: '2fc216b0-d2e2-4967-9b6d-b8a5c9ca2778',
  tpm: '736e6aa9-a3f8-49c0-9550-a963214d259a',
  passedThrough: '2fcc454e-a36a-4c77-bb5e-a2d75a51f02c',
  graphicsPart: '99dcd00c-fbd6-42d3-9dfd-1b5ad7058f61',
} as const;

const mostControllers = 64;
const mostDrives = 256;
const mostAdapters = 64;
const mostBound = 64;

export interface ToldDrive {
  readonly bus: 'IDE' | 'SCSI';
  readonly controller: number;
  readonly unit: number;
  /** As the host wrote it that made the file. */
  readonly path: string;
}

export interface Hardware {
  /** All but the drives. */
  readonly told: Answer;
  readonly disks: readonly ToldDrive[];
  readonly physical: readonly ToldDrive[];
  readonly dvds: readonly ToldDrive[];
  readonly uuid: string | undefined;
  /** Devices of the host that it has, a line each. */
  readonly bound: readonly string[];
  /** Ids by which checkpoints and their machine may know each other. */
  readonly ids: readonly string[];
  readonly createdAt: number | undefined;
}

export function hardwareOf(root: SettingNode): Hardware {
  const drives = drivesOf(root);
  const generation = countAt(root, 'properties', 'subtype') === 1 ? 2 : 1;
  const firmware = device(root, devices.firmware);
  const bank = at(root, 'settings', 'memory', 'bank');
  const ids = [textAt(root, 'properties', 'global_id'), textAt(root, 'settings', 'global', 'logical_id')].map(
    plainGuid,
  );
  return {
    told: {
      name: textAt(root, 'properties', 'name'),
      state: 'Off',
      generation,
      processors: countAt(root, 'settings', 'processors', 'count'),
      memory: megabytes(bank, 'size'),
      dynamicMemory: flagAt(bank, 'dynamic_memory_enabled') ?? false,
      memoryMinimum: megabytes(bank, 'reservation'),
      memoryMaximum: megabytes(bank, 'limit'),
      notes: textAt(root, 'properties', 'notes'),
      clustered: flagAt(root, 'properties', 'highly_available') ?? false,
      secureBoot: generation === 2 && flagAt(firmware, 'secure_boot_enabled') ? 'On' : 'Off',
      tpm:
        flagAt(root, 'security', 'settings', 'tpm_enabled') ??
        manifestOf(root).some(({ type }) => type === devices.tpm),
      shielded: flagAt(root, 'security', 'settings', 'shielding_requested') ?? false,
      adapters: adaptersOf(root),
    },
    ...drives,
    uuid: plainGuid(textAt(firmware, 'bios_guid')) || undefined,
    bound: boundOf(root),
    ids: ids.filter((id) => id !== ''),
    createdAt: creationTime(at(root, 'properties', 'creation_time')?.value()),
  };
}

const device = (root: SettingNode, id: string): SettingNode | undefined => at(root, `_${id}_`);

function megabytes(bank: SettingNode | undefined, key: string): number | undefined {
  const count = countAt(bank, key);
  return count === undefined || count > (1024 * TiB) / MiB ? undefined : count * MiB;
}

export function plainGuid(text: string): string {
  const id = text
    .trim()
    .replace(/^\{|\}$/g, '')
    .toLowerCase();
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id) ? id : '';
}

interface Vdev {
  readonly type: string;
  readonly instance: string;
}

/** The manifest's devices in its order. */
function manifestOf(root: SettingNode): Vdev[] {
  const entries = [...(at(root, 'manifest')?.children ?? [])].flatMap(([name, node]) => {
    const number = /^vdev(\d{1,6})$/.exec(name)?.[1];
    if (number === undefined) return [];
    const vdev = { type: plainGuid(textAt(node, 'device')), instance: plainGuid(textAt(node, 'instance')) };
    return [{ number: Number(number), vdev }];
  });
  return entries.sort((a, b) => a.number - b.number).map(({ vdev }) => vdev);
}

/** Of the IDE controller, two with two drives each; each SCSI controller is a device of its own. */
function drivesOf(root: SettingNode): Pick<Hardware, 'disks' | 'physical' | 'dvds'> {
  const found = { disks: [] as ToldDrive[], physical: [] as ToldDrive[], dvds: [] as ToldDrive[] };
  const take = (bus: ToldDrive['bus'], controller: number, node: SettingNode | undefined) => {
    for (const [unit, drive] of numbered(node, 'drive')) {
      const path = textAt(drive, 'pathname').trim();
      const type = textAt(drive, 'type').toUpperCase();
      const told = { bus, controller, unit, path };
      if (type === 'ISO') found.dvds.push(told);
      else if (type === 'VHD') found.disks.push(told);
      // A drive without a medium, and a floppy.
      else if (!['', 'NONE', 'VFD'].includes(type) && path !== '') found.physical.push(told);
    }
  };
  const manifest = manifestOf(root);
  const ide = manifest.find(({ type }) => type === devices.ide)?.instance ?? devices.ide;
  for (const [number, node] of numbered(device(root, ide), 'controller')) take('IDE', number, node);
  const scsi = manifest.filter(({ type }) => type === devices.scsi);
  for (const [number, { instance }] of scsi.slice(0, mostControllers).entries()) {
    for (const [, node] of numbered(device(root, instance), 'controller')) take('SCSI', number, node);
  }
  // A disk is in a drive with a file; one without is as good as empty.
  return { ...found, disks: found.disks.filter(({ path }) => path !== '') };
}

/** `controller0`, `controller1` … in the order of their numbers. */
function numbered(node: SettingNode | undefined, word: string): [number, SettingNode][] {
  const pattern = new RegExp(`^${word}(\\d{1,4})$`);
  const found = [...(node?.children ?? [])].flatMap(([name, child]): [number, SettingNode][] => {
    const number = pattern.exec(name)?.[1];
    return number === undefined ? [] : [[Number(number), child]];
  });
  return found.sort(([a], [b]) => a - b).slice(0, mostDrives);
}

/** PCI devices, and parts of a graphics card that it shares with its host. */
function boundOf(root: SettingNode): string[] {
  return manifestOf(root)
    .flatMap(({ type, instance }) => {
      const node = device(root, instance);
      if (type === devices.passedThrough)
        return `PCI ${textAt(node, 'HostResources', 'HostResource', 'Instance')}`.trim();
      if (type === devices.graphicsPart) return `GPU ${textAt(node, 'HostResource')}`.trim();
      return [];
    })
    .slice(0, mostBound);
}

/** What has a MAC address; in the manifest's order. */
function adaptersOf(root: SettingNode): Answer[] {
  const manifest = new Map(manifestOf(root).map(({ instance, type }, place) => [instance, { type, place }]));
  const found = [...root.children].flatMap(([name, node]) => {
    const id = plainGuid(name.replace(/^_|_$/g, ''));
    if (id === '' || at(node, 'MacAddress') === undefined) return [];
    const { type, place } = manifest.get(id) ?? { type: undefined, place: manifest.size };
    return [{ node, type, place }];
  });
  return found
    .sort((a, b) => a.place - b.place)
    .slice(0, mostAdapters)
    .map(({ node, type }) => ({
      mac: textAt(node, 'MacAddress'),
      network: (flagAt(node, 'IsConnected') ?? true) ? switchName(node) : '',
      legacy: type !== undefined && type !== devices.adapter,
    }));
}

/** A switch that has an id for its name is no use elsewhere. */
function switchName(node: SettingNode): string {
  const name = textAt(node, 'Connection', 'AltSwitchName') || textAt(node, 'SwitchName');
  return plainGuid(name) === '' ? name : '';
}

/** A FILETIME; written in either order of bytes by what exports machines: the one that is a time of ours. */
function creationTime(value: unknown): number | undefined {
  if (!(value instanceof Uint8Array) || value.length < 8) return undefined;
  const bytes = Buffer.from(value.buffer, value.byteOffset, 8);
  return [bytes.readBigUInt64LE(), bytes.readBigUInt64BE()]
    .map((ticks) => Number(ticks / 10_000_000n) - 11_644_473_600)
    .find((seconds) => seconds > Date.UTC(2005, 0) / 1000 && seconds < Date.UTC(2200, 0) / 1000);
}
