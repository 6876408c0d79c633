/** Where machines can go in a pool: storage repositories, networks; and the machines that are there. */
import { AppError } from '../../model/errors.ts';
import { networkThere } from '../../model/network-names.ts';
import { countIn, isTrueIn, refIn, textIn, textsIn, type XenRecord } from '../../packages/xva/records.ts';
import { isOrdinary } from '../../packages/xva/xen-machine.ts';
import type { Settings } from '../plugin.ts';
import { allOf } from './inventory.ts';
import type { XapiSession } from './session.ts';

export interface Repository {
  readonly ref: string;
  readonly kind: string;
  readonly freeBytes: number | undefined;
  readonly shared: boolean;
}

export interface Places {
  /** By their names as they are shown, the pool's default first. */
  readonly repositories: ReadonlyMap<string, Repository>;
  readonly networks: ReadonlyMap<string, string>;
  readonly machines: readonly XenRecord[];
}

export async function readPlaces(session: XapiSession, signal: AbortSignal): Promise<Places> {
  const step = 'looking where machines can go';
  const [srs, networks, pools, vms] = await Promise.all([
    allOf(session, 'SR', step, signal),
    allOf(session, 'network', step, signal),
    allOf(session, 'pool', step, signal),
    allOf(session, 'VM', step, signal),
  ]);
  const usual = refIn([...pools.values()][0], 'default_SR');
  const storing = [...srs].filter(([, sr]) => takesDisks(sr));
  storing.sort(([a, one], [b, other]) => {
    if (a === usual || b === usual) return a === usual ? -1 : 1;
    return (free(other) ?? 0) - (free(one) ?? 0);
  });
  const joinable = [...networks].filter(([, one]) => !isInternal(one));
  return {
    repositories: named(storing, (sr, ref) => ({
      ref,
      kind: textIn(sr, 'type') ?? '',
      freeBytes: free(sr),
      shared: isTrueIn(sr, 'shared'),
    })),
    networks: named(joinable, (_, ref) => ref),
    machines: [...vms.values()].filter(isOrdinary),
  };
}

/** Those for CDs and of the host's own devices take none. */
function takesDisks(sr: XenRecord): boolean {
  const kind = textIn(sr, 'type') ?? '';
  if (textIn(sr, 'content_type') === 'iso' || ['iso', 'udev', 'tmpfs'].includes(kind)) return false;
  return textsIn(sr, 'PBDs').length > 0;
}

const isInternal = (network: XenRecord): boolean =>
  isTrueIn(network.other_config as XenRecord, 'is_host_internal_management_network') ||
  textIn(network, 'name_label') === 'Host internal management network';

function free(sr: XenRecord): number | undefined {
  const [size, used] = [countIn(sr, 'physical_size'), countIn(sr, 'physical_utilisation')];
  return size === undefined || used === undefined || size === 0 ? undefined : Math.max(0, size - used);
}

/** Of several of one name, each is shown with its UUID. */
function named<T>(
  found: readonly [string, XenRecord][],
  make: (record: XenRecord, ref: string) => T,
): Map<string, T> {
  const nameOf = (record: XenRecord) =>
    textIn(record, 'name_label') ?? textIn(record, 'uuid') ?? 'without a name';
  const counts = new Map<string, number>();
  for (const [, record] of found) counts.set(nameOf(record), (counts.get(nameOf(record)) ?? 0) + 1);
  return new Map(
    found.map(([ref, record]) => {
      const name = nameOf(record);
      const label = counts.get(name) === 1 ? name : `${name} (${textIn(record, 'uuid') ?? ref})`;
      return [label, make(record, ref)] as const;
    }),
  );
}

/** The one that the user chose, else the pool's default. @throws AppError `not-found`. */
export function chosenRepository(
  { repositories }: Places,
  settings: Settings,
): Repository & { readonly label: string } {
  const wanted = settings.sr?.trim() ?? '';
  const [label, found] = wanted === '' ? ([...repositories][0] ?? []) : [wanted, repositories.get(wanted)];
  if (label !== undefined && found !== undefined) return { label, ...found };
  throw new AppError(
    'not-found',
    wanted === '' ? 'no storage repository takes disks' : `there is no storage repository "${wanted}"`,
    {
      hint: `there are: ${[...repositories.keys()].join(', ') || 'none'}`,
    },
  );
}

/** For a card that names another network, the one that the user chose, else the first. Undefined where there is none. */
export function networkFor({ networks }: Places, settings: Settings, wanted: string | undefined) {
  const names = [...networks.keys()];
  const own = wanted === undefined ? undefined : networkThere(names, wanted);
  const label = own ?? (settings.network?.trim() || names[0]);
  const ref = label === undefined ? undefined : networks.get(label);
  return label === undefined || ref === undefined ? undefined : { label, ref, isOwn: own !== undefined };
}
