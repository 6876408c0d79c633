/** The host's side of a session: the contract, spoken over a channel. Whatever comes back is checked. */
import type {
  DeliveryRequest,
  DestinationRole,
  Hold,
  HoldOptions,
  Session,
  SourceRole,
  WatchOptions,
} from '../env-plugins/plugin.ts';
import {
  checkedFields,
  checkedFindings,
  checkedHardware,
  checkedMachine,
  checkedOptions,
  checkedSize,
  checkedTexts,
} from '../env-plugins/shapes.ts';
import { watchChecked } from '../env-plugins/watch-checked.ts';
import { AppError } from '../model/errors.ts';
import type { Machine } from '../model/machine.ts';
import { MiB } from '../model/units.ts';
import type { Channel } from './channel.ts';
import { beginRemote, requestParams } from './remote-delivery.ts';
import { openRemote } from './remote-disk.ts';

/** Firmware variables are 64 MiB at most, on machines with flash for them. */
const longestNvram = 64 * MiB;

export interface Roles {
  readonly source?: {
    readonly verify?: boolean;
    readonly hold?: boolean;
    readonly nvram?: boolean;
    readonly watch?: boolean;
    readonly lookWhenChosen?: boolean;
  };
  readonly destination?: {
    readonly product?: string;
    readonly formats?: readonly string[];
    readonly options?: unknown;
    readonly hardware?: boolean;
    readonly fields?: boolean;
    readonly networks?: boolean;
  };
}

/** What the roles of a session are made of; closing is whoever's who opened the channel. */
export function remoteSession(channel: Channel, roles: Roles, who: string): Omit<Session, 'close'> {
  return {
    ...(roles.source === undefined ? {} : { source: remoteSource(channel, roles.source, who) }),
    ...(roles.destination === undefined
      ? {}
      : { destination: remoteDestination(channel, roles.destination, who) }),
  };
}

function remoteSource(channel: Channel, has: NonNullable<Roles['source']>, who: string): SourceRole {
  return {
    ...(has.lookWhenChosen === true ? { lookWhenChosen: true } : {}),
    async list({ signal, found }) {
      let wrong: unknown;
      await channel.call(
        'list',
        {},
        {
          signal,
          event(value) {
            try {
              if (wrong === undefined) found(checkedMachine(value, who));
            } catch (error) {
              wrong = error;
            }
          },
        },
      );
      if (wrong !== undefined) throw wrong;
    },
    ...(has.watch === true
      ? {
          watch: (options: WatchOptions) =>
            watchChecked(options, who, ({ signal, found, gone }) =>
              channel.call(
                'watch',
                {},
                {
                  signal,
                  event(value) {
                    const { machine, gone: id } = (value ?? {}) as { machine?: unknown; gone?: unknown };
                    if (machine === undefined) gone(String(id));
                    else found(machine as Machine);
                  },
                },
              ),
            ),
        }
      : {}),
    inspect: async (id, signal) => checkedMachine(await channel.call('inspect', { id }, { signal }), who),
    open: (machine, diskId, signal) => openRemote(channel, who, 'open', { machine, diskId }, signal),
    ...(has.verify === true
      ? {
          async verify(machine: Machine, signal: AbortSignal) {
            await channel.call('verify', { machine }, { signal });
          },
        }
      : {}),
    ...(has.hold === true
      ? { hold: (machine: Machine, options: HoldOptions) => remoteHold(channel, machine, options, who) }
      : {}),
    ...(has.nvram === true
      ? {
          async nvram(machine: Machine, signal: AbortSignal) {
            const pieces: Buffer[] = [];
            let length = 0;
            const value = await channel.call(
              'nvram',
              { machine },
              {
                signal,
                data(bytes) {
                  length += bytes.length;
                  if (length > longestNvram) throw new AppError('corrupt', 'firmware variables over 64 MiB');
                  pieces.push(Buffer.from(bytes));
                },
              },
            );
            return value === null ? undefined : Buffer.concat(pieces);
          },
        }
      : {}),
  };
}

async function remoteHold(
  channel: Channel,
  machine: Machine,
  { runId, signal, report }: HoldOptions,
  who: string,
): Promise<Hold> {
  const release = async (handle: unknown): Promise<string[]> => {
    try {
      return checkedTexts(await channel.call('release', { handle }), 'lines', who);
    } catch (error) {
      return [`${who} could not tell whether the machine was left as it was: ${(error as Error).message}`];
    }
  };
  const value = (await channel.call(
    'hold',
    { machine, runId },
    {
      signal,
      event: (step) => report(String(step)),
      late: (late) => void release((late as { handle?: unknown } | null)?.handle),
    },
  )) as { handle?: unknown; machine?: unknown; findings?: unknown; verify?: unknown } | null;
  const handle = checkedSize(value?.handle, 'a handle', who);
  try {
    return {
      machine: checkedMachine(value?.machine, who),
      findings: checkedFindings(value?.findings, who),
      ...(value?.verify === true
        ? {
            async verify(verifySignal: AbortSignal) {
              await channel.call('verifyHold', { handle }, { signal: verifySignal });
            },
          }
        : {}),
      release: () => release(handle),
    };
  } catch (error) {
    await release(handle);
    throw error;
  }
}

function remoteDestination(
  channel: Channel,
  { product, formats, options, hardware, fields, networks }: NonNullable<Roles['destination']>,
  who: string,
): DestinationRole {
  return {
    ...(typeof product === 'string' ? { product } : {}),
    ...(formats === undefined ? {} : { formats: checkedTexts(formats, 'formats', who) }),
    ...(options === undefined ? {} : { options: checkedOptions(options, who) }),
    ...(hardware === true
      ? {
          async hardware(request: DeliveryRequest) {
            const { signal } = request;
            return checkedHardware(await channel.call('hardware', requestParams(request), { signal }), who);
          },
        }
      : {}),
    ...(fields === true
      ? {
          fields: async (signal: AbortSignal) =>
            checkedFields(await channel.call('fields', {}, { signal }), who),
        }
      : {}),
    ...(networks === true
      ? {
          networks: async (signal: AbortSignal) =>
            checkedTexts(await channel.call('networks', {}, { signal }), 'networks', who),
        }
      : {}),
    async check(request, files, bytes) {
      const { signal } = request;
      const params = { ...requestParams(request), files, bytes };
      return checkedFindings(await channel.call('check', params, { signal }), who);
    },
    begin: (request) => beginRemote(channel, request, who),
  };
}
