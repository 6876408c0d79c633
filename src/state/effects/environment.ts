/** Connecting to an environment. */
import { pluginById } from '../../convert/sessions.ts';
import { toAppError, toFailure } from '../../model/errors.ts';
import type { Effect } from '../dispatcher.ts';
import { openSession, settingsFor } from './connection.ts';

export const connect: Effect<'connect'> = async (command, context) => {
  const { emit, live, signal, services } = context;
  const { environment, profile } = command;
  const of = profile === undefined ? { environment } : { environment, profile };
  context.abort('list');
  await live.session?.session.close();
  delete live.session;
  emit({ type: 'disconnected' });
  emit({ type: 'connecting', ...of, step: 'connecting' });
  try {
    const settings = await settingsFor(context, profile, command.settings ?? {});
    const request = { ...of, settings };
    const session = await openSession(context, request, signal, (step) => {
      if (!signal.aborted) emit({ type: 'connecting', ...of, step });
    });
    if (signal.aborted) {
      await session.close();
      signal.throwIfAborted();
    }
    live.session = { session, environment, settings };
    emit({ type: 'connected', ...of, label: pluginById(services.plugins, environment).label });
  } catch (error) {
    if (!signal.aborted) {
      const failure = services.redactor.redactData(toFailure(error));
      emit({ type: 'connect-failed', ...of, failure });
    }
    throw toAppError(error);
  }
};

export const cancelConnect: Effect<'cancel-connect'> = (_, { abort, emit, getState }) => {
  abort('connect');
  if (getState().connection.status === 'connecting') emit({ type: 'disconnected' });
};

export const answer: Effect<'answer'> = ({ id, yes }, { live }) => live.questions.get(id)?.(yes);
