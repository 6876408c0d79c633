import { describe, expect, test } from 'vitest';
import { GiB, MiB } from '../../../src/model/units.ts';
import { configFields } from '../../../src/screens/configuration/configuration-view.ts';
import type { ConfigField } from '../../../src/screens/configuration/field.ts';
import { turned } from '../../../src/screens/configuration/field.ts';
import {
  addNic,
  machineContext,
  nicIndexOf,
  removeNic,
} from '../../../src/screens/configuration/machine-fields.ts';
import { reduce } from '../../../src/state/reduce.ts';
import type { Draft, MachineEdit, State } from '../../../src/state/state.ts';
import { machine, machines } from '../states.ts';
import { configState } from '../states-run.ts';

const id = machines[0]!.id;
const database = machines[1]!.id;

function field(key: string, state: State = configState, of = id): ConfigField {
  const found = configFields(state, of).find((f) => f.key === key);
  if (found === undefined) throw new Error(`no field ${key}`);
  return found;
}
const drafted = (change: Partial<Draft>): State => ({
  ...configState,
  draft: { ...configState.draft, ...change },
});
const edited = (edit: MachineEdit): State => drafted({ edits: { [id]: edit } });

describe('destination', () => {
  test.each([
    ['product', { value: 'qemu', shown: 'QEMU / KVM' }],
    ['folder', { text: '/srv/out', shown: '/srv/out' }],
    ['container', { value: 'disks', reason: 'QEMU / KVM takes nothing else' }],
    ['format', { value: 'qcow2', shown: 'qcow2', changed: false }],
    ['option:cluster_size', { kind: 'text', shown: '64 KiB' }],
    ['option:compression', { kind: 'choice', value: 'none' }],
    ['force', { value: 'no', shown: 'no, keep files of the same name' }],
    ['sync', { value: 'no' }],
  ])('%s', (key, expected) => {
    expect(field(key)).toMatchObject(expected);
  });

  test('a machine that runs can be copied meanwhile', () => {
    const ofWarm = (state: State) => configFields(state, id).find((f) => f.key === 'warm');
    expect(ofWarm(configState)).toBeUndefined();
    const items = configState.machines.items.map((item) => ({
      ...item,
      machine: { ...item.machine, state: 'running' as const },
    }));
    const runs: State = { ...configState, machines: { ...configState.machines, items } };
    expect(ofWarm(runs)).toMatchObject({ value: 'no', changed: false });
    const warm = { shutDown: true, turnOn: false };
    const applied = ofWarm(runs)!.apply('shut-down');
    expect(applied).toEqual({ command: { type: 'draft', change: { warm } } });
    const chosen = { ...runs, draft: { ...runs.draft, warm } };
    expect(ofWarm(chosen)).toMatchObject({ value: 'shut-down', changed: true });
    expect(ofWarm(chosen)!.apply('no')).toEqual({ command: { type: 'draft', change: { warm: undefined } } });
  });

  test('another product has its own container, format and options again', () => {
    const before = drafted({ format: 'raw', options: { cluster_size: 4096 } });
    const applied = field('product', before).apply('vmware');
    expect(applied).toEqual({
      command: {
        type: 'draft',
        change: {
          product: 'vmware',
          container: undefined,
          format: undefined,
          backing: undefined,
          options: {},
        },
      },
    });
    if (!('command' in applied) || applied.command.type !== 'draft') throw new Error('no draft');
    const after = reduce(before, { type: 'drafted', change: applied.command.change });
    expect(after.draft).toEqual({ ...configState.draft, product: 'vmware' });
    expect(Object.keys(after.draft)).not.toContain('format');
    expect(field('container', after).shown).toBe('OVA, one file with all in it');
  });

  test('an OVA holds one format only, and says so', () => {
    const state = drafted({ product: 'vmware' });
    expect(field('format', state)).toMatchObject({
      value: 'vmdk',
      reason: expect.stringContaining('streamOptimized'),
    });
    expect(field('option:subformat', state)).toMatchObject({
      shown: 'streamOptimized',
      reason: expect.stringContaining('nothing else'),
    });
  });

  test.each([
    ['container', 'disks', { container: 'disks', format: undefined, options: {} }],
    ['container', 'ova', { container: undefined, format: undefined, options: {} }],
    ['force', 'yes', { force: true }],
    ['sync', 'yes', { sync: true }],
    ['folder', ' ~/out ', { folder: '~/out' }],
  ])('%s becomes %s', (key, value, change) => {
    const state = drafted({ product: 'vmware' });
    expect(field(key, state).apply(value)).toEqual({ command: { type: 'draft', change } });
  });

  test.each([
    ['format', 'raw', { format: 'raw', options: {} }],
    ['format', 'qcow2', { format: undefined, options: {} }],
    ['option:cluster_size', '2M', { options: { cluster_size: 2 * MiB } }],
    ['option:compression', 'zstd', { options: { compression: 'zstd' } }],
  ])('%s becomes %s', (key, value, change) => {
    expect(field(key).apply(value)).toEqual({ command: { type: 'draft', change } });
  });

  test.each([
    ['folder', '  ', /a folder is needed/],
    ['option:cluster_size', 'much', /not a size/],
    ['option:cluster_size', '64M', /it takes 512 B to 2 MiB/],
  ])('%s refuses "%s"', (key, value, message) => {
    expect(field(key).apply(value)).toEqual({ error: expect.stringMatching(message) });
  });

  test("the product's own option is shown once the plan knows it", () => {
    const [plan] = configState.planned.plans;
    const destination = { ...plan!.destination, options: { cluster_size: 65536, compression: 'zstd' } };
    const planned = { ...configState.planned, plans: [{ ...plan!, destination }] };
    expect(field('option:compression', { ...configState, planned })).toMatchObject({
      shown: 'zstd',
      changed: false,
    });
  });
});

describe('machine', () => {
  test.each([
    ['name', 'db', { name: 'db' }],
    ['name', '', { name: undefined }],
    ['name', 'web-frontend', { name: undefined }],
    ['processors', '8', { processors: 8 }],
    ['processors', '', { processors: undefined }],
    ['memory', '512M', { memoryBytes: 512 * MiB }],
    ['memory', '1.5 GiB', { memoryBytes: 1.5 * GiB }],
    ['memory', '', { memoryBytes: undefined }],
    ['firmware', 'uefi-secure', { firmware: { kind: 'uefi', secureBoot: true } }],
    ['firmware', 'bios', { firmware: undefined }],
  ])('%s becomes "%s"', (key, value, change) => {
    expect(field(key).apply(value)).toEqual({ command: { type: 'edit-machine', id, change } });
  });

  test.each([
    ['name', 'a/b', /no slash/],
    ['name', 'x'.repeat(121), /120/],
    ['processors', '0', /1 to 1024/],
    ['processors', '1.5', /1 to 1024/],
    ['processors', 'two', /1 to 1024/],
    ['memory', '2048', /unit is missing: write it as 2048M or 2048G/],
    ['memory', 'lots', /not a size/],
    ['memory', '1M', /from 4M/],
    ['memory', '5000.5K', /whole/],
  ])('%s refuses "%s"', (key, value, message) => {
    expect(field(key).apply(value)).toEqual({ error: expect.stringMatching(message) });
  });

  test('what the source does not say is said to be a guess', () => {
    const { processors: _, memoryBytes: __, firmware: ___, ...bare } = machine(1, { name: 'web-frontend' });
    const state: State = {
      ...configState,
      machines: { status: 'done', items: [{ machine: bare, survey: 'done', images: {}, reports: {} }] },
    };
    expect(field('processors', state).shown).toBe('2 (the source does not say)');
    expect(field('memory', state).shown).toBe('2 GiB (the source does not say)');
    expect(field('firmware', state).shown).toBe('BIOS (the source does not say)');
    const unplanned = { ...state, planned: { ...state.planned, plans: [] } };
    expect(field('processors', unplanned).shown).toBe('default of the product');
  });

  test('an edit is shown before the plan is there', () => {
    expect(field('memory', edited({ memoryBytes: 8 * GiB }))).toMatchObject({
      shown: '8 GiB',
      changed: true,
    });
  });

  test('disks are left out and taken back, but not the last', () => {
    const state = { ...configState, selected: [database] };
    expect(field('disk:disk1', state, database).apply('no')).toEqual({
      command: { type: 'edit-machine', id: database, change: { leaveOut: ['disk1'] } },
    });
    const less = { ...state, draft: { ...state.draft, edits: { [database]: { leaveOut: ['disk1'] } } } };
    expect(field('disk:disk1', less, database)).toMatchObject({ value: 'no', changed: true });
    expect(field('disk:disk1', less, database).apply('yes')).toEqual({
      command: { type: 'edit-machine', id: database, change: { leaveOut: undefined } },
    });
    expect(field('disk:disk0', less, database).reason).toBe('at least one disk must go along');
  });
});

describe('adapters', () => {
  const nic = machines[0]!.nics[0]!;
  const nicsAfter = (key: string, value: string, state = configState) => {
    const applied = field(key, state).apply(value);
    return 'command' in applied && applied.command.type === 'edit-machine'
      ? applied.command.change.nics
      : applied;
  };

  test.each([
    ['nic:0:mac', '', [{ network: 'default', model: 'virtio', connected: true }]],
    ['nic:0:model', 'e1000', [{ ...nic, model: 'e1000' }]],
    ['nic:0:network', 'VM Network', [{ ...nic, network: 'VM Network' }]],
    ['nic:0:network', '', [{ mac: nic.mac, model: 'virtio', connected: true }]],
  ])('%s becomes "%s"', (key, value, expected) => {
    expect(nicsAfter(key, value)).toEqual(expected);
  });

  test('the old address can be taken again', () => {
    const state = edited({ nics: [{ model: 'virtio' }] });
    expect(field('nic:0:mac', state)).toMatchObject({ value: '', shown: 'a new one', changed: true });
    expect(nicsAfter('nic:0:mac', nic.mac!, state)).toEqual([{ model: 'virtio', mac: nic.mac }]);
  });

  test('one is added, one removed; an address is not offered twice', () => {
    const context = machineContext(configState, id)!;
    expect(addNic(context)).toEqual({
      type: 'edit-machine',
      id,
      change: { nics: [nic, { model: 'virtio', connected: true }] },
    });
    expect(removeNic(context, 0)).toEqual({ type: 'edit-machine', id, change: { nics: [] } });
    const two = edited({ nics: [nic, { model: 'virtio' }] });
    expect(field('nic:1:mac', two).reason).toMatch(/no address that could be kept/);
  });

  test.each([
    ['nic:2:mac', 2],
    ['nic:10:model', 10],
    ['name', undefined],
  ])('%s belongs to %s', (key, expected) => {
    expect(nicIndexOf(key)).toBe(expected);
  });
});

test('choices go round', () => {
  const choices = ['a', 'b', 'c'].map((value) => ({ value, label: value }));
  expect([turned(choices, 'c', 1), turned(choices, 'a', -1), turned(choices, 'gone', 1)]).toEqual([
    'a',
    'c',
    'a',
  ]);
});
