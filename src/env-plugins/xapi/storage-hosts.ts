/** Which host of the pool a storage repository is attached to: the bytes of its disks go through that one. */
import type { HttpsClient } from '../../io/https/client.ts';
import { AppError } from '../../model/errors.ts';
import { isTrueIn, refIn, textIn } from '../../packages/xva/records.ts';
import { allOf } from './inventory.ts';
import type { XapiSession } from './session.ts';

/** The master where it has it: a transfer asked of a host without it would be led on to another. @throws AppError. */
export async function clientForStorage(
  session: XapiSession,
  sr: string | undefined,
  signal: AbortSignal,
): Promise<HttpsClient> {
  const step = 'looking for a host of the storage';
  const [links, pools, hosts] = await Promise.all([
    allOf(session, 'PBD', step, signal),
    allOf(session, 'pool', step, signal),
    allOf(session, 'host', step, signal),
  ]);
  const master = refIn([...pools.values()][0], 'master');
  const attached = [...links.values()]
    .filter((link) => refIn(link, 'SR') === sr && isTrueIn(link, 'currently_attached'))
    .map((link) => refIn(link, 'host') ?? '');
  if (sr === undefined || attached.length === 0) {
    throw new AppError('conflict', 'the storage repository of the disk is attached to no host', {
      where: session.name,
      hint: 'attach it there ("xe pbd-plug"), then try again',
    });
  }
  if (master === undefined || attached.includes(master)) return session.client;
  for (const ref of attached) {
    const address = textIn(hosts.get(ref), 'address');
    if (address !== undefined && /^[\w.:-]{1,253}$/.test(address)) return session.otherHost(address, signal);
  }
  throw new AppError('corrupt', `${step}: the server tells no address of it`, { where: session.name });
}
