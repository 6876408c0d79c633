/** The machine that goes everywhere: rich hardware, and two small disks whose bytes are told apart. */
import type { Session } from '../../src/env-plugins/plugin.ts';
import { memorySource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Machine } from '../../src/model/machine.ts';
import { GiB, MiB } from '../../src/model/units.ts';
import { randomBytes } from '../conformance/random.ts';

/** Sparse, with data at both ends and across a border of blocks. */
function content(size: number, seed: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (const at of [0, 5 * MiB - 70_000, size - 4096]) {
    const length = Math.min(140_000, size - at);
    randomBytes(length, seed + at).copy(bytes, at);
  }
  return bytes;
}

export const seedDisks: readonly [Buffer, Buffer] = [content(12 * MiB, 1), content(6 * MiB, 2)];

export const seedText = {
  name: 'seed',
  description: 'the shop: <web> & "mail"\nsecond line',
  macs: ['52:54:00:12:34:01', '52:54:00:12:34:02'],
} as const;

/** Of each environment another: a copy of a machine that is there already would get a new one. */
export const seedUuid = (n: number): string => `4210b0a8-0000-4111-8222-33334444555${n}`;

/** In neutral words, as VMware's hardware has it. */
export const seedMachine: Machine = {
  ...{ id: 'seed', name: seedText.name, state: 'off', findings: [] },
  ...{ description: seedText.description, uuid: seedUuid(1) },
  processors: { count: 4, coresPerSocket: 2 },
  memoryBytes: GiB,
  firmware: { kind: 'uefi', secureBoot: true },
  system: { name: 'Debian GNU/Linux 12', family: 'linux', architecture: 'x86_64' },
  disks: [
    {
      ...{ id: 'a', name: 'system.raw', format: 'raw', files: [], bootable: true },
      ...{ bus: 'scsi', controllerModel: 'pvscsi', controller: 0, unit: 0 },
    },
    { id: 'b', name: 'data.raw', format: 'raw', files: [], bus: 'sata', controller: 0, unit: 3 },
  ],
  nics: [
    { mac: seedText.macs[0], model: 'vmxnet3', network: 'VM Network', connected: true },
    { mac: seedText.macs[1], model: 'e1000e', network: 'DC0_DVPG0', connected: false },
  ],
  devices: { cdroms: [{}] },
};

/** A source that has this machine, and no environment behind it. */
export function seedSession(machine: Machine): Session {
  const noFile = async (): Promise<never> => {
    throw new AppError('not-found', 'there is no other file');
  };
  return {
    source: {
      list: async ({ found }) => found(machine),
      inspect: async () => machine,
      async open(_, id) {
        const index = machine.disks.findIndex((disk) => disk.id === id);
        return { source: memorySource(seedDisks[index]!), format: 'raw', sibling: noFile };
      },
    },
    close: async () => undefined,
  };
}
