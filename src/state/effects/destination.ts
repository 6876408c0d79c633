/** Connecting to the environment that takes the machines. */
import { destinationOf } from '../../convert/delivery-request.ts';
import { pluginById } from '../../convert/sessions.ts';
import type { Session } from '../../env-plugins/plugin.ts';
import { toAppError, toFailure } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import { type Destination, placeName } from '../state.ts';
import { openSession, settingsFor } from './connection.ts';

export const connect: Effect<'connect-destination'> = async (command, context) => {
  const { emit, live, signal, services, getState } = context;
  const { environment, profile } = command;
  const of = profile === undefined ? { environment } : { environment, profile };
  const tell = (destination: Destination) => emit({ type: 'destination', destination });
  const before = getState().destination;
  const again =
    before.status !== 'folder' && before.environment === environment && before.profile === profile;
  await closeFormer(context);
  // What was chosen of another place means nothing here.
  const none = {
    ...{ delivery: undefined, format: undefined, file: undefined, recipients: undefined },
    ...{ container: undefined, backing: undefined, splitBytes: undefined },
  };
  if (!again) emit({ type: 'drafted', change: { ...none, options: {} } });
  const label = await labelOf(context, of);
  try {
    tell({ status: 'connecting', ...of, label, step: 'connecting' });
    const settings = await settingsFor(context, profile, command.settings ?? {});
    const request = { ...of, settings, role: 'destination' } as const;
    // A session tells steps later as well.
    let isOpen = false;
    const session = await openSession(context, request, signal, (step) => {
      if (!signal.aborted && !isOpen) tell({ status: 'connecting', ...of, label, step });
    });
    isOpen = true;
    const offer = await offerOf(session, signal).catch(async (error) => {
      await session.close();
      throw error;
    });
    if (signal.aborted) {
      await session.close();
      signal.throwIfAborted();
    }
    live.destination = { session, ...of, settings };
    // Files in a folder can't be started.
    if (offer.product === undefined) emit({ type: 'drafted', change: { start: undefined } });
    tell({ status: 'connected', ...of, label, settings, ...offer });
  } catch (error) {
    if (!signal.aborted) {
      tell({ status: 'failed', ...of, label, failure: services.redactor.redactData(toFailure(error)) });
      await replan(context);
    }
    throw toAppError(error);
  }
  await replan(context);
};

export const leave: Effect<'leave-destination'> = async (_, context) => {
  await closeFormer(context);
  const change = { delivery: undefined, start: undefined, format: undefined, options: {} };
  if (context.getState().destination.status === 'folder') return;
  context.emit({ type: 'drafted', change });
  context.emit({ type: 'destination', destination: { status: 'folder' } });
  await replan(context);
};

async function closeFormer({ live }: EffectContext): Promise<void> {
  const before = live.destination;
  delete live.destination;
  await before?.session.close();
}

/** What it says of itself, with what it offers at the moment. @throws AppError `usage` for no destination. */
async function offerOf(session: Session, signal: AbortSignal) {
  const role = destinationOf(session);
  const { product, formats, options } = role;
  const networks = await role.networks?.(signal);
  return {
    ...(product === undefined ? {} : { product }),
    ...(formats === undefined ? {} : { formats }),
    ...(options === undefined ? {} : { options }),
    fields: (await role.fields?.(signal)) ?? [],
    ...(networks === undefined ? {} : { networks }),
  };
}

/** The command line has not loaded the profiles. */
async function labelOf(
  { services, getState }: EffectContext,
  of: { readonly environment: string; readonly profile?: string },
): Promise<string> {
  const profile = (await services.profiles.list()).find((p) => p.id === of.profile);
  if (profile !== undefined) return profile.name;
  const known = services.plugins.some((plugin) => plugin.id === of.environment);
  return known ? pluginById(services.plugins, of.environment).label : placeName(getState(), of);
}

const replan = ({ perform, getState }: EffectContext): Promise<void> =>
  perform({ type: 'select', ids: getState().selected });
