/** What is to become of one machine: its name, hardware, adapters, disks. Pure. */

import { AppError } from '../../model/errors.ts';
import type { GuestPlan } from '../../model/guest-plan.ts';
import type { Firmware, Machine, Nic } from '../../model/machine.ts';
import { networkThere } from '../../model/network-names.ts';
import { formatBytes, MiB, parseBytes } from '../../model/units.ts';
import type { Command } from '../../state/commands.ts';
import { firmwareOf, type MachineEdit, type PlannedGuest, type State } from '../../state/state.ts';
import { arrangeFields } from './arrange-fields.ts';
import { type Applied, type ConfigField, labelOf, tryApply, yesNo } from './field.ts';
import { busField, cardField } from './guest-fields.ts';
import { type DiskParts, diskParts, partFields } from './part-fields.ts';

export type EditChange = Extract<Command, { type: 'edit-machine' }>['change'];

export interface MachineContext {
  readonly id: string;
  /** As it was found. */
  readonly found: Machine;
  readonly edit: MachineEdit;
  /** As the destination is to have it, the product's defaults filled in where the plan is known. */
  readonly planned: Machine;
  /** What the disks say that they start by. */
  readonly byDisks?: Firmware['kind'] | undefined;
  readonly parts: DiskParts;
  /** What is to be changed inside, where that is anything. */
  readonly guest?: GuestPlan | undefined;
  readonly guestChanges?: PlannedGuest | undefined;
  /** The networks of the destination, the default first, where it tells them. */
  readonly networks?: readonly string[] | undefined;
}

export function machineContext(state: State, id: string): MachineContext | undefined {
  const item = state.machines.items.find((i) => i.machine.id === id);
  if (item === undefined) return undefined;
  const found = item.machine;
  const plan = state.planned.plans.find((p) => p.source.machine === id);
  return {
    id,
    found,
    edit: state.draft.edits[id] ?? {},
    planned: plan?.machine ?? found,
    byDisks: firmwareOf(item),
    parts: diskParts(item),
    guest: plan?.guest,
    guestChanges: state.planned.guests?.[id],
    networks: networksOf(state),
  };
}

/** What takes the place of a network that is not there comes first: the form's own choice, where it has one. */
function networksOf({ destination, draft }: State): readonly string[] | undefined {
  if (destination.status !== 'connected' || destination.networks === undefined) return undefined;
  const { networks, fields } = destination;
  const usual = draft.delivery?.network ?? fields.find((field) => field.key === 'network')?.default;
  return usual !== undefined && networks.includes(usual) ? [...new Set([usual, ...networks])] : networks;
}

export const editMachine = (id: string, change: EditChange): Command => ({
  type: 'edit-machine',
  id,
  change,
});

export function machineFields(context: MachineContext): ConfigField[] {
  return [
    nameField(context),
    processorsField(context),
    memoryField(context),
    firmwareField(context),
    ...diskFields(context),
    busField(context),
    ...partFields(context),
    ...arrangeFields(context),
    ...(nicsOf(context).length === 0 ? [] : [cardField(context)]),
    ...nicsOf(context).flatMap((nic, i) => nicFields(context, nic, i)),
  ];
}

const group = 'Machine';

function nameField({ id, found, edit }: MachineContext): ConfigField {
  const name = edit.name ?? found.name;
  return {
    group,
    kind: 'text',
    key: 'name',
    label: 'Name',
    help: `of the machine and of its files; empty takes back ${found.name}`,
    text: name,
    shown: name,
    changed: edit.name !== undefined && edit.name !== found.name,
    apply: (text) => {
      const next = text.trim();
      if (/[/\\]/.test(next)) return { error: 'a name has no slash; the folder is a field of its own' };
      if (next.length > 120) return { error: 'a name has at most 120 characters' };
      return { command: editMachine(id, { name: next === '' || next === found.name ? undefined : next }) };
    },
  };
}

function processorsField({ id, found, edit, planned }: MachineContext): ConfigField {
  const own = found.processors?.count;
  const count = edit.processors ?? planned.processors?.count;
  return {
    group,
    kind: 'text',
    key: 'processors',
    label: 'Processors',
    help: `how many the machine gets; ${emptyTakes(own === undefined ? undefined : String(own))}`,
    text: count === undefined ? '' : String(count),
    shown: count === undefined ? 'default of the product' : String(count) + source(own, edit.processors),
    changed: edit.processors !== undefined,
    apply: (text) => {
      if (text.trim() === '') return { command: editMachine(id, { processors: undefined }) };
      const value = Number(text);
      if (!Number.isInteger(value) || value < 1 || value > 1024)
        return { error: 'a whole number from 1 to 1024' };
      return { command: editMachine(id, { processors: value }) };
    },
  };
}

function memoryField({ id, found, edit, planned }: MachineContext): ConfigField {
  const own = found.memoryBytes;
  const bytes = edit.memoryBytes ?? planned.memoryBytes;
  return {
    group,
    kind: 'text',
    key: 'memory',
    label: 'Memory',
    help: `such as 512M or 4G; ${emptyTakes(own === undefined ? undefined : formatBytes(own))}`,
    text: bytes === undefined ? '' : formatBytes(bytes),
    shown:
      bytes === undefined ? 'default of the product' : formatBytes(bytes) + source(own, edit.memoryBytes),
    changed: edit.memoryBytes !== undefined,
    apply: (text) => {
      if (text.trim() === '') return { command: editMachine(id, { memoryBytes: undefined }) };
      return tryApply(() => editMachine(id, { memoryBytes: memoryOf(text) }));
    },
  };
}

/** @throws AppError `usage`. A bare number would be bytes, which nobody means here. */
function memoryOf(text: string): number {
  if (/^\s*\d+\s*$/.test(text)) {
    throw new AppError('usage', 'the unit is missing', {
      hint: `write it as ${text.trim()}M or ${text.trim()}G`,
    });
  }
  const bytes = parseBytes(text);
  if (bytes < 4 * MiB || bytes > 2 ** 44) throw new AppError('usage', 'from 4M to 16T are possible');
  if (bytes % MiB !== 0) throw new AppError('usage', 'whole MiB only', { hint: 'such as 512M or 4G' });
  return bytes;
}

const emptyTakes = (own: string | undefined): string =>
  own === undefined ? 'empty takes the default of the product' : `empty takes back ${own}`;

/** The source says nothing of it and neither did the user: say that it is a guess. */
const source = (own: unknown, edited: unknown): string =>
  own === undefined && edited === undefined ? ' (the source does not say)' : '';

const firmwareChoices = [
  { value: 'bios', label: 'BIOS' },
  { value: 'uefi', label: 'UEFI' },
  { value: 'uefi-secure', label: 'UEFI with secure boot' },
] as const;
const firmwares: Record<string, Firmware> = {
  bios: { kind: 'bios' },
  uefi: { kind: 'uefi', secureBoot: false },
  'uefi-secure': { kind: 'uefi', secureBoot: true },
};
const firmwareKey = (firmware: Firmware): string =>
  firmware.kind === 'bios' ? 'bios' : firmware.secureBoot === true ? 'uefi-secure' : 'uefi';

function firmwareField({ id, found, edit, planned, byDisks }: MachineContext): ConfigField {
  const firmware = edit.firmware ?? planned.firmware;
  const own = found.firmware === undefined ? undefined : firmwareKey(found.firmware);
  const value = firmware === undefined ? 'bios' : firmwareKey(firmware);
  return {
    group,
    kind: 'choice',
    key: 'firmware',
    label: 'Firmware',
    help: 'a guest mostly starts only by the firmware that it was installed with',
    value,
    shown:
      labelOf(firmwareChoices, value) +
      (byDisks !== undefined && found.firmware === undefined && edit.firmware === undefined
        ? ' (what its disk starts by)'
        : source(found.firmware, edit.firmware)),
    choices: firmwareChoices,
    changed: edit.firmware !== undefined,
    apply: (next) => ({
      command: editMachine(id, { firmware: next === own ? undefined : firmwares[next] }),
    }),
  };
}

function diskFields({ id, found, edit }: MachineContext): ConfigField[] {
  const out = edit.leaveOut ?? [];
  return found.disks.map((disk, i): ConfigField => {
    const leftOut = out.includes(disk.id);
    const last = !leftOut && found.disks.every((d) => d.id === disk.id || out.includes(d.id));
    const size = disk.virtualSizeBytes === undefined ? '' : `, ${formatBytes(disk.virtualSizeBytes)}`;
    return {
      group,
      kind: 'choice',
      key: `disk:${disk.id}`,
      label: `Disk ${i + 1}`,
      help: 'a disk that is left out is not read and not in the result',
      value: leftOut ? 'no' : 'yes',
      shown: `${leftOut ? 'left out' : 'taken along'}: ${disk.name}${size}`,
      choices: yesNo,
      changed: leftOut,
      ...(last ? { reason: 'at least one disk must go along' } : {}),
      apply: (value) => {
        const next = value === 'no' ? [...out, disk.id] : out.filter((other) => other !== disk.id);
        return { command: editMachine(id, { leaveOut: next.length === 0 ? undefined : next }) };
      },
    };
  });
}

/** The adapters as the destination is to have them. */
export const nicsOf = ({ edit, planned }: MachineContext): readonly Nic[] => edit.nics ?? planned.nics;

export const nicModels = ['e1000', 'e1000e', 'virtio', 'vmxnet3', 'rtl8139', 'pcnet32'] as const;

export const addNic = (context: MachineContext): Command => {
  const model = nicsOf(context).at(-1)?.model ?? 'e1000';
  return editMachine(context.id, { nics: [...nicsOf(context), { model, connected: true }] });
};

export const removeNic = (context: MachineContext, index: number): Command =>
  editMachine(context.id, { nics: nicsOf(context).filter((_, i) => i !== index) });

/** Which adapter the field belongs to. */
export function nicIndexOf(fieldKey: string): number | undefined {
  const match = /^nic:(\d+):/.exec(fieldKey);
  return match === null ? undefined : Number(match[1]);
}

function nicFields(context: MachineContext, nic: Nic, index: number): ConfigField[] {
  const nics = nicsOf(context);
  const { id, found } = context;
  const was = found.nics[index];
  const change = (next: Nic): Applied => ({ command: editMachine(id, { nics: nics.with(index, next) }) });
  const { mac: _, ...withoutMac } = nic;
  const { network: __, ...withoutNetwork } = nic;

  const used = nics.flatMap((other, i) => (i === index || other.mac === undefined ? [] : [other.mac]));
  const free = found.nics.flatMap((other) =>
    other.mac === undefined || used.includes(other.mac) ? [] : [other.mac],
  );
  const macs = [...new Set([...(nic.mac === undefined ? [] : [nic.mac]), ...free])];
  const macChoices = [
    ...macs.map((mac) => ({ value: mac, label: `keep ${mac}` })),
    { value: '', label: 'a new one' },
  ];
  const models = [
    ...new Set([...(nic.model === undefined ? [''] : []), nic.model ?? '', was?.model ?? '', ...nicModels]),
  ]
    .filter((model) => model !== '' || nic.model === undefined)
    .map((model) => ({ value: model, label: model === '' ? 'default of the product' : model }));
  return [
    {
      group,
      kind: 'choice',
      key: `nic:${index}:model`,
      label: `Adapter ${index + 1}`,
      help: 'the adapter the guest sees; x removes it, a adds one',
      value: nic.model ?? '',
      shown: nic.model ?? 'default of the product',
      choices: models,
      ...(context.edit.nicModel === undefined ? {} : { reason: 'Network card says it for all' }),
      changed: nic.model !== was?.model && context.edit.nics !== undefined,
      apply: (model) => change({ ...nic, ...(model === '' ? {} : { model }) }),
    },
    {
      group,
      kind: 'choice',
      key: `nic:${index}:mac`,
      label: '  MAC',
      help: 'keep it when addresses are given by it; take a new one when the source keeps running',
      value: nic.mac ?? '',
      shown: labelOf(macChoices, nic.mac ?? ''),
      choices: macChoices,
      changed: nic.mac !== was?.mac && context.edit.nics !== undefined,
      ...(macChoices.length < 2 ? { reason: 'the source names no address that could be kept' } : {}),
      apply: (mac) => change(mac === '' ? withoutMac : { ...nic, mac }),
    },
    networkField(context, nic, index, (network) =>
      change(network === '' ? withoutNetwork : { ...nic, network }),
    ),
  ];
}

function networkField(
  { networks, edit, found }: MachineContext,
  { network }: Nic,
  index: number,
  join: (network: string) => Applied,
): ConfigField {
  const base = {
    group,
    key: `nic:${index}:network`,
    label: '  Network',
    changed: network !== found.nics[index]?.network && edit.nics !== undefined,
  };
  const [usual] = networks ?? [];
  if (networks === undefined || usual === undefined) {
    return {
      ...base,
      kind: 'text',
      help: "in the destination's words, such as VM Network; empty leaves it to the destination",
      text: network ?? '',
      shown: network ?? 'left to the destination',
      apply: (text) => join(text.trim()),
    };
  }
  const there = network === undefined ? undefined : networkThere(networks, network);
  return {
    ...base,
    kind: 'choice',
    help: 'the network at the destination that the adapter is joined to',
    value: there ?? usual,
    shown:
      network === undefined || there !== undefined
        ? (there ?? usual)
        : `${usual} ("${network}" is not there)`,
    choices: networks.map((name) => ({ value: name, label: name })),
    ...(networks.length < 2 ? { reason: 'it is the only one there' } : {}),
    apply: join,
  };
}
