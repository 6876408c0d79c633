/** What is changed inside the guest of one machine. Pure. */

import { parseCopy, parseHostname, pathHere } from '../../model/guest-additions.ts';
import type { GuestAdditions, GuestPlan } from '../../model/guest-plan.ts';
import type { DiskBus } from '../../model/machine.ts';
import type { Command } from '../../state/commands.ts';
import { type Applied, type Choice, type ConfigField, labelOf, tryApply } from './field.ts';
import { keysField, usersField } from './login-fields.ts';
import { editMachine, type MachineContext, nicModels } from './machine-fields.ts';

const group = 'Inside the guest';

/** `unfolded`: the additions are shown, which few want. */
export function guestFields(context: MachineContext, unfolded: boolean): ConfigField[] {
  return [
    changesField(context),
    additionsField(context, unfolded),
    ...(unfolded ? additionFields(context) : []),
  ];
}

type GuestChanges = { [K in keyof GuestPlan]?: GuestPlan[K] | undefined };
type AdditionChanges = { [K in keyof GuestAdditions]?: GuestAdditions[K] | undefined };

const defined = (value: object): object | undefined => {
  const set = Object.entries(value).filter(([, field]) => field !== undefined);
  return set.length === 0 ? undefined : Object.fromEntries(set);
};

/** What the user has said of the guest, with a change; undefined takes a field back. */
export const editGuest = ({ id, edit }: Pick<MachineContext, 'id' | 'edit'>, change: GuestChanges): Command =>
  editMachine(id, { guest: defined({ ...edit.guest, ...change }) as Partial<GuestPlan> | undefined });

export const editAdditions = (context: MachineContext, change: AdditionChanges): Command =>
  editGuest(context, { add: defined({ ...context.edit.guest?.add, ...change }) as GuestAdditions });

const changeChoices = [
  { value: 'needed', label: 'what it needs to run there' },
  { value: 'none', label: 'nothing' },
] as const;

function changesField(context: MachineContext): ConfigField {
  const { edit, guest, guestChanges } = context;
  const value = edit.guest?.changes ?? guest?.changes ?? 'none';
  const count = guestChanges?.changes.length;
  const told = count === undefined ? '' : count === 1 ? ': 1 change' : `: ${count} changes`;
  return {
    group,
    kind: 'choice',
    key: 'guest:changes',
    label: 'Guest changes',
    help: 'drivers, names of disks and adapters, bootloader: c lists them, each with its diff; the source stays as it is',
    value,
    shown: `${labelOf(changeChoices, value)}${told}`,
    choices: changeChoices,
    changed: edit.guest?.changes !== undefined,
    apply: (next) => ({ command: editGuest(context, { changes: next as GuestPlan['changes'] }) }),
  };
}

function additionsField({ edit }: MachineContext, unfolded: boolean): ConfigField {
  const { changes: _, without: __, ...rest } = edit.guest ?? {};
  const { add = {}, ...others } = rest;
  const count = Object.keys(add).length + Object.keys(others).length;
  return {
    group,
    kind: 'fold',
    key: 'guest:additions',
    label: 'Additions',
    help: 'hostname, SSH keys, passwords, files, packages, scripts, cloud-init, agent, drivers for Windows',
    shown: `${count === 0 ? 'none' : count}${unfolded ? '' : '; press Enter to see them'}`,
    changed: count > 0,
    apply: () => ({ error: 'nothing to enter here' }),
  };
}

function additionFields(context: MachineContext): ConfigField[] {
  const guest = context.edit.guest ?? {};
  return [
    hostnameField(context),
    keysField(context),
    usersField(context),
    listField(context, 'copies', 'Copy in', 'files or folders here and their place there, as FROM:TO', {
      texts: guest.add?.copies?.map(({ from, to }) => `${from}:${to}`),
      parse: (texts) => ({ copies: texts.map(parseCopy) }),
    }),
    listField(context, 'firstBoot', 'First start', 'paths of scripts that run once, at the first start', {
      texts: guest.add?.firstBoot,
      parse: (texts) => ({ firstBoot: texts.map(pathHere) }),
    }),
    listField(context, 'packages', 'Install', "paths of packages' files, installed at the first start", {
      texts: guest.add?.packages,
      parse: (texts) => ({ packages: texts.map(pathHere) }),
    }),
    choiceField(
      context,
      'serialConsole',
      'Serial console',
      'whether it talks on its serial port, which is all that some destinations show',
      consoleChoices,
    ),
    choiceField(
      context,
      'cloudInit',
      'cloud-init',
      'whether it sets the guest up when it starts',
      switchChoices,
    ),
    choiceField(
      context,
      'agent',
      'Agent',
      "the destination's agent, from the guest's own repositories",
      agentChoices,
    ),
    choiceField(
      context,
      'removeTools',
      'Old tools',
      'what the source had installed in the guest',
      toolChoices,
    ),
    driversField(context),
    engineField(context),
  ];
}

function hostnameField(context: MachineContext): ConfigField {
  const name = context.edit.guest?.add?.hostname;
  return {
    group,
    kind: 'text',
    key: 'guest:hostname',
    label: '  Hostname',
    help: "the guest's name for itself; empty leaves it",
    text: name ?? '',
    shown: name ?? 'as it is',
    changed: name !== undefined,
    apply: (text) =>
      text.trim() === ''
        ? { command: editAdditions(context, { hostname: undefined }) }
        : tryApply(() => editAdditions(context, { hostname: parseHostname(text.trim()) })),
  };
}

interface ListOf {
  readonly texts: readonly string[] | undefined;
  parse(texts: readonly string[]): AdditionChanges;
}

function listField(
  context: MachineContext,
  key: keyof GuestAdditions,
  label: string,
  help: string,
  { texts = [], parse }: ListOf,
): ConfigField {
  return {
    group,
    kind: 'text',
    key: `guest:${key}`,
    label: `  ${label}`,
    help: `${help}; several with ", " between`,
    text: texts.join(', '),
    shown: texts.length === 0 ? 'none' : texts.join(', '),
    changed: texts.length > 0,
    apply(text): Applied {
      const given = textsOf(text);
      if (given.length === 0) return { command: editAdditions(context, { [key]: undefined }) };
      return tryApply(() => editAdditions(context, parse(given)));
    },
  };
}

/** Parted by commas. */
export const textsOf = (text: string): string[] =>
  text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');

const switchChoices = [
  { value: '', label: 'as it is' },
  { value: 'yes', label: 'on' },
  { value: 'no', label: 'off' },
];
const consoleChoices = [
  { value: '', label: 'as it is' },
  { value: 'yes', label: 'on' },
];
const agentChoices = [
  { value: '', label: 'as it is' },
  { value: 'yes', label: 'installed at the first start' },
];
const toolChoices = [
  { value: '', label: 'switched off' },
  { value: 'yes', label: 'removed at the first start' },
];

function choiceField(
  context: MachineContext,
  key: 'serialConsole' | 'cloudInit' | 'agent' | 'removeTools',
  label: string,
  help: string,
  choices: readonly Choice[],
): ConfigField {
  const set = context.edit.guest?.add?.[key];
  const value = set === undefined ? '' : set ? 'yes' : 'no';
  return {
    group,
    kind: 'choice',
    key: `guest:${key}`,
    label: `  ${label}`,
    help,
    value,
    shown: labelOf(choices, value),
    choices,
    changed: set !== undefined,
    apply: (next) => ({
      command: editAdditions(context, { [key]: next === '' ? undefined : next === 'yes' }),
    }),
  };
}

function driversField(context: MachineContext): ConfigField {
  const path = context.edit.guest?.windowsDrivers;
  return {
    group,
    kind: 'text',
    key: 'guest:drivers',
    label: '  Windows drivers',
    help: 'an ISO image or a folder with the drivers of the destination (virtio-win)',
    text: path ?? '',
    shown: path ?? 'none',
    changed: path !== undefined,
    apply: (text) => ({
      command: editGuest(context, {
        windowsDrivers: text.trim() === '' ? undefined : pathHere(text.trim()),
      }),
    }),
  };
}

const engineChoices = [
  { value: '', label: 'whichever can' },
  { value: 'builtin', label: 'the built-in one' },
  { value: 'libguestfs', label: 'libguestfs' },
];

function engineField(context: MachineContext): ConfigField {
  const value = context.edit.guest?.engine ?? '';
  return {
    group,
    kind: 'choice',
    key: 'guest:engine',
    label: '  Written by',
    help: 'what writes into the guest; the findings say which one it is',
    value,
    shown: labelOf(engineChoices, value),
    choices: engineChoices,
    changed: value !== '',
    apply: (next) => ({
      command: editGuest(context, { engine: next === '' ? undefined : (next as GuestPlan['engine']) }),
    }),
  };
}

const asIs = { value: '', label: 'as it is' };
const busChoices: readonly Choice[] = [
  asIs,
  { value: 'virtio', label: 'virtio' },
  { value: 'sata', label: 'SATA' },
  { value: 'scsi', label: 'SCSI' },
  { value: 'ide', label: 'IDE' },
  { value: 'nvme', label: 'NVMe' },
];

export function busField({ id, edit, planned }: MachineContext): ConfigField {
  const value = edit.diskBus ?? '';
  const own = [...new Set(planned.disks.flatMap(({ bus }) => bus ?? []))].join(', ');
  return {
    group: 'Machine',
    kind: 'choice',
    key: 'bus',
    label: 'Disk bus',
    help: 'what all disks are attached by; the guest is given the drivers, where its changes are not "nothing"',
    value,
    shown: value === '' && own !== '' ? `as it is: ${own}` : labelOf(busChoices, value),
    choices: busChoices,
    changed: value !== '',
    apply: (bus) => ({ command: editMachine(id, { diskBus: bus === '' ? undefined : (bus as DiskBus) }) }),
  };
}

export function cardField({ id, edit }: MachineContext): ConfigField {
  const value = edit.nicModel ?? '';
  const choices = [
    { value: '', label: 'each as below' },
    ...nicModels.map((model) => ({ value: model, label: model })),
  ];
  return {
    group: 'Machine',
    kind: 'choice',
    key: 'card',
    label: 'Network card',
    help: 'the model of all adapters at once',
    value,
    shown: labelOf(choices, value),
    choices,
    changed: value !== '',
    apply: (model) => ({ command: editMachine(id, { nicModel: model === '' ? undefined : model }) }),
  };
}
