/** A delivery to the other end: each piece that is written is a call with a payload. */
import type { Delivery, DeliveryRequest } from '../env-plugins/plugin.ts';
import { checkedLeftovers, checkedPower, checkedSize, checkedTexts } from '../env-plugins/shapes.ts';
import type { ByteSink } from '../io/byte-source.ts';
import { AppError, toAppError } from '../model/errors.ts';
import type { Leftover } from '../model/leftover.ts';
import { MiB } from '../model/units.ts';
import type { Channel } from './channel.ts';

/** The request as it is told: without its signal, which is the call's, and its variables, which are a payload. */
export function requestParams({ signal: _, nvram, ...rest }: DeliveryRequest) {
  return { ...rest, nvram: nvram !== undefined };
}

export async function beginRemote(
  channel: Channel,
  request: DeliveryRequest,
  who: string,
): Promise<Delivery> {
  const { signal, nvram } = request;
  const takeBack = async (handle: unknown): Promise<Leftover[]> => {
    try {
      return checkedLeftovers(await channel.call('rollback', { handle }), who);
    } catch (error) {
      // Whoever is gone takes back what was not committed by itself; nobody hears whether that went well.
      return [{ what: `${who} could not tell what of it stays: ${toAppError(error).message}` }];
    }
  };
  const value = (await channel.call('begin', requestParams(request), {
    signal,
    ...(nvram === undefined ? {} : { payload: nvram }),
    late: (late) => void takeBack((late as { handle?: unknown } | null)?.handle),
  })) as { handle?: unknown; start?: unknown } | null;
  const handle = checkedSize(value?.handle, 'a handle', who);
  const stop = () => void channel.call('stop', { handle }).catch(() => undefined);
  signal.addEventListener('abort', stop, { once: true });
  let committed = false;
  const settled = () => signal.removeEventListener('abort', stop);
  return {
    async sink({ name, size }) {
      const told = (await channel.call('sink', {
        handle,
        name,
        ...(size === undefined ? {} : { size }),
      })) as Record<string, unknown> | null;
      return remoteSink(channel, told ?? {}, who);
    },
    async commit() {
      const places = checkedTexts(await channel.call('commit', { handle }), 'places', who);
      settled();
      committed = true;
      return places;
    },
    async rollback() {
      settled();
      return committed ? [] : takeBack(handle);
    },
    ...(value?.start === true
      ? {
          start: async (during: AbortSignal) =>
            checkedPower(await channel.call('start', { handle }, { signal: during }), who),
        }
      : {}),
  };
}

function remoteSink(channel: Channel, told: Record<string, unknown>, who: string): ByteSink {
  const handle = checkedSize(told.handle, 'a handle', who);
  if (told.access !== 'random' && told.access !== 'forward')
    throw new AppError('bug', `${who} gives a sink that is written neither at random nor forward`);
  return {
    name: String(told.name),
    access: told.access,
    async write(bytes, offset, signal) {
      for (let at = 0; at < bytes.length; at += MiB) {
        const payload = bytes.subarray(at, at + MiB);
        await channel.call('write', { handle, offset: offset + at }, { signal, payload });
      }
    },
    async finish(size, modifiedAt) {
      await channel.call('finish', { handle, size, ...(modifiedAt === undefined ? {} : { modifiedAt }) });
    },
    async abort() {
      await channel.call('abort', { handle }).catch(() => undefined);
    },
  };
}
