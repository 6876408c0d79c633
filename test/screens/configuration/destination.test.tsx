/** Where the machines go: chosen, connected, asked for what it offers. */
import { describe, expect, it, test } from 'vitest';
import type { GuestReport, GuestVolume } from '../../../src/model/guest-report.ts';
import {
  configFields,
  planLines,
  startReason,
} from '../../../src/screens/configuration/configuration-view.ts';
import type { State } from '../../../src/state/state.ts';
import { drawApp, keys } from '../draw.tsx';
import { machine, machines, states } from '../states.ts';

const delivering = states.destination!;
const database = machines[1]!.id;
const keysOf = (state: State) => configFields(state, database).map((field) => field.key);
const field = (key: string, state = delivering) =>
  configFields(state, database).find((f) => f.key === key) ??
  (() => {
    throw new Error(`no field ${key}: ${keysOf(state).join(', ')}`);
  })();

describe('the fields of an environment', () => {
  it('are its own form, its formats, its networks, and the start', () => {
    const own = keysOf(delivering).filter(
      (key) => !/^(disk|nic|name|proc|mem|firm|part|wind|bus|card|guest|arrange)/.test(key),
    );
    expect(own).toEqual([
      'destination',
      'delivery:datastore',
      'delivery:folder',
      'format',
      'start-after',
      'keep',
      'force',
      'sync',
      'verify',
      'start',
    ]);
    expect(field('format').reason).toBe('lab vCenter takes nothing else');
  });

  it('are set in the draft, and taken back by their default', () => {
    expect(field('delivery:datastore').apply('ssd2')).toEqual({
      command: { type: 'draft', change: { delivery: { datastore: 'ssd2' } } },
    });
    const set = {
      ...delivering,
      draft: { ...delivering.draft, delivery: { datastore: 'ssd2', folder: 'x' } },
    };
    expect(field('delivery:datastore', set)).toMatchObject({ value: 'ssd2', changed: true });
    expect(field('delivery:datastore', set).apply('ssd1')).toEqual({
      command: { type: 'draft', change: { delivery: { folder: 'x' } } },
    });
    expect(field('start-after').apply('yes')).toEqual({
      command: { type: 'draft', change: { start: true } },
    });
  });

  it('offer the networks that are there, and say which is taken for one that is not', () => {
    const network = field('nic:0:network');
    expect(network).toMatchObject({ kind: 'choice', shown: 'VM Network ("default" is not there)' });
    expect(network.apply('DMZ')).toMatchObject({
      command: { type: 'edit-machine', change: { nics: [{ network: 'DMZ' }] } },
    });
  });

  it('are not there before it is connected', () => {
    const failed = states['destination-failed']!;
    expect(keysOf(failed).slice(0, 2)).toEqual(['destination', 'name']);
    expect(startReason(failed)).toBe('the destination, lab vCenter, is not connected; r tries again');
    expect(JSON.stringify(planLines(failed))).toContain('What to try: check the name and the firewall');
  });
});

describe('the file in a folder', () => {
  const one = (change: Partial<State['draft']>): State => ({
    ...states.configuration!,
    draft: { ...states.configuration!.draft, ...change },
  });

  it('says by its name that it is encrypted, and then needs somebody who can open it', () => {
    expect(keysOf(one({}))).not.toContain('recipients');
    expect(field('file', one({})).apply('web.raw.age')).toEqual({
      command: { type: 'draft', change: { file: 'web.raw.age' } },
    });
    const sealed = one({ file: 'web.raw.age' });
    expect(startReason(sealed)).toMatch(/nobody is named/);
    expect(field('recipients', sealed).apply('age1abc, age1def')).toEqual({
      command: { type: 'draft', change: { recipients: ['age1abc', 'age1def'] } },
    });
    expect(field('recipients', sealed).apply('me')).toMatchObject({ error: expect.stringContaining('age1') });
    expect(field('file', one({})).apply('a/b')).toMatchObject({ error: expect.stringContaining('slash') });
  });
});

describe('the part of a disk', () => {
  const web = machine(1, { name: 'web-frontend' });
  const disk = web.disks[0]!;
  const partition = {
    number: 2,
    startBytes: 0,
    lengthBytes: 2 ** 30,
    type: '0x83',
    typeName: 'Linux',
    bootable: false,
  };
  const state: State = {
    ...states.configuration!,
    selected: [web.id],
    machines: {
      status: 'done',
      items: [
        {
          machine: web,
          survey: 'done',
          images: {
            [disk.id]: {
              format: 'qcow2',
              details: { snapshotNames: 'before, after' },
              virtualSizeBytes: 1,
              files: [],
              findings: [],
            },
          },
          reports: {
            [disk.id]: {
              partitionTable: { kind: 'mbr', sectorSize: 512, bootCode: 'none' },
              partitions: [partition],
              systems: [],
              firmware: 'bios',
              efiLoaders: [],
              findings: [],
              bytesRead: 0,
            },
          },
        },
      ],
    },
  };
  const own = (key: string) => configFields(state, web.id).find((f) => f.key === key)!;
  const changed = (key: string, value: string) => {
    const applied = own(key).apply(value);
    return 'command' in applied && applied.command.type === 'edit-machine' ? applied.command.change : applied;
  };

  test.each([
    ['snapshot', 'after', { snapshot: 'after' }],
    ['snapshot', '', { snapshot: undefined }],
    ['partition', '2', { partition: 2, window: undefined }],
    ['partition', '', { partition: undefined }],
    ['window', '1M+2M', { window: { offset: 2 ** 20, length: 2 ** 21 }, partition: undefined }],
    ['window', '', { window: undefined }],
  ])('%s "%s"', (key, value, change) => {
    expect(changed(key, value)).toEqual(change);
  });

  it('is shown as it is known', () => {
    expect(own('partition')).toMatchObject({
      choices: [{ label: 'the whole disk' }, { label: 'partition 2: 1 GiB Linux' }],
    });
    expect(changed('window', '5')).toMatchObject({ error: expect.stringContaining('OFFSET+LENGTH') });
  });
});

describe('a partition table', () => {
  const web = machine(1, { name: 'web' });
  const found = (kind: 'none' | 'mbr', volume: boolean, rule?: string): State => {
    const whole = { number: 0, startBytes: 0, lengthBytes: 1, type: '', typeName: '', bootable: false };
    const report: GuestReport = {
      partitionTable: { kind, sectorSize: 512, bootCode: 'none' },
      partitions: [{ ...whole, ...(volume ? { volume: { kind: 'ext4' } as GuestVolume } : {}) }],
      ...{ systems: [], firmware: 'unknown', efiLoaders: [], findings: [], bytesRead: 0 },
    };
    const findings = rule === undefined ? [] : [{ rule, severity: 'warning', message: 'x' } as const];
    const item = { machine: { ...web, findings }, survey: 'done', images: {} } as const;
    return {
      ...states.configuration!,
      selected: [web.id],
      machines: { status: 'done', items: [{ ...item, reports: { [web.disks[0]!.id]: report } }] },
    };
  };
  const table = (state: State) => configFields(state, web.id).find((f) => f.key === 'table');

  it('is offered for a bare filesystem, or where the environment says that it is one', () => {
    expect(table(found('none', true))).toMatchObject({ shown: 'none, as it is', changed: false });
    expect(table(found('mbr', true))).toBeUndefined();
    expect(table(found('none', false))).toBeUndefined();
    expect(table(found('none', false, 'uml.no-partition-table'))).toBeDefined();
  });

  it('is a change of the machine, and taken back', () => {
    const state = found('none', true);
    const change = (kind: string) => table(state)!.apply(kind);
    expect(change('gpt')).toMatchObject({ command: { id: web.id, change: { table: 'gpt' } } });
    expect(change('')).toMatchObject({ command: { change: { table: undefined } } });
    const set = { ...state, draft: { ...state.draft, edits: { [web.id]: { table: 'mbr' } as const } } };
    expect(table(set)).toMatchObject({ shown: 'MBR, put around the bare filesystem', changed: true });
  });
});

describe('an image that it is laid over', () => {
  const [qcow2, ...others] = states.configuration!.catalog.formats;
  const able: State = {
    ...states.configuration!,
    catalog: { ...states.configuration!.catalog, formats: [{ ...qcow2!, backing: true }, ...others] },
  };

  it('is a field where the format can, in a folder here', () => {
    expect(keysOf(able)).toContain('backing');
    expect(keysOf(states.configuration!)).not.toContain('backing');
    expect(keysOf({ ...able, draft: { ...able.draft, format: 'raw' } })).not.toContain('backing');
    expect(keysOf({ ...able, destination: delivering.destination })).not.toContain('backing');
  });

  it('is set, taken back, and gone with another format', () => {
    expect(field('backing', able).apply(' ~/base.qcow2 ')).toEqual({
      command: { type: 'draft', change: { backing: '~/base.qcow2' } },
    });
    const set: State = { ...able, draft: { ...able.draft, backing: '/base.qcow2' } };
    expect(field('backing', set)).toMatchObject({ shown: '/base.qcow2', changed: true });
    expect(field('backing', set).apply('')).toEqual({
      command: { type: 'draft', change: { backing: undefined } },
    });
    expect(field('format', set).apply('raw')).toMatchObject({ command: { change: { backing: undefined } } });
  });
});

describe('a folder of another host', () => {
  const plain: State = {
    ...delivering,
    destination: {
      status: 'connected',
      environment: 'ssh',
      label: 'Disk files over SSH',
      settings: { host: 'there' },
      fields: [{ key: 'folder', label: 'Folder', help: 'there', kind: 'text', required: true, default: '~' }],
    },
  };

  it('is offered the same products, packages and formats as one here', () => {
    const own = keysOf(plain).filter(
      (key) => !/^(disk|nic|name|proc|mem|firm|part|wind|option|bus|card|guest|arrange)/.test(key),
    );
    expect(own).toEqual([
      ...['destination', 'product', 'delivery:folder', 'container', 'format', 'split'],
      ...['keep', 'force', 'sync', 'verify', 'start'],
    ]);
    const ova = { ...plain, draft: { ...plain.draft, product: 'virtualbox' } };
    expect(field('container', ova)).toMatchObject({ value: 'ova' });
    expect(field('format', ova).reason).toContain('streamOptimized');
    expect(field('delivery:folder', plain)).toMatchObject({ text: '~', changed: false });
    expect(field('delivery:folder', plain).apply('')).toEqual({ error: 'Folder is needed' });
  });
});

describe.each([
  [80, 24],
  [120, 40],
])('%i x %i', (columns, rows) => {
  it('a profile is chosen from the list, and connected', async () => {
    const { shows, press, port } = drawApp(states.configuration!, { columns, rows });
    await shows('A folder here');
    await press(keys.enter);
    await shows('files on this computer, for any product');
    await press(keys.down);
    await shows('vcenter.lab.example');
    await press(keys.enter);
    await shows('Connecting to lab vCenter: signing in');
    expect(port.sent).toEqual([{ type: 'connect-destination', environment: 'vsphere', profile: 'p1' }]);
    port.emit({ type: 'destination', destination: delivering.destination });
    const frame = await shows('Datastore');
    expect(frame).not.toContain('Made for');
    await press('r');
    await shows('Connecting to lab vCenter');
    await press('c');
    await shows('A folder here');
    expect(port.sent.at(-1)).toEqual({ type: 'leave-destination' });
  });

  it('a failure says what to try, and r tries', async () => {
    const { shows, press, port } = drawApp(states['destination-failed']!, { columns, rows });
    await shows('NOT CONNECTED: no answer within 10 s');
    if (columns < 100) {
      await shows(/check the name/);
      await press(keys.tab);
    }
    await shows('What to try: check the name and the firewall');
    await press('r');
    expect(port.sent).toEqual([{ type: 'connect-destination', environment: 'vsphere', profile: 'p1' }]);
  });

  it('a run names the place, and says that the machine runs', async () => {
    const { shows } = drawApp(states['run-delivered']!, { columns, rows });
    const frame = await shows('at lab vCenter');
    expect(frame).toContain('started: running');
  });
});
