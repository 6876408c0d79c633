/** Rows and words of the environment screen: pure. */
import { describeFailure } from '../../model/errors.ts';
import type { EnvironmentInfo, LeftOutPlugin, State } from '../../state/state.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

export type Row =
  | { readonly kind: 'environment'; readonly environment: EnvironmentInfo }
  /** From outside, and not loaded. */
  | { readonly kind: 'plugin'; readonly plugin: LeftOutPlugin }
  | { readonly kind: 'sample'; readonly path: string };

export function keyOfRow(row: Row): string {
  switch (row.kind) {
    case 'environment':
      return row.environment.id;
    case 'plugin':
      return `plugin:${row.plugin.key}`;
    case 'sample':
      return 'the sample';
  }
}

/** The environment of disk images here: always there, needs nothing. */
export const thisComputer = 'local';

export function rowsOf(state: State): Row[] {
  const sources = state.catalog.environments.filter((e) => e.roles.includes('source'));
  const rows = [
    ...sources.map((environment): Row => ({ kind: 'environment', environment })),
    ...state.leftOutPlugins.map((plugin): Row => ({ kind: 'plugin', plugin })),
  ];
  const { sample } = state.catalog;
  return sample === undefined ? rows : [...rows, { kind: 'sample', path: sample }];
}

export function labelOf(row: Row): string {
  if (row.kind === 'plugin') return `Plugin ${row.plugin.name}`;
  return row.kind === 'sample' ? 'The sample machine' : row.environment.label;
}

export function summaryOf(row: Row): string {
  if (row.kind === 'plugin') return row.plugin.where;
  return row.kind === 'sample'
    ? 'a small machine that comes along, to try a whole conversion'
    : row.environment.summary;
}

/** The chosen profile, where it belongs to this environment. */
export function profileOf(row: Row, state: State): State['profiles'][number] | undefined {
  if (row.kind !== 'environment') return undefined;
  return state.profiles.find((p) => p.id === state.profile && p.environment === row.environment.id);
}

const pluginStatus = { untrusted: 'not trusted', changed: 'CHANGED', broken: 'BROKEN' } as const;

export function statusOf(row: Row, state: State): string {
  const { connection } = state;
  if (row.kind === 'sample') return 'ready';
  if (row.kind === 'plugin') return pluginStatus[row.plugin.status];
  if (connection.status !== 'none' && connection.environment === row.environment.id) {
    return connection.status === 'failed' ? 'FAILED' : connection.status;
  }
  if (whyNot(row, state) !== undefined) return 'needs a profile';
  return profileOf(row, state)?.name ?? 'ready';
}

/** Why it can't be connected to now. */
export function whyNot(
  row: Row | undefined,
  state: State,
  typed: Readonly<Record<string, string>> = {},
): string | undefined {
  if (row === undefined) return 'no row passes the filter';
  if (row.kind !== 'environment') return undefined;
  // A secret is asked for where it is needed; or its environment says that it takes a profile.
  const missing = row.environment.fields.filter(
    (f) => f.required && f.kind !== 'secret' && f.default === undefined && !typed[f.key],
  );
  if (missing.length === 0 || profileOf(row, state) !== undefined) return undefined;
  const have = state.profiles.some((p) => p.environment === row.environment.id);
  return have
    ? 'choose one of its profiles first (1)'
    : 'add a profile for it first (1, then a), or give its settings (e)';
}

/** Where one most likely wants to go: the profile that was chosen since, else what is connected or was tried. */
export function startRow(state: State): string | undefined {
  const { connection } = state;
  const chosen = state.profiles.find((p) => p.id === state.profile);
  if (connection.status === 'none') return chosen?.environment;
  return chosen === undefined || chosen.id === connection.profile
    ? connection.environment
    : chosen.environment;
}

/** The fields that may be changed for this connection alone: all but the secrets. */
export const settableFields = (row: Row | undefined) =>
  row?.kind === 'environment' ? row.environment.fields.filter((f) => f.kind !== 'secret') : [];

/** What is said below the list. */
export function detailLines(row: Row | undefined, state: State): PaneLine[] {
  const { connection } = state;
  if (connection.status === 'failed') {
    const { environment, failure } = connection;
    const { hint, ...rest } = failure;
    const name = state.catalog.environments.find((e) => e.id === environment)?.label ?? environment;
    const here = row?.kind === 'environment' && row.environment.id === environment;
    return [
      { text: `${name}: connecting failed: ${describeFailure(rest)}`, tone: 'error' },
      ...(hint === undefined ? [] : [{ text: `What to try: ${hint}` }]),
      ...(here ? [{ text: 'Enter tries again; 1 goes back to the credentials.', tone: 'dim' as const }] : []),
    ];
  }
  const connected: PaneLine[] =
    connection.status === 'connected' ? [{ text: `Connected: ${connection.label}`, tone: 'ok' }] : [];
  if (row === undefined) return connected;
  if (row.kind === 'sample') return [...connected, { text: summaryOf(row) }, { text: row.path, tone: 'dim' }];
  if (row.kind === 'plugin') return [...connected, ...pluginLines(row.plugin)];
  const { roles, fields } = row.environment;
  const needed = fields.filter((f) => f.required).map((f) => f.label.toLowerCase());
  return [
    ...connected,
    { text: summaryOf(row) },
    { text: `it can be: ${roles.join(' and ')}`, tone: 'dim' },
    { text: needed.length === 0 ? 'needs nothing' : `needs: ${needed.join(', ')}`, tone: 'dim' },
  ];
}

/** Why it is not loaded, and what loads it. */
export function pluginLines({ name, status, reason, origin, where, version }: LeftOutPlugin): PaneLine[] {
  const why = {
    untrusted: 'It is not loaded: you have not said yet that you trust it.',
    changed: 'It is not loaded: it has CHANGED since you said that you trust it.',
    broken: `It is not loaded: ${reason}`,
  }[status];
  return [
    { text: why, tone: status === 'untrusted' ? 'warn' : 'error' },
    { text: `from: ${origin}, ${where}${version === undefined ? '' : `, version ${version}`}`, hang: 2 },
    status === 'broken'
      ? { text: 'Set it right where it comes from; "vmferry plugins" lists all there are.', tone: 'dim' }
      : { text: `Enter trusts it; so does: vmferry plugins trust ${name}`, tone: 'dim' },
  ];
}

export const trustQuestion = ({ name, status, origin, where, version }: LeftOutPlugin): string =>
  [
    `Trust the plugin "${name}"${version === undefined ? '' : `, version ${version}`}${status === 'changed' ? ', as it is NOW' : ''}?`,
    `It comes from: ${origin}, ${where}`,
    '',
    'Its code runs with all your rights, and is given the secrets of its profiles. Trust it only when you know who made it. When it changes, you are asked again.',
  ].join('\n');
