/** Which place takes the machines: a folder here, or an environment with a form of its own. Pure. */

import { describeFailure } from '../../model/errors.ts';
import type { Field } from '../../model/field.ts';
import type { Command } from '../../state/commands.ts';
import type { Destination, State } from '../../state/state.ts';
import { tellingSettings } from '../profile-text.ts';
import type { ChoiceItem } from '../widgets/choice-dialog.tsx';
import type { PaneLine } from '../widgets/text-pane-view.ts';
import { type Choice, type ConfigField, labelOf, yesNo } from './field.ts';

const folderHere = 'folder';

/** A folder, the profiles of environments that take machines, and those that need no profile. */
export function placeChoices({ catalog, profiles }: State): ChoiceItem[] {
  const able = catalog.environments.filter((e) => e.id !== 'local' && e.roles.includes('destination'));
  const ofProfiles = profiles.flatMap((profile): ChoiceItem[] => {
    const environment = able.find((e) => e.id === profile.environment);
    if (environment === undefined) return [];
    const told = tellingSettings(environment.fields, profile.settings);
    const help = [environment.label, ...told].join(', ');
    return [{ value: `profile:${profile.id}`, label: profile.name, help }];
  });
  const bare = able.map((environment): ChoiceItem => {
    const needs = environment.fields.some((f) => f.required && f.default === undefined);
    return {
      value: `environment:${environment.id}`,
      label: `${environment.label}${needs ? ' (add a profile for it first: 1, then a)' : ''}`,
      help: needs
        ? environment.summary
        : `${environment.summary}; with its usual settings, without a profile`,
    };
  });
  return [
    { value: folderHere, label: 'A folder here', help: 'files on this computer, for any product' },
    ...ofProfiles,
    ...bare,
  ];
}

/** The way to what a choice means. */
export function placeCommand(value: string, { profiles }: State): Command {
  if (value === folderHere) return { type: 'leave-destination' };
  const id = value.slice(value.indexOf(':') + 1);
  const profile = value.startsWith('profile:') ? profiles.find((p) => p.id === id) : undefined;
  return profile === undefined
    ? { type: 'connect-destination', environment: id }
    : { type: 'connect-destination', environment: profile.environment, profile: profile.id };
}

/** The same once more; undefined for a folder. */
export const reconnectCommand = (destination: Destination): Command | undefined =>
  destination.status === 'folder'
    ? undefined
    : {
        type: 'connect-destination',
        environment: destination.environment,
        ...(destination.profile === undefined ? {} : { profile: destination.profile }),
      };

export function placeField(state: State): ConfigField {
  const { destination } = state;
  const value =
    destination.status === 'folder'
      ? folderHere
      : destination.profile === undefined
        ? `environment:${destination.environment}`
        : `profile:${destination.profile}`;
  return {
    group: 'Destination',
    kind: 'pick',
    key: 'destination',
    label: 'Destination',
    help: 'a folder here, or an environment that takes the machine as it is to run there',
    value,
    shown: shownPlace(destination),
    choices: placeChoices(state),
    changed: false,
    apply: (next) => ({ command: placeCommand(next, state) }),
  };
}

function shownPlace(destination: Destination): string {
  switch (destination.status) {
    case 'folder':
      return 'A folder here';
    case 'connecting':
      return `${destination.label} (connecting)`;
    case 'failed':
      return `${destination.label} (NOT CONNECTED)`;
    case 'connected':
      return destination.label;
  }
}

/** The destination's own form, and whether the machine is started there. */
export function deliveryFields(state: State): ConfigField[] {
  const { destination, draft } = state;
  if (destination.status !== 'connected') return [];
  const fields = destination.fields.filter((field) => field.kind !== 'secret');
  return fields.map((field) => deliveryField(field, draft.delivery ?? {}));
}

function deliveryField(field: Field, given: Readonly<Record<string, string>>): ConfigField {
  const { key, default: usual = '' } = field;
  const value = given[key] ?? usual;
  const { [key]: _, ...others } = given;
  const take = (next: string) => ({
    command: {
      type: 'draft',
      change: { delivery: next === usual ? others : { ...others, [key]: next } },
    } as const,
  });
  const base = {
    group: 'Destination',
    key: `delivery:${key}`,
    label: field.label,
    help: field.help,
    changed: value !== usual,
  };
  const choices = choicesOf(field, value);
  if (choices !== undefined) {
    const few = choices.length < 2 ? { reason: 'there is nothing else there' } : {};
    return { ...base, kind: 'choice', value, choices, shown: labelOf(choices, value), ...few, apply: take };
  }
  return {
    ...base,
    kind: 'text',
    text: value,
    shown: value === '' ? 'left to the destination' : value,
    apply: (text) =>
      field.required && text.trim() === '' ? { error: `${field.label} is needed` } : take(text.trim()),
  };
}

/** What is set and not to be had any more stays among them, so that it can be seen. */
function choicesOf(
  { kind, choices, required, default: usual }: Field,
  value: string,
): readonly Choice[] | undefined {
  if (kind === 'boolean') return yesNo;
  if (choices === undefined) return undefined;
  const none = !required && (usual ?? '') === '' && !choices.includes('') ? [''] : [];
  return [...new Set([...none, ...choices, value])].map((choice) => ({
    value: choice,
    label: choice === '' ? 'left to the destination' : choice,
  }));
}

/** Files are taken for any product, as a folder does it; an environment with a product of its own takes its disks. */
export const takesFiles = ({ destination }: State): boolean =>
  destination.status === 'folder' ||
  (destination.status === 'connected' && destination.product === undefined);

/** Whether what was delivered is started; there is nothing to start in a folder. */
export function startAfterFields(state: State): ConfigField[] {
  const { draft } = state;
  if (takesFiles(state)) return [];
  const yes = draft.start === true;
  return [
    {
      group: 'Writing',
      kind: 'choice',
      key: 'start-after',
      label: 'Start afterwards',
      help: 'start the machine at the destination when it is whole; if that fails, it stays all the same',
      value: yes ? 'yes' : 'no',
      shown: yes ? 'yes, as soon as it is there' : 'no, leave it off',
      choices: yesNo,
      changed: yes,
      apply: (value) => ({
        command: { type: 'draft', change: { start: value === 'yes' ? true : undefined } },
      }),
    },
  ];
}

/** Why there can't be a plan yet. */
export function placeReason({ destination }: State): string | undefined {
  if (destination.status === 'connecting') return `the destination, ${destination.label}, is being connected`;
  return destination.status === 'failed'
    ? `the destination, ${destination.label}, is not connected; r tries again`
    : undefined;
}

/** What went wrong with the connection, and what can be done. */
export function placeFailureLines({ destination }: State): PaneLine[] {
  if (destination.status !== 'failed') return [];
  const { hint, ...failure } = destination.failure;
  return [
    { text: `NOT CONNECTED to ${destination.label}: ${describeFailure(failure)}`, tone: 'error' },
    ...(hint === undefined ? [] : [{ text: `What to try: ${hint}` }]),
    { text: 'r tries again; Enter on "Destination" chooses another one.', tone: 'dim' },
    { text: '' },
  ];
}
