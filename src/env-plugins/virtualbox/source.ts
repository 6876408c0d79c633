/**
 * VirtualBox's machines as source. A machine's id is the path of its .vbox; with `#NAME` behind it, it is the machine
 * as it was at that snapshot, its hardware as well.
 */
import { posix } from 'node:path';
import type { Host } from '../../io/host/host.ts';
import { throwIfAborted } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { MiB } from '../../model/units.ts';
import { mayBePassedOver, wholeFile } from '../host-folders.ts';
import type { SourceRole } from '../plugin.ts';
import { isMachineFile, machineFiles, readRegistries } from './find-vbox.ts';
import { type HeldDisks, holdMachine } from './hold.ts';
import { runningMachines } from './manage.ts';
import { openChain } from './open-disk.ts';
import { type ReadFrom, readMachine } from './read-machine.ts';

export interface SourcePlaces {
  readonly home: string;
  readonly folders: readonly string[];
  /** They were given by name, and are no guess. */
  readonly asked: boolean;
}

/** VirtualBox's own have 528 KiB, with the state of a TPM some more. */
const largestNvram = 8 * MiB;
const nothingRuns = { has: () => false };

export function sourceRole(host: Host, { home, folders, asked }: SourcePlaces): SourceRole {
  const registries = (signal: AbortSignal) => readRegistries(host, home, asked ? folders : [], signal);
  const read = async (id: string, signal: AbortSignal, withState: boolean) => {
    const place = await placeOf(host, id, home, signal);
    const running = withState ? await runningMachines(host, signal) : nothingRuns;
    const shared = (await registries(signal)).map((registry) => registry.media);
    const found = await readMachine(host, idOf(place), place, { running, shared }, signal);
    return { ...found, folder: posix.dirname(place.path) };
  };
  const held: HeldDisks = new Map();
  return {
    async list({ signal, found }) {
      throwIfAborted(signal);
      const running = await runningMachines(host, signal);
      const known = await registries(signal);
      const shared = known.map((registry) => registry.media);
      const seen = new Set<string>();
      const tell = async (path: string) => {
        throwIfAborted(signal);
        const real = await host.files.realpath(path, signal).catch((error) => {
          if (!mayBePassedOver(error)) throw error;
          return path;
        });
        if (seen.has(real)) return;
        seen.add(real);
        try {
          found((await readMachine(host, path, { path }, { running, shared }, signal)).machine);
        } catch (error) {
          if (!mayBePassedOver(error)) throw error; // it is gone since it was listed
        }
      };
      for await (const path of machineFiles(host, folders, asked, signal)) await tell(path);
      // Folders that were given say where to look.
      const inFolders = (path: string) => !asked || folders.some((folder) => path.startsWith(`${folder}/`));
      for (const path of known.flatMap((registry) => registry.machines).filter(inFolders)) await tell(path);
    },
    inspect: async (id, signal) => (await read(id, signal, true)).machine,
    async open(machine, diskId, signal) {
      // What the .vbox names now, not what a plan says that it named.
      const { machine: now, folder, encrypted, uuids } = await read(machine.id, signal, false);
      const present = now.disks.find((disk) => disk.id === diskId)?.files;
      const frozen = held.get(now.id)?.get(diskId);
      const [path, ...below] = present === undefined ? [] : (frozen ?? present);
      if (path === undefined) {
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: machine.id });
      }
      if (encrypted.has(diskId)) {
        throw new AppError('unsupported', `${diskId} is encrypted by VirtualBox`, {
          where: path,
          hint: 'decrypt it there: VBoxManage encryptmedium',
        });
      }
      // What is read of a machine that runs is one below the disk of its settings.
      const uuid = frozen === undefined ? uuids.get(diskId) : undefined;
      return openChain(host, { path, below, uuid }, folder, signal);
    },
    async hold(machine, options) {
      const look = (id: string) => read(id, options.signal, true);
      return holdMachine(host, (await look(machine.id)).machine.id, look, held, options);
    },
    async nvram(machine, signal) {
      const { nvram } = await read(machine.id, signal, false);
      if (nvram === undefined) return undefined;
      return plainVariables(await wholeFile(host, nvram, signal, largestNvram));
    },
  };
}

/** With the state of a TPM it is an archive of several files: only a plain volume of variables is understood. */
function plainVariables(bytes: Buffer): Uint8Array | undefined {
  return bytes.subarray(40, 44).toString('latin1') === '_FVH' ? bytes : undefined;
}

const idOf = ({ path, snapshot }: ReadFrom): string =>
  snapshot === undefined ? path : `${path}#${snapshot}`;

/** A .vbox, or a folder with one in it, either with `#SNAPSHOT`. */
async function placeOf(host: Host, id: string, home: string, signal: AbortSignal): Promise<ReadFrom> {
  // A machine's name is looked for in the list.
  if (id.includes('\0') || !(id.includes('/') || isMachineFile(id.replace(/#.*$/s, ''))))
    throw noSuch(host, id);
  const whole = posix.resolve(home, id.replace(/^~\//, ''));
  const direct = await machineFileAt(host, whole, signal);
  if (direct !== undefined) return { path: direct };
  for (let sign = whole.indexOf('#'); sign > 0; sign = whole.indexOf('#', sign + 1)) {
    const path = await machineFileAt(host, whole.slice(0, sign), signal);
    if (path !== undefined && sign + 1 < whole.length) return { path, snapshot: whole.slice(sign + 1) };
  }
  throw noSuch(host, whole);
}

async function machineFileAt(host: Host, path: string, signal: AbortSignal): Promise<string | undefined> {
  const found = await host.files.stat(path, signal);
  if (found === undefined) return undefined;
  const where = `${host.name}:${path}`;
  if (found.kind !== 'folder') {
    if (isMachineFile(path)) return path;
    throw new AppError('unsupported', 'this is no .vbox', {
      where,
      hint: 'name the .vbox of the machine; a disk alone is read by the environment of disk files',
    });
  }
  const inside = (await host.files.list(path, signal)).filter(
    (file) => file.kind === 'file' && isMachineFile(file.path),
  );
  if (inside.length === 1) return inside[0]!.path;
  throw new AppError('unsupported', `this folder holds ${inside.length} .vbox files`, {
    where,
    hint: inside.length === 0 ? 'name the .vbox of the machine' : 'say which one',
  });
}

const noSuch = (host: Host, id: string): AppError =>
  new AppError('not-found', 'there is no such machine', {
    where: `${host.name}:${id.replaceAll('\0', '\ufffd')}`,
  });
