/** Rows and words of the environment screen: pure. */
import { describeFailure } from '../../model/errors.ts';
import type { EnvironmentInfo, State } from '../../state/state.ts';
import type { PaneLine } from '../widgets/text-pane-view.ts';

export type Row =
  | { readonly kind: 'environment'; readonly environment: EnvironmentInfo }
  | { readonly kind: 'sample'; readonly path: string };

export const keyOfRow = (row: Row): string => (row.kind === 'sample' ? 'the sample' : row.environment.id);

/** The environment of disk images here: always there, needs nothing. */
export const thisComputer = 'local';

export function rowsOf(state: State): Row[] {
  const sources = state.catalog.environments.filter((e) => e.roles.includes('source'));
  const rows = sources.map((environment): Row => ({ kind: 'environment', environment }));
  const { sample } = state.catalog;
  return sample === undefined ? rows : [...rows, { kind: 'sample', path: sample }];
}

export const labelOf = (row: Row): string =>
  row.kind === 'sample' ? 'The sample machine' : row.environment.label;

export const summaryOf = (row: Row): string =>
  row.kind === 'sample'
    ? 'a small machine that comes along, to try a whole conversion'
    : row.environment.summary;

/** The chosen profile, where it belongs to this environment. */
export function profileOf(row: Row, state: State): State['profiles'][number] | undefined {
  if (row.kind === 'sample') return undefined;
  return state.profiles.find((p) => p.id === state.profile && p.environment === row.environment.id);
}

export function statusOf(row: Row, state: State): string {
  const { connection } = state;
  if (row.kind === 'sample') return 'ready';
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
  if (row.kind === 'sample') return undefined;
  const missing = row.environment.fields.filter(
    (f) => f.required && f.default === undefined && !typed[f.key],
  );
  if (missing.length === 0 || profileOf(row, state) !== undefined) return undefined;
  const have = state.profiles.some((p) => p.environment === row.environment.id);
  return have
    ? 'choose one of its profiles first (1)'
    : 'add a profile for it first (1, then a), or give its settings (e)';
}

/** Where one most likely wants to go: what is connected or was tried, else the environment of the profile. */
export function startRow(state: State): string | undefined {
  const { connection } = state;
  if (connection.status !== 'none') return connection.environment;
  return state.profiles.find((p) => p.id === state.profile)?.environment;
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
  const { roles, fields } = row.environment;
  const needed = fields.filter((f) => f.required).map((f) => f.label.toLowerCase());
  return [
    ...connected,
    { text: summaryOf(row) },
    { text: `it can be: ${roles.join(' and ')}`, tone: 'dim' },
    { text: needed.length === 0 ? 'needs nothing' : `needs: ${needed.join(', ')}`, tone: 'dim' },
  ];
}
