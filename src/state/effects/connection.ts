/** Opening a session: the context that a plugin gets, with secrets, questions and steps. */
import { type Connector, type ConnectRequest, pluginById } from '../../convert/sessions.ts';
import type { PluginContext, Session, Settings } from '../../env-plugins/plugin.ts';
import { sparingly } from '../../io/retrying.ts';
import { AppError, toFailure } from '../../model/errors.ts';
import type { Opening } from '../../model/plan.ts';
import { parsePartition, parseWindow } from '../../model/window.ts';
import type { EffectContext, LiveSession } from '../dispatcher.ts';
import { placeName } from '../state.ts';
import { knowEnvironment } from './plugins.ts';
import { ask, confirm } from './questions.ts';

/** The profile's settings with the given ones over them. @throws AppError `not-found`. */
export async function settingsFor(
  context: EffectContext,
  profile: string | undefined,
  settings: Settings,
): Promise<Record<string, string>> {
  if (profile === undefined) return { ...settings };
  const found = (await context.services.profiles.list()).find((p) => p.id === profile);
  if (found === undefined)
    throw new AppError('not-found', 'this profile is gone', { hint: 'choose another one' });
  return { ...found.settings, ...settings };
}

/** How the session's images are to be opened: what the user said with the settings. */
export const trustOf = (settings: Settings): Opening => ({
  follow: settings.follow === 'yes',
  ...(settings.from === undefined || settings.from === '' ? {} : { format: settings.from }),
  ...(settings.snapshot === undefined || settings.snapshot === '' ? {} : { snapshot: settings.snapshot }),
  ...((settings.window ?? '') === '' ? {} : { window: parseWindow(settings.window!) }),
  ...((settings.partition ?? '') === '' ? {} : { partition: parsePartition(settings.partition!) }),
  ...(settings.table === 'mbr' || settings.table === 'gpt' ? { table: settings.table } : {}),
});

export async function openSession(
  context: EffectContext,
  request: ConnectRequest,
  signal: AbortSignal,
  report: (step: string) => void,
  note?: (text: string) => void,
): Promise<Session> {
  const { services } = context;
  await knowEnvironment(context, request.environment);
  const plugin = pluginById(services.plugins, request.environment);
  for (const field of plugin.fields) {
    if (field.required && field.kind !== 'secret' && (request.settings[field.key] ?? '') === '') {
      throw new AppError('usage', `"${field.label}" is missing`, { hint: field.help });
    }
  }
  const pluginContext: PluginContext = {
    signal,
    report: (step) => report(services.redactor.redact(step)),
    ...(note === undefined ? {} : { note: sparingly(note) }),
    secret: (key) => secretFor(context, request, key),
    confirm: (text) => confirm(context, { text, from: askerOf(context, request) }, signal),
    ...(services.canAnswer
      ? { ask: ({ text, hidden }) => ask(context, { text, from: askerOf(context, request), hidden }, signal) }
      : {}),
  };
  const session = await plugin.connect(request.settings, pluginContext);
  return Object.assign(session, { secret: pluginContext.secret });
}

/** Two environments may ask at once: which one it is, for people. */
function askerOf(context: EffectContext, request: ConnectRequest): string {
  const { host = '' } = request.settings;
  const { environment, profile } = request;
  const name = placeName(context.getState(), {
    environment,
    ...(profile === undefined ? {} : { profile }),
  });
  return host === '' || name === host ? name : `${name}, ${host}`;
}

/** A connector for runs: each opens sessions of its own. `note` is for their log. */
export const connectorFor =
  (context: EffectContext, report: (step: string) => void, note?: (text: string) => void): Connector =>
  async (request, signal) =>
    openSession(
      context,
      { ...request, settings: await settingsFor(context, request.profile, request.settings) },
      signal,
      report,
      note,
    );

/**
 * The sessions that are open already where they are the same, else new ones: a plan is looked at anew after each
 * change, and each connection takes seconds and may ask something.
 */
export function reviewConnector(context: EffectContext): Connector {
  const anew = connectorFor(context, () => undefined);
  return async (request, signal) => {
    const { live } = context;
    const open = request.role === 'destination' ? live.destination : live.session;
    if (open === undefined || !isFor(open, request)) return anew(request, signal);
    const { source, destination, secret } = open.session;
    return {
      ...(source === undefined ? {} : { source }),
      ...(destination === undefined ? {} : { destination }),
      ...(secret === undefined ? {} : { secret: secret.bind(open.session) }),
      async close() {
        // it stays open: it is not ours
      },
    };
  };
}

/** A destination's request has the settings of the delivery as well. */
const isFor = (open: LiveSession, { environment, profile, settings }: ConnectRequest): boolean =>
  open.environment === environment &&
  open.profile === profile &&
  Object.entries(open.settings).every(([key, value]) => settings[key] === value);

/** A secret of the source is never offered to the destination: that may be somebody else's host. */
async function secretFor(context: EffectContext, request: ConnectRequest, key: string): Promise<string> {
  const { givenSecrets, secrets, redactor, plugins } = context.services;
  const { profile, role, environment } = request;
  const ofConnection = pluginById(plugins, environment).fields.some((field) => field.key === key);
  const scoped = role === 'destination' && (ofConnection || givenSecrets.has(destinationSecret(key)));
  const given = await givenSecrets
    .get(scoped ? destinationSecret(key) : key)?.()
    .catch(asMistake);
  if (given !== undefined) {
    redactor.add(given);
    return given;
  }
  const kept = profile === undefined ? undefined : await secrets.get(profile, key);
  if (kept !== undefined) return kept;
  throw new AppError('auth', `there is no secret for "${key}"`, {
    hint: `add it to the profile on the Credentials screen, or give it with ${scoped ? '--to-secret' : '--secret'} ${key}=env:NAME`,
  });
}

/** A reference that leads nowhere is no secret that nobody gave: it is not asked for, nor done without. */
function asMistake(error: unknown): never {
  const { kind, message, where, hint } = toFailure(error);
  if (kind !== 'auth') throw error;
  throw new AppError('usage', message, {
    ...{ cause: error },
    ...(where === undefined ? {} : { where }),
    ...(hint === undefined ? {} : { hint }),
  });
}

/** How `Services.givenSecrets` names a secret that is for the destination alone. */
export const destinationSecret = (field: string): string => `to:${field}`;
