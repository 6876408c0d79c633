/**
 * Machines of VMware's hosted products as source. A machine's id is the path of its .vmx; with `#NAME` behind it, it
 * is the machine with the disks of that snapshot.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { mayBePassedOver, wholeFile } from '../host-folders.ts';
import { openHostImage } from '../host-image.ts';
import type { SourceRole } from '../plugin.ts';
import { isMachineFile, machineFiles } from './find-vmx.ts';
import { type HeldDisks, holdMachine } from './hold.ts';
import { listedBelow, listedMachines } from './listed-machines.ts';
import { readMachine } from './read-machine.ts';
import { runningMachines } from './running.ts';
import type { Vmrest } from './vmrest.ts';

export interface SourcePlaces {
  readonly home: string;
  readonly folders: readonly string[];
  /** They were given by name, and are no guess. */
  readonly asked: boolean;
  readonly vmrest?: Vmrest | undefined;
}

/** VMware's own have up to some hundred KiB. */
const largestNvram = 4 * MiB;
const nothingRuns = { has: () => false };

export function sourceRole(host: Host, { home, folders, asked, vmrest }: SourcePlaces): SourceRole {
  const read = async (id: string, signal: AbortSignal, withState: boolean) => {
    const place = await placeOf(host, id, home, signal);
    const running = withState ? await runningMachines(host, vmrest, signal) : nothingRuns;
    return {
      ...(await readMachine(host, idOf(place), place, running, signal)),
      folder: posix.dirname(place.path),
    };
  };
  const held: HeldDisks = new Map();
  return {
    async list({ signal, found }) {
      throwIfAborted(signal);
      const running = await runningMachines(host, vmrest, signal);
      const seen = new Set<string>();
      const tell = async (path: string) => {
        const real = await host.files.realpath(path, signal).catch((error) => {
          if (!mayBePassedOver(error)) throw error;
          return path;
        });
        if (seen.has(real)) return;
        seen.add(real);
        try {
          found((await readMachine(host, path, { path }, running, signal)).machine);
        } catch (error) {
          if (!mayBePassedOver(error)) throw error; // it is gone since it was listed
        }
      };
      for await (const path of machineFiles(host, folders, asked, signal)) await tell(path);
      for (const { path } of (await vmrest?.machines(signal)) ?? []) await tell(path);
      const listed = asked ? listedBelow(host, folders, signal) : listedMachines(host, home, signal);
      for (const path of await listed) await tell(path);
    },
    inspect: async (id, signal) => (await read(id, signal, true)).machine,
    async open(machine, diskId, signal) {
      // What the .vmx names now, not what a plan says that it named.
      const { machine: now, folder } = await read(machine.id, signal, false);
      const [present] = now.disks.find((disk) => disk.id === diskId)?.files ?? [];
      const path = present === undefined ? undefined : (held.get(now.id)?.get(diskId) ?? present);
      if (path === undefined) {
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: machine.id });
      }
      return openHostImage(host, path, signal, folder);
    },
    async hold(machine, options) {
      const look = async (id: string) => (await read(id, options.signal, true)).machine;
      return holdMachine(host, (await look(machine.id)).id, look, held, options);
    },
    async nvram(machine, signal) {
      const { nvram } = await read(machine.id, signal, false);
      return nvram === undefined ? undefined : wholeFile(host, nvram, signal, largestNvram);
    },
  };
}

interface Place {
  readonly path: string;
  readonly snapshot?: string;
}

const idOf = ({ path, snapshot }: Place): string => (snapshot === undefined ? path : `${path}#${snapshot}`);

/** A .vmx, a folder with one in it (Fusion's bundles are such), either with `#SNAPSHOT`. */
async function placeOf(host: Host, id: string, home: string, signal: AbortSignal): Promise<Place> {
  // A machine's name is looked for in the list.
  if (id.includes('\0') || !(id.includes('/') || isMachineFile(id.replace(/#.*$/s, ''))))
    throw noSuch(host, id);
  const whole = posix.resolve(home, id.replace(/^~\//, ''));
  const direct = await machineFileAt(host, whole, signal);
  if (direct !== undefined) return { path: direct };
  for (let at = whole.indexOf('#'); at > 0; at = whole.indexOf('#', at + 1)) {
    const path = await machineFileAt(host, whole.slice(0, at), signal);
    if (path !== undefined && at + 1 < whole.length) return { path, snapshot: whole.slice(at + 1) };
  }
  throw noSuch(host, whole);
}

async function machineFileAt(host: Host, path: string, signal: AbortSignal): Promise<string | undefined> {
  const found = await host.files.stat(path, signal);
  if (found === undefined) return undefined;
  const where = `${host.name}:${path}`;
  if (found.kind !== 'folder') {
    if (isMachineFile(path)) return path;
    throw new AppError('unsupported', 'this is no .vmx', {
      where,
      hint: 'name the .vmx of the machine; a disk alone is read by the environment of disk files',
    });
  }
  const inside = (await host.files.list(path, signal)).filter(
    (file) => file.kind === 'file' && isMachineFile(file.path),
  );
  if (inside.length === 1) return inside[0]!.path;
  throw new AppError('unsupported', `this folder holds ${inside.length} .vmx files`, {
    where,
    hint: inside.length === 0 ? 'name the .vmx of the machine' : 'say which one',
  });
}

const noSuch = (host: Host, id: string): AppError =>
  new AppError('not-found', 'there is no such machine', {
    where: `${host.name}:${id.replaceAll('\0', '\ufffd')}`,
  });
