/** Profiles and the store of their secrets. */
import { pluginById } from '../../convert/sessions.ts';
import { describeFailure, toFailure } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { Profile } from '../state.ts';
import { openSession } from './connection.ts';

export const load: Effect<'load'> = async (_, context) => {
  const { services, emit } = context;
  const preferences = await services.preferences.load();
  const { lastDestination } = preferences;
  if (lastDestination !== undefined) emit({ type: 'drafted', change: lastDestination });
  await Promise.all([
    emitProfiles(context),
    context.perform({ type: 'history' }),
    context.perform({ type: 'load-plugins' }),
    ...(services.runs === undefined ? [] : [context.perform({ type: 'runs' })]),
    services.secrets.choose(preferences.secretStore).then((store) => emit({ type: 'secret-store', store })),
  ]);
};

export const chooseSecretStore: Effect<'choose-secret-store'> = async ({ choice }, { services, emit }) => {
  emit({ type: 'secret-store', store: await services.secrets.choose(choice) });
  await services.preferences.update({ secretStore: choice });
};

export const unlockVault: Effect<'unlock-vault'> = async ({ passphrase }, { services, emit }) => {
  emit({ type: 'secret-store', store: await services.secrets.unlock(passphrase) });
};

export const saveProfile: Effect<'save-profile'> = async (command, context) => {
  const { services } = context;
  const plugin = pluginById(services.plugins, command.environment);
  const former = context.getState().profiles.find((p) => p.id === command.id);
  const secretKeys = plugin.fields.filter((f) => f.kind === 'secret').map((f) => f.key);
  const given = Object.entries(command.secrets).filter(([, secret]) => secret !== '');
  const secretFields = secretKeys.filter(
    (key) => given.some(([k]) => k === key) || former?.secretFields.includes(key),
  );
  const saved = await services.profiles.save({
    ...(command.id === undefined ? {} : { id: command.id }),
    name: command.name,
    environment: command.environment,
    settings: command.settings,
    secretFields,
  });
  try {
    for (const [key, secret] of given) await services.secrets.set(saved.id, key, secret);
  } catch (error) {
    // A profile that promises a secret it doesn't have would fail at 2 a.m.
    if (former === undefined) await services.profiles.remove(saved.id);
    throw error;
  }
  await emitProfiles(context);
  // Of a new password nothing is seen in the list.
  context.emit({ type: 'notice', notice: { level: 'info', text: `${command.name} is saved` } });
};

export const deleteProfile: Effect<'delete-profile'> = async ({ id }, context) => {
  const removed = await context.services.profiles.remove(id);
  for (const key of removed?.secretFields ?? []) await context.services.secrets.delete(id, key);
  if (context.getState().profile === id) context.emit({ type: 'profile-chosen' });
  await emitProfiles(context);
};

export const testProfile: Effect<'test-profile'> = async ({ id }, context) => {
  const { emit, signal } = context;
  const profile = context.getState().profiles.find((p) => p.id === id);
  if (profile === undefined) return;
  const say = (status: 'busy' | 'passed' | 'failed', text: string) =>
    emit({ type: 'profile-test', profile: id, status, text });
  say('busy', 'connecting');
  try {
    const request = { environment: profile.environment, profile: id, settings: profile.settings };
    const session = await openSession(context, request, signal, (step) => say('busy', step));
    await session.close();
    say('passed', 'the connection works');
  } catch (error) {
    say('failed', context.services.redactor.redact(describeFailure(toFailure(error))));
  }
};

export const chooseProfile: Effect<'choose-profile'> = ({ id }, { emit }) => {
  emit(id === undefined ? { type: 'profile-chosen' } : { type: 'profile-chosen', id });
};

async function emitProfiles(context: EffectContext): Promise<void> {
  const stored = await context.services.profiles.list();
  const profiles = stored.map(({ createdAt: _, ...profile }): Profile => profile);
  context.emit({ type: 'profiles', profiles });
}
