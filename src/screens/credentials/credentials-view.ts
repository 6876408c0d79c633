/** Rows, lines and forms of the credentials screen: pure. */
import type { Command } from '../../state/commands.ts';
import type { EnvironmentInfo, Field, Profile, SecretStoreInfo, State } from '../../state/state.ts';
import { tellingSettings } from '../profile-text.ts';
import type { ChoiceItem } from '../widgets/choice-dialog.tsx';
import type { FormField, Values } from '../widgets/form-state.ts';
import type { Glyphs } from '../widgets/terminal.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

/** The first row, `undefined`, goes on without. */
export type Row = Profile | undefined;
export const without = 'without';
export const keyOfRow = (row: Row): string => row?.id ?? without;
export const rowsOf = (state: State): Row[] => [undefined, ...state.profiles];

export const nameOfRow = (row: Row): string => row?.name ?? 'Continue without credentials';

export function environmentOf(state: State, id: string): EnvironmentInfo | undefined {
  return state.catalog.environments.find((e) => e.id === id);
}

/** The settings in a row of the list; never a secret, those are not in the state. */
export function settingsText(row: Row, state: State): string {
  if (row === undefined) return 'none are needed here';
  return tellingSettings(environmentOf(state, row.environment)?.fields ?? [], row.settings).join(', ');
}

export function statusOfRow(row: Row, state: State): string {
  if (row?.id === state.profile && row !== undefined) return 'in use';
  const test = state.profileTest;
  if (row === undefined || test?.profile !== row.id) return '';
  return { busy: 'testing', passed: 'passed', failed: 'FAILED' }[test.status];
}

/** How the test of a profile has ended, with what to do. */
export function testLines({ profileTest: test }: State, { check, cross }: Glyphs): PaneLine[] {
  if (test === undefined || test.status === 'busy') return [];
  return test.status === 'passed'
    ? [{ text: `${check} test passed: ${test.text}`, tone: 'ok' }]
    : [{ text: `${cross} test failed: ${test.text}`, tone: 'error', hang: 2 }];
}

/** What to press, for who is here for the first time, and what stands in the way of the row under the cursor. */
export function adviceLines(row: Row, state: State): PaneLine[] {
  if (row === undefined) {
    const open = state.catalog.environments.filter(
      (e) => !e.fields.some((f) => f.required || f.kind === 'secret'),
    );
    const names = open.map((e) => e.label).join(', ');
    return [
      {
        text: `Enter goes on: ${names === '' ? 'an environment' : names} and the sample machine need no credentials.`,
      },
      {
        text: 'a adds a profile: the address, the user and the password of another environment.',
        tone: 'dim',
      },
    ];
  }
  const locked = row.secretFields.length > 0 ? whyLocked(state.secretStore) : undefined;
  const known = environmentOf(state, row.environment);
  return [
    { text: `Enter uses it${known === undefined ? '' : ` to reach "${known.label}"`}; t tests it.` },
    ...(locked === undefined
      ? []
      : [{ text: `Its password can't be used yet: ${locked}.`, tone: 'warn' as const }]),
  ];
}

const statusWords = {
  ready: '',
  locked: 'locked: u unlocks it',
  absent: 'not made yet; it is made with the first password, or by u',
} as const;

/** Where secrets are kept, and why not elsewhere. */
export function storeLines(store: SecretStoreInfo | undefined): PaneLine[] {
  if (store === undefined) return [{ text: 'Secrets: looking for a place to keep them ...', tone: 'dim' }];
  const status = statusWords[store.status];
  const forced = store.choice === 'auto' ? '' : ' (chosen by you)';
  const first: PaneLine = {
    text: `Secrets are kept in: ${store.description}${forced}`,
    tone: store.kind === 'memory' || store.status !== 'ready' ? 'warn' : 'plain',
  };
  const standing: PaneLine[] = status === '' ? [] : [{ text: `  ${status}`, tone: 'warn' }];
  return [
    first,
    ...standing,
    ...store.tried.map((text): PaneLine => ({ text: `  ${text}`, tone: 'dim', hang: 4 })),
  ];
}

/** Why a profile's secret can't be used now. */
export function whyLocked(store: SecretStoreInfo | undefined): string | undefined {
  if (store === undefined) return 'the secret store is not ready yet';
  return store.status === 'ready' ? undefined : 'the vault is not open; u opens it';
}

/** The form of an environment's fields. A secret of an existing profile may be left empty. */
export function profileFields(environment: EnvironmentInfo, profile: Row, state: State): FormField[] {
  const taken = new Set(state.profiles.filter((p) => p.id !== profile?.id).map((p) => p.name));
  const name: FormField = {
    key: nameKey,
    label: 'Name',
    help: 'how the list of profiles calls it, such as "lab"',
    kind: 'text',
    required: true,
    value: profile?.name ?? '',
    validate: (value) => (taken.has(value.trim()) ? 'another profile has this name' : undefined),
  };
  return [name, ...environment.fields.map((field) => formField(field, profile?.settings, profile))];
}

/** One of the form's own fields; an environment's key can't have the blank. */
export const nameKey = 'profile name';

export function formField(
  field: Field,
  settings: Readonly<Record<string, string>> | undefined,
  profile?: Row,
): FormField {
  const kept = field.kind === 'secret' && profile?.secretFields.includes(field.key) === true;
  const value = field.kind === 'secret' ? '' : (settings?.[field.key] ?? field.default ?? '');
  return {
    key: field.key,
    label: field.label,
    help: kept ? 'empty: the secret stays as it is' : field.help,
    kind: field.kind,
    required: field.required && !kept,
    ...(value === '' ? {} : { value }),
    ...(kept ? { placeholder: '(unchanged)' } : {}),
    ...(field.choices === undefined ? {} : { choices: field.choices.map((c) => ({ value: c, label: c })) }),
  };
}

export function saveCommand(
  environment: EnvironmentInfo,
  values: Values,
  profile: Row,
): Extract<Command, { type: 'save-profile' }> {
  const entries = environment.fields.map((field) => ({ field, value: values[field.key] ?? '' }));
  const pick = (secret: boolean) =>
    Object.fromEntries(
      entries
        .filter(({ field, value }) => (field.kind === 'secret') === secret && value !== '')
        .map(({ field, value }) => [field.key, value]),
    );
  return {
    type: 'save-profile',
    ...(profile === undefined ? {} : { id: profile.id }),
    name: (values[nameKey] ?? '').trim(),
    environment: environment.id,
    settings: pick(false),
    secrets: pick(true),
  };
}

export const storeChoices: readonly ChoiceItem[] = [
  {
    value: 'auto',
    label: 'automatic: the best that works here',
    help: 'the system keychain; where there is none an encrypted file; where that can not be written, memory',
  },
  {
    value: 'keychain',
    label: 'the system keychain',
    help: 'kept by the desktop: unlocked with your session, no passphrase of its own',
  },
  {
    value: 'vault',
    label: 'an encrypted file with a passphrase',
    help: 'for a jump host: the passphrase is asked for once per start; without it nothing can be read',
  },
  {
    value: 'memory',
    label: 'memory only: forgotten at the end',
    help: 'nothing is written; after a restart the passwords are typed again',
  },
];

/** Environments that a profile can be made for. */
export const environmentChoices = (state: State): ChoiceItem[] =>
  state.catalog.environments.map((e) => ({ value: e.id, label: e.label, help: e.summary }));

/** Who adds a profile most likely has a password to keep. */
export const firstWithSecrets = (state: State): string | undefined =>
  state.catalog.environments.find((e) => e.fields.some((f) => f.kind === 'secret'))?.id;

export function vaultFields(status: SecretStoreInfo['status']): FormField[] {
  const passphrase: FormField = {
    key: 'passphrase',
    label: 'Passphrase',
    kind: 'secret',
    required: true,
    help:
      status === 'absent'
        ? 'at least 8 characters; it can not be recovered'
        : 'opens the vault until vmferry ends',
  };
  if (status !== 'absent') return [passphrase];
  const long: FormField = {
    ...passphrase,
    validate: (v) => ([...v].length < 8 ? 'at least 8 characters' : undefined),
  };
  const again: FormField = {
    key: 'again',
    label: 'Once more',
    kind: 'secret',
    required: true,
    help: 'the same passphrase, so that a slip does not lock you out',
    validate: (value, values) => (value === values.passphrase ? undefined : 'the two are not the same'),
  };
  return [long, again];
}
