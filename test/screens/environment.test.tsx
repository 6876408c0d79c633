import { describe, expect, it } from 'vitest';
import {
  detailLines,
  rowsOf,
  startRow,
  statusOf,
  whyNot,
} from '../../src/screens/environment/environment-view.ts';
import type { LeftOutPlugin, State } from '../../src/state/state.ts';
import { drawApp, keys } from './draw.tsx';
import { base, item, machine, states } from './states.ts';

const [local, vsphere, sample] = rowsOf(base);

describe('views', () => {
  it('offer every source, and the sample', () => {
    expect(rowsOf(base).map((row) => row.kind)).toEqual(['environment', 'environment', 'sample']);
    const { sample: _, ...catalog } = base.catalog;
    expect(rowsOf({ ...base, catalog })).toHaveLength(2);
  });

  it.each([
    ['this computer', local, base, undefined],
    ['without a profile', vsphere, base, 'choose one of its profiles first (1)'],
    [
      'no profile at all',
      vsphere,
      { ...base, profiles: [] },
      'add a profile for it first (1, then a), or give its settings (e)',
    ],
    ['with its profile', vsphere, { ...base, profile: 'p1' }, undefined],
    ['with another profile', vsphere, { ...base, profile: 'p2' }, 'choose one of its profiles first (1)'],
    ['the sample', sample, base, undefined],
    ['an empty list', undefined, base, 'no row passes the filter'],
  ] as const)('say why not: %s', (_, row, state, expected) => {
    expect(whyNot(row, state)).toBe(expected);
  });

  it.each([
    ['connecting', 'connecting'],
    ['connect-failed', 'FAILED'],
    ['environment', 'lab vCenter'],
  ])('say how it stands: %s', (name, expected) => {
    expect(statusOf(vsphere!, states[name]!)).toBe(expected);
  });

  it('tell what failed and what to try', () => {
    const texts = detailLines(vsphere, states['connect-failed']!).map((line) => line.text);
    expect(texts.slice(0, 2)).toEqual([
      'VMware vSphere: connecting failed: no answer within 10 s (vcenter.lab.example:443)',
      'What to try: check the name and the firewall',
    ]);
  });
});

describe('plugins that are left out', () => {
  const plugin: LeftOutPlugin = {
    key: '/p/nas',
    name: 'nas',
    status: 'untrusted',
    version: '1.2.0',
    origin: 'plugin folder',
    where: '/home/me/.config/vmferry/plugins/nas',
    reason: 'x',
  };
  const at = (change: Partial<LeftOutPlugin> = {}): State => ({
    ...base,
    screen: 'environment',
    leftOutPlugins: [{ ...plugin, ...change }],
  });

  it.each([
    { columns: 80, rows: 24 },
    { columns: 120, rows: 40 },
  ])('are rows; Enter asks, says where they come from, and trusts them: %j', async (size) => {
    const app = drawApp(at(), size);
    await app.press(keys.down, keys.down);
    const frame = await app.shows('vmferry plugins trust nas');
    expect(frame).toMatch(/Plugin nas +not trusted/);
    await app.press(keys.enter);
    await app.shows('Trust the plugin "nas", version 1.2.0?');
    await app.shows('It comes from: plugin folder, /home/me/.config/vmferry/plugins/nas');
    await app.press(keys.enter, 'n');
    expect(app.port.sent).toEqual([]);
    await app.press(keys.enter, 'y');
    expect(app.port.sent).toEqual([{ type: 'trust-plugin', key: '/p/nas' }]);
  });

  it('say what is broken, and that they have changed', async () => {
    const app = drawApp(at({ status: 'broken', reason: 'it has no manifest' }));
    await app.press(keys.down, keys.down, keys.enter);
    await app.shows('It is not loaded: it has no manifest');
    await app.shows('Not now: it has no manifest');
    const changed = drawApp(at({ status: 'changed' }));
    await changed.press(keys.down, keys.down, keys.enter);
    await changed.shows('as it is NOW?');
  });
});

it('starts at the environment of the profile that was chosen since', () => {
  const { connection: _, ...rest } = states.environment!;
  const connected: State = {
    ...rest,
    connection: { status: 'connected', environment: 'local', label: 'This computer' },
  };
  expect(startRow(connected)).toBe('vsphere');
  const { profile: __, ...without } = connected;
  expect(startRow(without)).toBe('local');
  const same = { ...connected.connection, environment: 'vsphere', profile: 'p1' } as State['connection'];
  expect(startRow({ ...connected, connection: same })).toBe('vsphere');
});

it('connects, lists and goes to the machines', async () => {
  const app = drawApp(states.environment!);
  await app.press(keys.enter);
  await app.shows('[3 Image]');
  const types = app.port.sent.map((c) => c.type);
  expect(app.port.sent[0]).toEqual({ type: 'connect', environment: 'vsphere', profile: 'p1' });
  expect(types).toContain('list');
  await app.press('2');
  await app.shows('its machines');
});

it('stays where the user went in the meantime', async () => {
  const app = drawApp({ ...base, screen: 'environment' });
  const { dispatch } = app.port;
  let connected: () => void = () => undefined;
  app.port.dispatch = async (command) => {
    if (command.type === 'connect') {
      await new Promise<void>((done) => {
        connected = done;
      });
    }
    await dispatch(command);
  };
  await app.press(keys.enter, '1');
  await app.shows('[1 Credentials]');
  connected();
  await app.shows('This computer');
  await app.shows('[1 Credentials]');
});

it('shows what is waited for, and cancels', async () => {
  const app = drawApp(states.connecting!);
  await app.shows('connecting: signing in at vcenter.lab.example');
  await app.press(keys.enter);
  await app.shows('Not now: it is connecting; c cancels');
  await app.press(keys.esc);
  expect(app.port.sent).toEqual([{ type: 'cancel-connect' }]);
});

it('says why an environment can not be used', async () => {
  const app = drawApp({ ...base, screen: 'environment' });
  await app.press(keys.down, keys.enter);
  await app.shows('Not now: choose one of its profiles first (1)');
  expect(app.port.sent).toEqual([]);
});

it('connects with other settings', async () => {
  const app = drawApp({ ...base, screen: 'environment' });
  await app.press('e');
  await app.shows('Settings: This computer');
  await app.press('/data', keys.enter);
  await app.shows('[3 Image]');
  expect(app.port.sent[0]).toMatchObject({
    environment: 'local',
    settings: { folders: '/data', follow: 'no' },
  });
});

it('sees each key of one chunk on the screen that the former has made', async () => {
  const app = drawApp({ ...base, screen: 'environment' });
  await app.press(keys.end + keys.enter);
  await app.shows('[3 Image]');
  expect(app.port.sent).toContainEqual({ type: 'add-machine', id: base.catalog.sample, select: true });
});

it('takes the sample', async () => {
  const app = drawApp({ ...base, screen: 'environment' });
  const { dispatch } = app.port;
  app.port.dispatch = async (command) => {
    await dispatch(command);
    if (command.type === 'add-machine') {
      app.port.emit({ type: 'machine-found', machine: machine(1, { id: command.id, name: 'sample' }) });
    }
  };
  await app.press(keys.end, keys.enter);
  await app.shows('1 machine chosen');
  expect(app.port.getState().selected).toEqual([base.catalog.sample]);
  expect(app.port.sent.map((c) => c.type)).not.toContain('list');
});

it('goes back to machines it has already', async () => {
  const state: State = {
    ...states.image!,
    screen: 'environment',
    machines: { status: 'done', items: [item(machine(1))] },
  };
  const app = drawApp(state);
  await app.press(keys.enter);
  await app.shows('[3 Image]');
  expect(app.port.sent.map((c) => c.type)).not.toContain('connect');
});
