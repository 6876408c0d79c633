/** The machines of a pool as a source. */
import { AppError } from '../../model/errors.ts';
import type { Machine } from '../../model/machine.ts';
import { countIn, mapIn, refIn, textIn, type XenRecord } from '../../packages/xva/records.ts';
import {
  isOrdinary,
  type ReadXenMachine,
  readXenMachine,
  type XenDisk,
} from '../../packages/xva/xen-machine.ts';
import type { SourceRole } from '../plugin.ts';
import { trackMachine } from './changes.ts';
import { type HeldMachines, holdMachine } from './hold.ts';
import { type Inventory, readInventory } from './inventory.ts';
import type { XapiSession } from './session.ts';
import type { ServerSettings } from './settings.ts';
import { clientForStorage } from './storage-hosts.ts';
import { type KnownMachines, told, watchMachines } from './watch.ts';
import { type OpenedDisk, openByWay, wayFinding } from './ways/choose.ts';
import { MachineExports } from './ways/machine-export.ts';

export interface SourcePlace {
  readonly session: XapiSession;
  readonly server: ServerSettings;
  report(line: string): void;
  /** A question with yes and no for whoever is there. */
  confirm(question: string): Promise<boolean>;
}

export interface Found extends ReadXenMachine {
  readonly ref: string;
  readonly record: XenRecord;
}

export function sourceRole({ session, server, report, confirm }: SourcePlace): SourceRole {
  const held: HeldMachines = new Map();
  /** As the last list and what came after it have told. */
  const known: KnownMachines = new Map();
  const look = async (id: string, signal: AbortSignal) =>
    findMachine(await readInventory(session, signal), id, session.name);
  const exports = new MachineExports(session);
  const openImage = async (
    image: XenDisk,
    name: string,
    { vm, beside }: { readonly vm: string; readonly beside: readonly XenDisk[] },
    signal: AbortSignal,
  ): Promise<OpenedDisk> => {
    const { way } = server;
    const size = countIn(image.record, 'virtual_size');
    if (size === undefined)
      throw new AppError('corrupt', 'the server tells no size of the disk', { where: name });
    const stored = way === 'xva' ? beside : [image];
    const client = await clientForStorage(
      session,
      stored.map(({ record }) => refIn(record, 'SR')),
      signal,
    );
    const subject = { name, size, client, step: `reading ${name}` };
    if (way !== 'xva') return openByWay(session, way, { ...subject, vdi: image.vdi }, signal);
    const uuid = textIn(image.record, 'uuid') ?? '';
    const source = await exports.open({ ...subject, vm, uuid }, signal);
    return { source, finding: wayFinding('xva', name) };
  };
  return {
    async list({ signal, found }) {
      const inventory = await readInventory(session, signal);
      known.clear();
      for (const [ref, vm] of inventory.all.get('VM') ?? []) {
        if (signal.aborted) throw new AppError('cancelled', 'cancelled', { cause: signal.reason });
        if (!isOrdinary(vm)) continue;
        known.set(ref, told(vm));
        found(readXenMachine(vm, inventory, idOf(vm)).machine);
      }
    },
    watch: (options) => watchMachines(session, known, options),
    inspect: async (id, signal) => (await look(id, signal)).machine,
    async open(machine, diskId, signal) {
      const now = await look(machine.id, signal);
      const disk = now.disks.find(({ id }) => id === diskId);
      if (disk === undefined)
        throw new AppError('not-found', `there is no disk "${diskId}"`, { where: now.machine.name });
      const frozen = held.get(now.ref);
      if (frozen === undefined) checkAtRest(now.machine);
      const image = frozen === undefined ? disk : frozen.disks.get(diskId);
      if (image === undefined) {
        throw new AppError('unsupported', 'the disk is not in the snapshot that holds the machine', {
          where: `${now.machine.name}, ${diskId}`,
          hint: 'shut the machine down first, or leave the disk out',
        });
      }
      const beside = frozen === undefined ? now.disks : [...frozen.disks.values()];
      const machineAt = { vm: frozen?.snapshot ?? now.ref, beside };
      const name = `${now.machine.name}, ${textIn(image.record, 'name_label') ?? diskId}`;
      const { source, finding } = await openImage(image, name, machineAt, signal);
      report(`${name}: ${finding.message}`);
      return {
        source,
        format: 'raw',
        findings: [finding],
        sibling: async (other) => {
          throw new AppError('not-found', `a disk of a pool has no files beside it: "${other}"`, {
            where: name,
          });
        },
      };
    },
    hold: (machine, options) => holdMachine({ session, held, look }, machine, options),
    track: (machine, options) =>
      trackMachine({ session, held, look, confirm, way: server.way }, machine, options),
    async nvram(machine, signal) {
      const { record } = await look(machine.id, signal);
      const text = textIn(mapIn(record, 'NVRAM'), 'EFI-variables');
      return text === undefined ? undefined : Buffer.from(text, 'base64');
    },
  };
}

const idOf = (vm: XenRecord): string => textIn(vm, 'uuid') ?? '';

/** By its UUID, or by its name where only one has it. @throws AppError `not-found`. */
export function findMachine(inventory: Inventory, id: string, where: string): Found {
  const all = [...(inventory.all.get('VM') ?? [])];
  const byId = all.filter(([, vm]) => idOf(vm) === id && id !== '');
  const named =
    byId.length > 0 ? byId : all.filter(([, vm]) => isOrdinary(vm) && textIn(vm, 'name_label') === id);
  const [one, ...more] = named;
  if (one === undefined || more.length > 0) {
    throw new AppError(
      'not-found',
      `${one === undefined ? 'no' : 'more than one'} machine is called "${id}"`,
      {
        where,
        hint: 'name its UUID, as the list shows it',
      },
    );
  }
  const [ref, record] = one;
  return { ref, record, ...readXenMachine(record, inventory, idOf(record)) };
}

function checkAtRest({ state, name }: Machine): void {
  if (state !== 'running') return;
  throw new AppError('conflict', 'the machine runs and writes to its disks', {
    where: name,
    hint: 'shut it down first; a conversion reads it below a snapshot',
  });
}
