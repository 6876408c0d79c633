/** Which host of the pool storage repositories are attached to: the bytes of their disks go through that one. */
import type { HttpsClient } from '../../io/https/client.ts';
import { AppError } from '../../model/errors.ts';
import { isTrueIn, refIn, textIn } from '../../packages/xva/records.ts';
import { allOf } from './inventory.ts';
import type { XapiSession } from './session.ts';

/** The master where it has it: a transfer asked of a host without it would be led on to another. @throws AppError. */
export async function clientForStorage(
  session: XapiSession,
  repositories: readonly (string | undefined)[],
  signal: AbortSignal,
): Promise<HttpsClient> {
  const step = 'looking for a host of the storage';
  const [links, pools, hosts] = await Promise.all([
    allOf(session, 'PBD', step, signal),
    allOf(session, 'pool', step, signal),
    allOf(session, 'host', step, signal),
  ]);
  const master = refIn([...pools.values()][0], 'master');
  const hostsOf = (sr: string | undefined) =>
    [...links.values()]
      .filter((link) => sr !== undefined && refIn(link, 'SR') === sr && isTrueIn(link, 'currently_attached'))
      .map((link) => refIn(link, 'host') ?? '');
  const [first = [], ...others] = repositories.map(hostsOf);
  const attached = first.filter((host) => others.every((hosts) => hosts.includes(host)));
  if (attached.length === 0) {
    const which =
      repositories.length > 1 ? 'storage repositories of the disks are' : 'storage repository of the disk is';
    throw new AppError(
      'conflict',
      `the ${which} attached to no host${repositories.length > 1 ? ' together' : ''}`,
      {
        where: session.name,
        hint: 'attach it there ("xe pbd-plug"), then try again',
      },
    );
  }
  if (master === undefined || attached.includes(master)) return session.client;
  for (const ref of attached) {
    const address = textIn(hosts.get(ref), 'address');
    if (address !== undefined && /^[\w.:-]{1,253}$/.test(address)) return session.otherHost(address, signal);
  }
  throw new AppError('corrupt', `${step}: the server tells no address of it`, { where: session.name });
}
