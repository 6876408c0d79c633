/** Opening a session: the context that a plugin gets, with secrets, questions and steps. */
import { type Connector, type ConnectRequest, pluginById } from '../../convert/sessions.ts';
import type { PluginContext, Session, Settings } from '../../env-plugins/plugin.ts';
import { AppError } from '../../model/errors.ts';
import type { Opening } from '../../model/plan.ts';
import { parsePartition, parseWindow } from '../../model/window.ts';
import type { EffectContext } from '../dispatcher.ts';

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
});

export async function openSession(
  context: EffectContext,
  request: ConnectRequest,
  signal: AbortSignal,
  report: (step: string) => void,
): Promise<Session> {
  const { services } = context;
  const plugin = pluginById(services.plugins, request.environment);
  for (const field of plugin.fields) {
    if (field.required && field.kind !== 'secret' && (request.settings[field.key] ?? '') === '') {
      throw new AppError('usage', `"${field.label}" is missing`, { hint: field.help });
    }
  }
  const pluginContext: PluginContext = {
    signal,
    report: (step) => report(services.redactor.redact(step)),
    secret: (key) => secretFor(context, request.profile, key),
    confirm: (question) => ask(context, services.redactor.redact(question), signal),
  };
  const session = await plugin.connect(request.settings, pluginContext);
  return Object.assign(session, { secret: pluginContext.secret });
}

/** A connector for runs: each opens sessions of its own. */
export const connectorFor =
  (context: EffectContext, report: (step: string) => void): Connector =>
  async (request, signal) =>
    openSession(
      context,
      { ...request, settings: await settingsFor(context, request.profile, request.settings) },
      signal,
      report,
    );

async function secretFor(context: EffectContext, profile: string | undefined, key: string): Promise<string> {
  const { givenSecrets, secrets, redactor } = context.services;
  const given = await givenSecrets.get(key)?.();
  if (given !== undefined) {
    redactor.add(given);
    return given;
  }
  const kept = profile === undefined ? undefined : await secrets.get(profile, key);
  if (kept !== undefined) return kept;
  throw new AppError('auth', `there is no secret for "${key}"`, {
    hint: `add it to the profile on the Credentials screen, or give it with --secret ${key}=env:NAME`,
  });
}

/** A yes-or-no question to whoever is there; resolves to no when the command is cancelled. */
function ask(context: EffectContext, text: string, signal: AbortSignal): Promise<boolean> {
  const { live, emit } = context;
  const id = live.nextQuestion++;
  return new Promise((resolve) => {
    const answer = (yes: boolean) => {
      signal.removeEventListener('abort', refuse);
      live.questions.delete(id);
      emit({ type: 'question' });
      resolve(yes);
    };
    const refuse = () => answer(false);
    signal.addEventListener('abort', refuse, { once: true });
    live.questions.set(id, answer);
    emit({ type: 'question', question: { id, text } });
  });
}
