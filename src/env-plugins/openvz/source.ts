/** Containers of a host. A machine's id is the CTID: a number, or a UUID. */
import { posix } from 'node:path';
import { inOrder } from '../../io/in-order.ts';
import { AppError } from '../../model/errors.ts';
import { openHostImage } from '../host-image.ts';
import type { OpenDisk, SourceRole } from '../plugin.ts';
import { parseConf } from './conf.ts';
import {
  type Container,
  confNames,
  ctidsOf,
  globalConf,
  needsRoot,
  type Place,
  readContainer,
  type Surroundings,
} from './container.ts';
import { isCtid } from './ctid.ts';
import { type HeldDisks, holdContainer, type Now } from './hold.ts';
import { folderDiskId, machineOf } from './machine.ts';
import { descriptorName } from './ploop.ts';
import { type States, statesOf } from './tools.ts';

/** Containers read at once: each takes several ways to the host. */
const atOnce = 4;

/** A container's folder as a disk. */
export type OpenFolder = (container: Container, signal: AbortSignal) => Promise<OpenDisk>;

export function sourceRole(place: Place, openFolder: OpenFolder): SourceRole {
  const { host } = place;
  const held: HeldDisks = new Map();

  async function surroundings(signal: AbortSignal): Promise<Surroundings & { states: States | undefined }> {
    const names = await confNames(place, signal);
    const global = await globalConf(place, signal);
    return { names, global, states: await statesOf(host, signal) };
  }

  async function look(id: string, signal: AbortSignal): Promise<Now> {
    const around = await surroundings(signal);
    const ctid = isCtid(id) ? id : await ctidOfName(place, id, around.names, signal);
    const container = await readContainer(place, ctid, around, signal);
    return { container, machine: machineOf(container, around.states?.get(ctid.toLowerCase())) };
  }

  return {
    async list({ signal, found }) {
      const around = await surroundings(signal);
      const read = (ctid: string) =>
        readContainer(place, ctid, around, signal).catch((error) => {
          if (error instanceof AppError && error.kind === 'not-found') return undefined; // destroyed meanwhile
          throw error;
        });
      for await (const container of inOrder(ctidsOf(around.names), atOnce, read, signal)) {
        if (container !== undefined)
          found(machineOf(container, around.states?.get(container.ctid.toLowerCase())));
      }
    },
    async inspect(id, signal) {
      return (await look(id, signal)).machine;
    },
    async open(machine, diskId, signal) {
      const { container, machine: now } = await look(machine.id, signal);
      if (container.layout === 'simfs' && diskId === folderDiskId) return openFolder(container, signal);
      const disk = container.disks.find(({ id }) => id === diskId);
      if (disk === undefined)
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: now.name });
      const path = held.get(now.id)?.get(diskId) ?? posix.join(disk.ploop.folder, descriptorName);
      const open = await openHostImage(host, path, signal).catch((error) => {
        throw needsRoot(error);
      });
      return { ...open, format: 'parallels' };
    },
    hold: (machine, options) => holdContainer(host, () => look(machine.id, options.signal), held, options),
  };
}

/** @throws AppError `not-found`, also for a name that several have. */
async function ctidOfName(
  place: Place,
  name: string,
  names: readonly string[],
  signal: AbortSignal,
): Promise<string> {
  const found: string[] = [];
  for (const ctid of ctidsOf(names)) {
    const path = posix.join(place.folder, 'conf', `${ctid}.conf`);
    const conf = parseConf(await place.host.files.text(path, { signal }).catch(() => ''));
    if (conf.get('NAME') === name) found.push(ctid);
  }
  if (found.length === 1) return found[0]!;
  throw new AppError(
    'not-found',
    `${found.length === 0 ? 'no' : 'more than one'} container is called "${name}"`,
    {
      where: place.host.name,
      hint: 'name its CTID, as "vzlist -a" or "prlctl list -a" tells it',
    },
  );
}
