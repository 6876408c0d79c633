import { expect, it } from 'vitest';
import { lostParts } from '../../src/model/lost-parts.ts';
import type { Machine } from '../../src/model/machine.ts';

const machine: Machine = {
  ...{ id: 'm', name: 'm', state: 'off', findings: [] },
  processors: { count: 4, coresPerSocket: 2, threadsPerCore: 1 },
  disks: [
    { id: 'a', name: 'a', files: [], bus: 'scsi', controller: 0, unit: 3, serial: 'S1' },
    { id: 'b', name: 'b', files: [], bus: 'sata', controllerModel: 'ahci', readOnly: true },
  ],
  nics: [{ model: 'virtio' }, { model: 'e1000', connected: false }],
  devices: { clock: 'localtime', agents: ['qemu', 'spice'] },
};

it('one finding names what the machine has and will not have', () => {
  const findings = lostParts(machine, [
    ...(['cores per socket', 'threads per core', 'clock', 'agent channels', 'graphics'] as const),
    ...(['disk controller', 'disk serial number', 'read-only disk', 'card connected'] as const),
  ]);
  expect(findings).toMatchObject([{ rule: 'machine.parts-not-carried', severity: 'note' }]);
  expect(findings[0]!.evidence).toBe(
    'cores per socket (2); clock (localtime); agent channels (qemu, spice); disk serial number (S1); ' +
      'read-only disk (yes); card connected (no)',
  );
});

it('what is there as it was is not named; disks are known by their ids', () => {
  const there = {
    devices: { clock: 'localtime' },
    disks: [
      { id: 'b', bus: 'sata' },
      { id: 'a', bus: 'scsi', unit: 3 },
    ],
    nics: [{ model: 'virtio' }, { model: 'e1000' }],
  } as const;
  expect(lostParts(machine, ['clock', 'disk bus', 'disk place', 'card model'], there)).toEqual([]);
  expect(
    lostParts(machine, ['disk bus', 'card model'], { ...there, disks: [], nics: there.nics.slice(0, 1) }),
  ).toMatchObject([{ evidence: 'disk bus (scsi, sata); card model (e1000)' }]);
});
