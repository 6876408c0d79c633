/** Connecting to an environment. */
import { pluginById } from '../../convert/sessions.ts';
import type { EnvironmentPlugin, Settings } from '../../env-plugins/plugin.ts';
import { toAppError, toFailure } from '../../model/errors.ts';
import type { Effect } from '../dispatcher.ts';
import { openSession, settingsFor } from './connection.ts';

export const connect: Effect<'connect'> = async (command, context) => {
  const { emit, live, signal, services } = context;
  const { environment, profile } = command;
  const of = profile === undefined ? { environment } : { environment, profile };
  context.abort('list');
  context.abort('watch');
  const before = live.session;
  const { connection } = context.getState();
  await before?.session.close();
  delete live.session;
  try {
    const settings = await settingsFor(context, profile, command.settings ?? {});
    const again =
      before !== undefined &&
      connection.status === 'connected' &&
      connection.environment === environment &&
      connection.profile === profile &&
      isSamePlace(pluginById(services.plugins, environment), before.settings, settings);
    // The machines of the same place stay chosen; the next list drops those that are gone.
    if (!again) emit({ type: 'disconnected' });
    emit({ type: 'connecting', ...of, step: 'connecting' });
    const request = { ...of, settings };
    // A session tells steps later as well, as of a disk that it opens.
    let isOpen = false;
    const session = await openSession(context, request, signal, (step) => {
      if (!signal.aborted && !isOpen) emit({ type: 'connecting', ...of, step });
    });
    isOpen = true;
    if (signal.aborted) {
      await session.close();
      signal.throwIfAborted();
    }
    live.session = { session, ...of, settings };
    emit({ type: 'connected', ...of, label: pluginById(services.plugins, environment).label });
  } catch (error) {
    if (!signal.aborted) {
      const failure = services.redactor.redactData(toFailure(error));
      emit({ type: 'disconnected' });
      emit({ type: 'connect-failed', ...of, failure });
    }
    throw toAppError(error);
  }
};

/** Other folders of the same host are the same place; another host or user is not. */
const isSamePlace = ({ fields }: EnvironmentPlugin, before: Settings, now: Settings): boolean =>
  fields
    .filter(({ kind }) => kind !== 'folders' && kind !== 'boolean' && kind !== 'secret')
    .every(({ key, default: usual = '' }) => (before[key] || usual) === (now[key] || usual));

export const cancelConnect: Effect<'cancel-connect'> = (_, { abort, emit, getState }) => {
  abort('connect');
  if (getState().connection.status === 'connecting') emit({ type: 'disconnected' });
};
