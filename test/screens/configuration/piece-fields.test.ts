/** Disks together or apart, and files in parts, as fields. */
import { expect, it } from 'vitest';
import type { GuestPartition } from '../../../src/model/guest-report.ts';
import { arrangeFields } from '../../../src/screens/configuration/arrange-fields.ts';
import { splitField } from '../../../src/screens/configuration/file-fields.ts';
import type { MachineContext } from '../../../src/screens/configuration/machine-fields.ts';
import type { State } from '../../../src/state/state.ts';

const disk = (id: string) => ({ id, name: id, files: [] });
const partition = (number: number, typeName = 'Linux') => ({ number, typeName }) as GuestPartition;
const context = (disks: readonly string[], partitions: readonly GuestPartition[], edit = {}) =>
  ({
    ...{ id: 'm', edit, parts: { snapshots: [], partitions, bare: false } },
    found: { disks: disks.map(disk) },
    planned: { disks: disks.map(disk) },
  }) as unknown as MachineContext;
const valuesOf = (made: MachineContext) =>
  arrangeFields(made).flatMap((field) =>
    field.kind === 'choice' ? field.choices.map(({ value }) => value) : [],
  );

it('several disks can be combined, the partitions of one separated', () => {
  expect(valuesOf(context(['a', 'b'], []))).toEqual(['', 'combine']);
  expect(valuesOf(context(['a', 'b'], [], { leaveOut: ['b'] }))).toEqual([]);
  expect(valuesOf(context(['a'], [partition(1), partition(2, 'extended'), partition(5)]))).toEqual([
    '',
    'separate',
  ]);
  expect(valuesOf(context(['a'], [partition(1), partition(2, 'extended')]))).toEqual([]);
  const [field] = arrangeFields(context(['a', 'b'], []));
  expect(field!.apply('combine')).toEqual({
    command: { type: 'edit-machine', id: 'm', change: { arrange: { kind: 'combine' } } },
  });
  expect(field!.apply('')).toMatchObject({ command: { change: { arrange: undefined } } });
});

it('which partitions go together is written as on the command line', () => {
  const [, groups] = arrangeFields(
    context(['a'], [partition(1), partition(2)], { arrange: { kind: 'separate' } }),
  );
  expect(groups!.apply('1+2,3')).toMatchObject({
    command: { change: { arrange: { kind: 'separate', groups: [[1, 2], [3]] } } },
  });
  expect(groups!.apply('1-2')).toEqual({ error: expect.stringMatching(/no groups/) });
});

it('parts are named by their medium', () => {
  const field = splitField({ draft: {} } as State);
  expect(field.apply('fat32')).toEqual({
    command: { type: 'draft', change: { splitBytes: 2 ** 32 - 2 ** 20 } },
  });
  expect(field.apply(' ')).toEqual({ command: { type: 'draft', change: { splitBytes: undefined } } });
  expect(field.apply('x')).toEqual({ error: expect.stringMatching(/no size of parts/) });
  expect(splitField({ draft: { splitBytes: 2 ** 32 - 2 ** 20 } } as State)).toMatchObject({
    text: 'fat32',
    shown: 'of 4 GiB (fat32)',
  });
});
