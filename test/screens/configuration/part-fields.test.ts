/** Which parts of a machine can be chosen. */
import { expect, it } from 'vitest';
import type { Machine } from '../../../src/model/machine.ts';
import { diskParts } from '../../../src/screens/configuration/part-fields.ts';
import { machines } from '../states.ts';

it('snapshots of the machine that can be opened, and those inside its disks', () => {
  const machine: Machine = {
    ...machines[1]!,
    snapshots: [
      { name: 'before it', machine: '/m.vmx#before it' },
      { name: 'only listed' },
      { name: 'both', machine: '/m.vmx#both' },
    ],
  };
  const images = Object.fromEntries(
    machine.disks
      .slice(0, 1)
      .map(({ id }) => [
        id,
        { format: 'qcow2', details: { snapshotNames: 'both, inside' }, files: [], layers: 1, findings: [] },
      ]),
  );
  const item = { machine, images, reports: {}, byHand: false } as unknown as Parameters<typeof diskParts>[0];
  expect(diskParts(item).snapshots).toEqual(['before it', 'both', 'inside']);
});
