/**
 * ssh2 lets a server send 2 MiB that are not read yet; with 100 ms of delay that is 20 MiB a second at best. Here it is
 * allowed more, once. ssh2 does not know of it and keeps up its own 2 MiB on top, which holds as long as the channel
 * is always read at once: its own count never gets to zero then.
 */
import type { ClientChannel } from 'ssh2';
import { MiB } from '../../model/units.ts';

const extraBytes = 30 * MiB;

interface Insides {
  readonly outgoing?: { readonly id?: number };
  readonly _client?: { readonly _protocol?: { channelWindowAdjust?(id: number, bytes: number): void } };
}

/** Nothing happens with an ssh2 that looks different inside. */
export function widenWindow(channel: ClientChannel): void {
  const { outgoing, _client } = channel as unknown as Insides;
  if (typeof outgoing?.id !== 'number') return;
  _client?._protocol?.channelWindowAdjust?.(outgoing.id, extraBytes);
}
