import { expect, it } from 'vitest';
import type { Finding } from '../../src/model/finding.ts';
import type { Machine } from '../../src/model/machine.ts';
import { tellersOf } from './covered.ts';
import { comparable, differences } from './fields.ts';

const machine: Machine = {
  ...{ id: 'm', name: 'm', state: 'off', findings: [], processors: { count: 2 } },
  disks: [{ id: 'a', name: 'a.raw', files: [], bus: 'virtio' }],
  nics: [{ model: 'virtio' }, { model: 'e1000', connected: true }],
  devices: { clock: 'utc' },
};
const disks = (one: Machine) => one.disks.map((disk) => ({ disk, digest: disk.id, sizeBytes: 1 }));
const told = (one: Machine) => comparable(one, disks(one));

it('what is lost or another is a difference, what nobody said before is none', () => {
  const after: Machine = {
    ...machine,
    memoryBytes: 1,
    disks: [{ ...machine.disks[0]!, bus: 'sata', serial: 'new' }],
    nics: [{ model: 'e1000' }, { model: 'e1000', connected: false }],
    devices: {},
  };
  expect(differences(told(machine), told(after))).toEqual([
    { field: 'clock', before: 'utc', after: undefined },
    { field: 'disk bus', before: 'virtio', after: 'sata', names: ['a.raw'] },
    { field: 'card model', before: 'virtio', after: 'e1000', names: ['NIC 1', 'adapter 1'] },
    { field: 'card connected', before: true, after: false, names: ['NIC 2', 'adapter 2'] },
  ]);
});

it('a disk or a card that is gone is a difference in all that was said of it', () => {
  const fields = differences(told(machine), told({ ...machine, disks: [], nics: [] })).map(
    (one) => one.field,
  );
  expect(fields).toContain('disk size');
  expect(fields.filter((field) => field === 'card model')).toHaveLength(2);
});

it('a finding tells of its own field, and of the disk or card that it names', () => {
  const finding = (rule: string, message: string, evidence?: string): Finding => ({
    ...{ rule, severity: 'warning', message },
    ...(evidence === undefined ? {} : { evidence }),
  });
  const all = [
    finding('nic.model-changed', 'NIC 1 becomes an e1000'),
    finding('machine.parts-not-carried', 'left out', 'clock (utc); disk bus (virtio)'),
    finding('something.else', 'graphics'),
  ];
  const rules = (field: Parameters<typeof tellersOf>[0]['field'], names?: string[]) =>
    tellersOf({ field, ...(names === undefined ? {} : { names }) }, all).map(({ rule }) => rule);
  expect(rules('card model', ['NIC 1'])).toEqual(['nic.model-changed']);
  expect(rules('card model', ['NIC 2'])).toEqual([]);
  expect(rules('clock')).toEqual(['machine.parts-not-carried']);
  expect(rules('disk bus', ['a.raw'])).toEqual(['machine.parts-not-carried']);
  expect(rules('graphics')).toEqual([]);
});
