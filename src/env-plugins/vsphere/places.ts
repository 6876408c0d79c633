/** The inventory around the machines: folders, datacenters, clusters, hosts, networks, datastores, by their ids. */
import { textOf, type XmlElement } from '../../io/xml.ts';
import { type Properties, type PropertySet, viewed } from './properties.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf } from './soap.ts';

export interface Place {
  readonly type: string;
  /** As shown: the server escapes `/`, `\` and `%` in names. */
  readonly name: string;
  /** As the server writes it. */
  readonly rawName: string;
  readonly parent: string | undefined;
  readonly url?: string;
  /** Of a datastore: `VMFS`, `NFS`, `vsan`, `VVOL` … */
  readonly kind?: string;
}

export type Places = ReadonlyMap<string, Place>;

const sets: readonly PropertySet[] = [
  ...['Folder', 'Datacenter', 'ComputeResource', 'HostSystem', 'Network', 'VirtualApp'].map((type) => ({
    type,
    paths: ['name', 'parent'],
  })),
  { type: 'Datastore', paths: ['name', 'parent', 'summary.url', 'summary.type'] },
];

/** Before API 4.0 there is no vApp, and datastores and networks have no parent: their datacenter names them. */
export const setsBefore40: readonly PropertySet[] = [
  ...['Folder', 'ComputeResource', 'HostSystem'].map((type) => ({ type, paths: ['name', 'parent'] })),
  { type: 'Datacenter', paths: ['name', 'parent', 'datastore', 'network'] },
  { type: 'Network', paths: ['name'] },
  { type: 'Datastore', paths: ['summary.name', 'summary.url', 'summary.type'] },
];

export async function readPlaces(session: VimSession, signal: AbortSignal | undefined): Promise<Places> {
  const asked = session.atLeast('4.0') ? sets : setsBefore40;
  const found = await viewed(session, asked, 'reading the inventory', signal);
  const members = new Map(
    found.flatMap(({ ref, values }) =>
      ['datastore', 'network'].flatMap((path) =>
        refsIn(values.get(path)).map(({ id }) => [id, ref.id] as const),
      ),
    ),
  );
  // Paths in the inventory do not name the root.
  const root = session.service('rootFolder').id;
  return new Map(
    found.flatMap((o) => (o.ref.id === root ? [] : [[o.ref.id, placeOf(o, members.get(o.ref.id))] as const])),
  );
}

function placeOf({ ref, values }: Properties, memberOf: string | undefined): Place {
  const rawName = valueText(values.get('name') ?? values.get('summary.name')) ?? ref.id;
  const parent = values.get('parent');
  const url = valueText(values.get('summary.url'));
  const kind = valueText(values.get('summary.type'));
  return {
    type: ref.type,
    name: decodedName(rawName),
    rawName,
    parent: parent === undefined ? memberOf : refOf(parent).id,
    ...(url === undefined ? {} : { url }),
    ...(kind === undefined ? {} : { kind }),
  };
}

/** `%2f`, `%5c` and `%25` are all that is escaped. */
export const decodedName = (name: string): string =>
  name.replace(/%(2f|5c|25)/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));

export function valueText(e: XmlElement | undefined): string | undefined {
  const content = e?.text.trim();
  return content === '' ? undefined : content;
}

/** From `id` upward, itself first; a loop ends. */
export function* upward(places: Places, id: string | undefined): Generator<{ id: string } & Place> {
  const seen = new Set<string>();
  for (let at = id; at !== undefined && !seen.has(at); ) {
    seen.add(at);
    const place = places.get(at);
    if (place === undefined) return;
    yield { id: at, ...place };
    at = place.parent;
  }
}

/** `/DC0/vm/web`: the way from the root to a machine's folder; the root itself has no name. */
export const inventoryPath = (places: Places, id: string | undefined): string =>
  [...upward(places, id)]
    .map(({ name }) => `/${name}`)
    .reverse()
    .join('');

/** As `dcPath` wants it: the datacenter with the folders that it is in, as the server writes their names. */
export function datacenterPath(places: Places, id: string | undefined): string | undefined {
  const way = [...upward(places, id)];
  const at = way.findIndex(({ type }) => type === 'Datacenter');
  if (at < 0) return undefined;
  return way
    .slice(at)
    .map(({ rawName }) => rawName)
    .reverse()
    .join('/');
}

/** The references in a property that is a list of them. */
export const refsIn = (value: XmlElement | undefined): Ref[] => (value?.children ?? []).map(refOf);

export const privilegeText = (object: Properties, path: string): string | undefined => {
  for (const [missing, why] of object.missing) {
    if (path === missing || path.startsWith(`${missing}.`)) return why;
  }
  return undefined;
};

/** Text of a child, trimmed; undefined where parent or child is absent. */
export const textAt = (parent: XmlElement | undefined, local: string): string | undefined =>
  parent === undefined ? undefined : textOf(parent, local);
