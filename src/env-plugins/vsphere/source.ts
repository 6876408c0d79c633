/** The machines of an ESXi or a vCenter. A machine's id is the server's own, such as `vm-123`. */
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import type { SourceRole } from '../plugin.ts';
import { type TrackPlace, trackMachine } from './changes.ts';
import { parseDatastorePath } from './datastore-path.ts';
import type { DiskDevice } from './devices.ts';
import type { FilePlace } from './disk-file.ts';
import { ObjectGone } from './faults.ts';
import { type HeldDisks, type HeldMachine, holdMachine } from './hold.ts';
import { diskId, machinePaths, type ReadMachine, readMachine } from './machine.ts';
import { datacenterPath, decodedName, inventoryPath, type Places, readPlaces, valueText } from './places.ts';
import { chunked, ofObject, type Properties, viewed } from './properties.ts';
import type { VimSession } from './session.ts';
import { type Ref, refOf } from './soap.ts';
import { allWays } from './ways/all.ts';
import { openByWay } from './ways/choose.ts';
import { type WayContext, type WaySubject, wayIds } from './ways/way.ts';

const machineType = 'VirtualMachine';

interface Looked extends ReadMachine {
  readonly places: Places;
  /** Where it is registered. */
  readonly host: Ref | undefined;
}

/** `close` lets go what its disks had in common. */
export type ClosableSource = SourceRole & { close(): Promise<void> };

export function sourceRole(context: WayContext): ClosableSource {
  const { session, server, plugin } = context;
  const held: HeldDisks = new Map();
  const paths = machinePaths(session.version);
  const made = allWays.map((make) => make(context));
  const ways = wayIds.flatMap((id) => made.filter((way) => way.id === id));

  async function look(id: string, signal: AbortSignal): Promise<Looked> {
    const places = await readPlaces(session, signal);
    const step = 'reading the machine';
    const object = await ofObject(session, { type: machineType, id }, paths, step, signal).catch((error) => {
      if (error instanceof ObjectGone) return undefined;
      throw error;
    });
    const found =
      object ?? (await ofObject(session, await named(session, id, places, signal), paths, step, signal));
    const host = found.values.get('runtime.host');
    return { ...readMachine(found, places), places, host: host === undefined ? undefined : refOf(host) };
  }

  const place: TrackPlace = {
    session,
    held,
    quiesce: server.quiesce,
    look: async (id, signal) => (await look(id, signal)).machine,
    confirm: (question) => plugin.confirm(question),
  };

  return {
    lookWhenChosen: true,
    async list({ signal, found }) {
      const [places, all] = await Promise.all([readPlaces(session, signal), names(session, signal)]);
      const refs = all.map(({ ref }) => ref);
      for await (const object of chunked(session, refs, paths, 'listing the machines', signal)) {
        found(readMachine(object, places).machine);
      }
    },
    inspect: async (id, signal) => (await look(id, signal)).machine,
    async open(machine, id, signal) {
      const now = await look(machine.id, signal);
      const frozen = held.get(now.machine.id);
      const disk = now.disks.find((d) => diskId(d) === id);
      if (disk === undefined) {
        throw new AppError('not-found', `there is no disk "${id}"`, { where: now.machine.name });
      }
      if (frozen === undefined) checkAtRest(now.machine);
      const chosen = await openByWay(ways, server.way, subjectOf(session, now, disk, frozen), signal);
      plugin.report(`${now.machine.name}, ${disk.label}: ${chosen.finding.message}`);
      return { ...chosen.disk, findings: [...(chosen.disk.findings ?? []), chosen.finding] };
    },
    hold: (machine, options) => holdMachine(place, machine, options),
    track: (machine, options) => trackMachine(place, machine, options),
    async close() {
      await Promise.all(ways.map((way) => way.close?.()));
    },
  };
}

function subjectOf(
  session: VimSession,
  now: Looked,
  disk: DiskDevice,
  held: HeldMachine | undefined,
): WaySubject {
  const { machine, places, host } = now;
  const id = diskId(disk);
  const name = held === undefined ? disk.file : held.files.get(id);
  const file = name === undefined ? undefined : parseDatastorePath(name);
  const hostName = host === undefined ? undefined : places.get(host.id)?.name;
  return {
    machine,
    vm: { type: machineType, id: machine.id },
    snapshot: held?.snapshot,
    disk,
    diskId: id,
    file,
    place: file === undefined ? undefined : filePlace(session, now, file),
    datastoreKind: disk.datastore === undefined ? undefined : places.get(disk.datastore)?.kind,
    host: host === undefined || hostName === undefined ? undefined : { ref: host, name: hostName },
  };
}

function checkAtRest({ state, name }: Machine): void {
  if (state !== 'running') return;
  throw new AppError('conflict', 'the machine runs and writes to its disks', {
    where: name,
    hint: 'shut it down first; a conversion reads it below a snapshot',
  });
}

function filePlace(
  session: VimSession,
  { datastores, files, places }: Looked,
  home: FilePlace['home'],
): FilePlace {
  return {
    session,
    home,
    own: files,
    datastores: datastores.flatMap((id) => {
      const place = places.get(id);
      const datacenter = datacenterPath(places, id);
      if (place === undefined || datacenter === undefined) return [];
      return [{ name: place.name, url: place.url ?? '', datacenter }];
    }),
  };
}

const names = (session: VimSession, signal: AbortSignal): Promise<Properties[]> =>
  viewed(session, [{ type: machineType, paths: ['name', 'parent'] }], 'listing the machines', signal);

/** By its name, or by its path in the inventory. @throws AppError `not-found`, also for a name that several have. */
async function named(session: VimSession, wanted: string, places: Places, signal: AbortSignal): Promise<Ref> {
  const found = (await names(session, signal)).filter(({ values }) => {
    const name = decodedName(valueText(values.get('name')) ?? '');
    const parent = values.get('parent');
    const folder = parent === undefined ? undefined : inventoryPath(places, refOf(parent).id);
    return name === wanted || `${folder}/${name}` === wanted;
  });
  if (found.length === 1) return found[0]!.ref;
  throw new AppError(
    'not-found',
    `${found.length === 0 ? 'no' : 'more than one'} machine is called "${wanted}"`,
    {
      where: session.client.name,
      hint: 'name its id or its path in the inventory, as the list shows them',
    },
  );
}
