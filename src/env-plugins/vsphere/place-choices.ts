/** Where a machine can be put: hosts and pools, folders, datastores, networks; each by a name that only it has. */
import { textOf } from '../../io/xml.ts';
import { decodedName, refsIn, textAt, valueText } from './places.ts';
import { type Properties, viewed } from './properties.ts';
import type { VimSession } from './session.ts';
import { isTrue, type Ref, refOf } from './soap.ts';

export interface PoolChoice {
  readonly pool: Ref;
  /** Only where one host of a cluster is meant. */
  readonly host: Ref | undefined;
  readonly compute: Ref;
  readonly datacenter: string | undefined;
  readonly datastores: ReadonlySet<string>;
  readonly networks: ReadonlySet<string>;
  readonly browser: Ref | undefined;
  /** Why nothing can be put there now. */
  readonly obstacle: string | undefined;
}

export interface FolderChoice {
  readonly folder: Ref;
  readonly datacenter: string | undefined;
}

export interface DatastoreChoice {
  readonly datastore: Ref;
  /** As paths of files have it. */
  readonly name: string;
  readonly kind: string;
  readonly freeBytes: number | undefined;
  /** The datacenter's path as URLs of files have it. */
  readonly dcPath: string;
}

/** What connects a card to a network, by its kind. */
export type NetworkChoice = { readonly network: Ref; readonly name: string } & (
  | { readonly kind: 'standard' }
  | { readonly kind: 'distributed'; readonly switchUuid: string; readonly key: string }
  | { readonly kind: 'opaque'; readonly opaqueId: string; readonly opaqueType: string }
);

export interface Choices {
  readonly pools: ReadonlyMap<string, PoolChoice>;
  readonly folders: ReadonlyMap<string, FolderChoice>;
  /** The one with the most free space first. */
  readonly datastores: ReadonlyMap<string, DatastoreChoice>;
  readonly networks: ReadonlyMap<string, NetworkChoice>;
}

const step = 'reading where a machine can be put';

export async function readChoices(session: VimSession, signal: AbortSignal | undefined): Promise<Choices> {
  const nodes = new Map<string, Properties>();
  for (const sets of inventorySets(session)) {
    for (const object of await viewed(session, sets, step, signal)) {
      const before = nodes.get(object.ref.id);
      const values = new Map([...(before?.values ?? []), ...object.values]);
      nodes.set(object.ref.id, { ...object, values });
    }
  }
  nodes.delete(session.service('rootFolder').id);
  const inventory = new Inventory(nodes);
  return {
    pools: named(inventory, poolsOf(inventory)),
    folders: named(inventory, foldersOf(inventory)),
    datastores: named(inventory, datastoresOf(inventory)),
    networks: named(inventory, networksOf(inventory)),
  };
}

/** What only a subtype has is asked for apart: a collector may take one set for each object. */
const inventorySets = (session: VimSession) => [
  [
    { type: 'Folder', paths: ['name', 'parent', 'childType'] },
    { type: 'Datacenter', paths: ['name', 'parent', 'vmFolder'] },
    {
      type: 'ComputeResource',
      paths: ['name', 'parent', 'resourcePool', 'datastore', 'network', 'environmentBrowser'],
    },
    {
      type: 'HostSystem',
      paths: [
        ...['name', 'parent', 'datastore', 'network', 'runtime.connectionState'],
        'runtime.inMaintenanceMode',
      ],
    },
    { type: 'ResourcePool', paths: ['name', 'parent', 'owner'] },
    { type: 'Datastore', paths: ['name', 'parent', 'summary'] },
    { type: 'Network', paths: ['name', 'parent'] },
  ],
  [
    { type: 'DistributedVirtualPortgroup', paths: ['key', 'tag', 'config.distributedVirtualSwitch'] },
    { type: 'DistributedVirtualSwitch', paths: ['uuid'] },
  ],
  ...(session.atLeast('5.5') ? [[{ type: 'OpaqueNetwork', paths: ['summary'] }]] : []),
];

class Inventory {
  readonly nodes: ReadonlyMap<string, Properties>;

  constructor(nodes: ReadonlyMap<string, Properties>) {
    this.nodes = nodes;
  }

  *ofType(pattern: RegExp): Generator<Properties> {
    for (const node of this.nodes.values()) if (pattern.test(node.ref.type)) yield node;
  }

  text(id: string | undefined, path: string): string | undefined {
    return id === undefined ? undefined : valueText(this.nodes.get(id)?.values.get(path));
  }

  ref(id: string, path: string): Ref | undefined {
    const value = this.nodes.get(id)?.values.get(path);
    return value === undefined ? undefined : refOf(value);
  }

  set(id: string, path: string): ReadonlySet<string> {
    return new Set(refsIn(this.nodes.get(id)?.values.get(path)).map((ref) => ref.id));
  }

  /** From `id` upward, itself first; a loop ends. */
  up(id: string): Properties[] {
    const found: Properties[] = [];
    for (let at = this.nodes.get(id); at !== undefined && !found.includes(at); ) {
      found.push(at);
      const parent = at.values.get('parent');
      at = parent === undefined ? undefined : this.nodes.get(refOf(parent).id);
    }
    return found;
  }

  name(id: string): string {
    return decodedName(this.text(id, 'name') ?? id);
  }

  /** `/DC0/host/Blue/Resources/web`. */
  path(id: string): string {
    const names = this.up(id).map(({ ref }) => `/${this.name(ref.id)}`);
    return names.reverse().join('');
  }

  datacenter(id: string): Properties | undefined {
    return this.up(id).find(({ ref }) => ref.type === 'Datacenter');
  }
}

interface Named<T> {
  /** Whose name and path it has. */
  readonly id: string;
  readonly choice: T;
}

/** By the name alone where no other has it, else by the path in the inventory. */
function named<T>(inventory: Inventory, all: readonly Named<T>[]): Map<string, T> {
  const count = new Map<string, number>();
  for (const { id } of all) {
    const name = inventory.name(id);
    count.set(name, (count.get(name) ?? 0) + 1);
  }
  return new Map(
    all.map(({ id, choice }) => {
      const name = inventory.name(id);
      return [count.get(name) === 1 && name !== automatic ? name : inventory.path(id), choice];
    }),
  );
}

/** What no choice is called. */
export const automatic = 'automatic';

function poolsOf(inventory: Inventory): Named<PoolChoice>[] {
  const found: Named<PoolChoice>[] = [];
  for (const { ref, values } of inventory.ofType(/ComputeResource$/)) {
    const pool = inventory.ref(ref.id, 'resourcePool');
    if (pool === undefined) continue;
    const hosts = [...inventory.ofType(/^HostSystem$/)].filter((h) => parentOf(h) === ref.id);
    const base = {
      pool,
      host: undefined,
      compute: ref,
      datacenter: inventory.datacenter(ref.id)?.ref.id,
      datastores: inventory.set(ref.id, 'datastore'),
      networks: inventory.set(ref.id, 'network'),
      browser: values.has('environmentBrowser') ? refOf(values.get('environmentBrowser')!) : undefined,
      obstacle: hosts.every((h) => obstacleOf(h))
        ? hosts[0]
          ? obstacleOf(hosts[0])
          : 'it has no host'
        : undefined,
    };
    found.push({ id: ref.id, choice: base });
    if (ref.type !== 'ComputeResource') found.push(...hosts.map((host) => ofHost(inventory, base, host)));
    found.push(...poolsBelow(inventory, base));
  }
  return found;
}

const parentOf = ({ values }: Properties): string | undefined =>
  values.has('parent') ? refOf(values.get('parent')!).id : undefined;

function obstacleOf({ values }: Properties): string | undefined {
  const state = valueText(values.get('runtime.connectionState'));
  if (state !== undefined && state !== 'connected') return `the host is ${state}`;
  return isTrue(values.get('runtime.inMaintenanceMode')) ? 'the host is in maintenance' : undefined;
}

const ofHost = (inventory: Inventory, base: PoolChoice, host: Properties): Named<PoolChoice> => ({
  id: host.ref.id,
  choice: {
    ...base,
    host: host.ref,
    datastores: inventory.set(host.ref.id, 'datastore'),
    networks: inventory.set(host.ref.id, 'network'),
    obstacle: obstacleOf(host),
  },
});

/** Those that somebody has made; a vApp brings rules of its own and is left out. */
const poolsBelow = (inventory: Inventory, base: PoolChoice): Named<PoolChoice>[] =>
  [...inventory.ofType(/^ResourcePool$/)]
    .filter(
      ({ ref }) => ref.id !== base.pool.id && inventory.up(ref.id).some((n) => n.ref.id === base.pool.id),
    )
    .map(({ ref }) => ({ id: ref.id, choice: { ...base, pool: ref } }));

function foldersOf(inventory: Inventory): Named<FolderChoice>[] {
  return [...inventory.ofType(/^Folder$/)]
    .filter(({ values }) => values.get('childType')?.children.some((e) => e.text.trim() === 'VirtualMachine'))
    .map(({ ref }) => ({
      id: ref.id,
      choice: { folder: ref, datacenter: inventory.datacenter(ref.id)?.ref.id },
    }));
}

function datastoresOf(inventory: Inventory): Named<DatastoreChoice>[] {
  const found: Named<DatastoreChoice>[] = [];
  for (const { ref, values } of inventory.ofType(/^Datastore$/)) {
    const summary = values.get('summary');
    const usable = textAt(summary, 'maintenanceMode') ?? 'normal';
    if (textAt(summary, 'accessible') === 'false' || usable !== 'normal') continue;
    const way = inventory.up(ref.id);
    const from = way.findIndex((node) => node.ref.type === 'Datacenter');
    const free = Number(textAt(summary, 'freeSpace'));
    const rawNames = way.slice(from).map((node) => inventory.text(node.ref.id, 'name') ?? '');
    found.push({
      id: ref.id,
      choice: {
        datastore: ref,
        name: inventory.name(ref.id),
        kind: textAt(summary, 'type') ?? '',
        freeBytes: Number.isSafeInteger(free) && free >= 0 ? free : undefined,
        dcPath: from < 0 ? '' : rawNames.reverse().join('/'),
      },
    });
  }
  return found.sort((a, b) => (b.choice.freeBytes ?? 0) - (a.choice.freeBytes ?? 0));
}

function networksOf(inventory: Inventory): Named<NetworkChoice>[] {
  const found: Named<NetworkChoice>[] = [];
  for (const { ref, values } of inventory.ofType(/^(Network|DistributedVirtualPortgroup|OpaqueNetwork)$/)) {
    const base = { network: ref, name: inventory.name(ref.id) };
    if (ref.type === 'Network') found.push({ id: ref.id, choice: { ...base, kind: 'standard' } });
    if (ref.type === 'OpaqueNetwork') {
      const summary = values.get('summary');
      const opaqueId = textAt(summary, 'opaqueNetworkId');
      const opaqueType = textAt(summary, 'opaqueNetworkType') ?? 'nsx.LogicalSwitch';
      if (opaqueId !== undefined)
        found.push({ id: ref.id, choice: { ...base, kind: 'opaque', opaqueId, opaqueType } });
    }
    if (ref.type === 'DistributedVirtualPortgroup') {
      const owner = inventory.ref(ref.id, 'config.distributedVirtualSwitch');
      const switchUuid = inventory.text(owner?.id, 'uuid');
      const uplink = values.get('tag')?.children.some((tag) => textOf(tag, 'key') === 'SYSTEM/DVS.UPLINKPG');
      if (switchUuid !== undefined && uplink !== true) {
        const key = inventory.text(ref.id, 'key') ?? ref.id;
        found.push({ id: ref.id, choice: { ...base, kind: 'distributed', switchUuid, key } });
      }
    }
  }
  return found;
}
