/** What is to be delivered, for tests. */
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import type { Machine, MachineDisk } from '../../../src/model/machine.ts';

const signal = new AbortController().signal;
export const diskOf = (id: string, more: Partial<MachineDisk> = {}): MachineDisk => ({
  ...{ id, name: id, files: [] },
  ...more,
});
export const small: Machine = {
  ...{ id: 'm', name: 'm', state: 'off', findings: [] },
  processors: { count: 2 },
  memoryBytes: 2 ** 30,
  firmware: { kind: 'bios' },
  disks: [diskOf('a', { bus: 'sata', controller: 0, unit: 0, bootable: true })],
  nics: [],
};

export const requestFor = (
  folder: string,
  machine: Machine,
  more: Partial<DeliveryRequest> = {},
): DeliveryRequest => ({
  ...{ name: machine.name, machine, settings: { folder }, force: false, sync: false, runId: 'test', signal },
  ...more,
});

/** The first bytes of a VDI, as far as they are looked at: its n is in its UUID. */
export function vdiHead(n: number): Buffer {
  const head = Buffer.alloc(1024);
  head.writeUInt32LE(0xbeda107f, 64);
  Buffer.from('00010203040506478899aabbccddee00', 'hex').copy(head, 392);
  head[407] = n;
  return head;
}
