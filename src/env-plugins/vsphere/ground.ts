/** What a delivery stands on: the chosen places, and what can be made there. */
import { childrenOf, textOf } from '../../io/xml.ts';
import { AppError, toAppError } from '../../model/errors.ts';
import type { DeliveryRequest, Settings } from '../plugin.ts';
import { hardwareFor } from './esx-hardware.ts';
import { wantedVersion } from './import-spec.ts';
import {
  automatic,
  type Choices,
  type DatastoreChoice,
  type FolderChoice,
  type PoolChoice,
} from './place-choices.ts';
import type { VimSession } from './session.ts';
import { element, refTo, text } from './soap.ts';

export interface Ground {
  readonly place: PoolChoice & { readonly label: string };
  readonly folder: FolderChoice & { readonly label: string };
  readonly datastore: DatastoreChoice & { readonly label: string };
  readonly networks: Choices['networks'];
  /** Versions of the virtual hardware that can be made there, the newest first. */
  readonly versions: readonly number[];
  /** What a machine gets that names none; the newest where the server doesn't tell. */
  readonly usualVersion: number;
  /** Ids of the guest systems that the server knows; empty where it does not tell. */
  readonly guestIds: readonly string[];
}

/** @throws AppError `not-found` (a place that is not there), `usage`, `no-space`. */
export async function groundOf(
  session: VimSession,
  choices: Choices,
  { settings, signal }: Pick<DeliveryRequest, 'settings' | 'signal'>,
): Promise<Ground> {
  const place = chosen(session, choices.pools, settings, 'place', 'host, cluster or pool', () => true);
  const folder = chosen(
    session,
    choices.folders,
    settings,
    'folder',
    'folder',
    (f) => f.datacenter === place.datacenter,
  );
  const datastore = chosen(session, choices.datastores, settings, 'datastore', 'datastore', (d) =>
    place.datastores.has(d.datastore.id),
  );
  const { versions, usual } = await versionsOf(session, place, signal);
  const hardware = wantedVersion(settings) ?? usual;
  return {
    ...{ place, folder, datastore, versions },
    networks: choices.networks,
    usualVersion: usual,
    guestIds: await guestIdsOf(session, place, hardware, signal),
  };
}

/** The named one, or the first that fits the others. */
function chosen<T>(
  session: VimSession,
  all: ReadonlyMap<string, T>,
  settings: Settings,
  key: string,
  what: string,
  fits: (choice: T) => boolean,
): T & { readonly label: string } {
  const wanted = settings[key]?.trim() || automatic;
  const where = session.client.name;
  if (wanted === automatic) {
    for (const [label, choice] of all) if (fits(choice)) return { ...choice, label };
    throw new AppError('not-found', `there is no ${what} that this machine could be put in`, {
      where,
      hint: 'this user may lack the privilege to see it; docs/environments/vmware.md lists what is needed',
    });
  }
  const choice = all.get(wanted);
  if (choice !== undefined && fits(choice)) return { ...choice, label: wanted };
  const there = [...all].filter(([, other]) => fits(other)).map(([label]) => label);
  const why = choice === undefined ? 'there is no' : 'the chosen host has no';
  throw new AppError('not-found', `${why} ${what} "${wanted}"`, {
    where,
    hint: `there are: ${there.slice(0, 10).join(', ')}${there.length > 10 ? ' …' : ''}`,
  });
}

async function versionsOf(session: VimSession, { browser }: PoolChoice, signal: AbortSignal) {
  const byApi = hardwareFor(session.about.apiVersion);
  const step = 'asking for the virtual hardware';
  if (browser === undefined) return { versions: byApi, usual: byApi[0] ?? 7 };
  const values = await session.call('QueryConfigOptionDescriptor', browser, [], { step, signal });
  const told = values.flatMap((value) => {
    const number = Number(/^vmx-(\d{2})$/.exec(textOf(value, 'key') ?? '')?.[1]);
    const possible = textOf(value, 'createSupported') !== 'false' && number >= 4;
    return possible ? [{ number, usual: textOf(value, 'defaultConfigOption') === 'true' }] : [];
  });
  told.sort((a, b) => b.number - a.number);
  if (told.length === 0) return { versions: byApi, usual: byApi[0] ?? 7 };
  const usual = told.find((t) => t.usual) ?? told[0]!;
  return { versions: told.map(({ number }) => number), usual: usual.number };
}

/** The query by key and host is of API 6.0; before, and where it fails, the general ids do. */
async function guestIdsOf(
  session: VimSession,
  { browser, host }: PoolChoice,
  hardware: number,
  signal: AbortSignal,
): Promise<string[]> {
  if (browser === undefined || !session.atLeast('6.0')) return [];
  const key = text('key', `vmx-${String(hardware).padStart(2, '0')}`);
  const spec = element('spec', key, ...(host === undefined ? [] : [refTo('host', host)]));
  const step = 'asking for the guest systems';
  const [option] = await session
    .call('QueryConfigOptionEx', browser, [spec], { step, signal })
    .catch((error) => {
      if (['unreachable', 'cancelled', 'auth'].includes(toAppError(error).kind)) throw error;
      return [];
    });
  if (option === undefined) return [];
  return childrenOf(option, 'guestOSDescriptor').flatMap((descriptor) => textOf(descriptor, 'id') ?? []);
}
