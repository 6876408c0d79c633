import { describe, expect, test } from 'vitest';
import { knownSystem } from '../../model/known-system.ts';
import { drawApp, keys, plain } from '../draw.tsx';
import { states } from '../states.ts';
import { imageState, runStates, surveyed } from '../states-run.ts';

const lines = (frame: string) => frame.split('\n');

describe('80 x 24', () => {
  test('list, details below, keys', async () => {
    const { shows } = drawApp(imageState);
    const frame = await shows('5 machines');
    expect(frame).toContain('❯ [ ] appliance');
    expect(frame).toContain("can't be read: t…");
    expect(frame).toContain('┌─ appliance ─');
    expect(frame).toContain('Enter go on');
    expect(lines(frame)).toHaveLength(24);
    expect(Math.max(...lines(frame).map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  test('the details follow the cursor; i shows all', async () => {
    const { shows, press } = drawApp(imageState);
    await shows('5 machines');
    await press(keys.down, keys.down, keys.down);
    await shows('┌─ web-frontend ─');
    await press('i');
    const frame = await shows('back to the list');
    expect(frame).toContain('#2 19 GiB ext4, "root", 3 GiB used, DIRTY');
    expect(frame).toContain('WARNING: the filesystem was not unmounted');
    await press(keys.esc);
    await shows('5 machines');
  });

  test('several are marked and go on', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press(keys.down, ' ', keys.end, ' ');
    await shows('2 marked');
    await press(keys.enter);
    await shows('Made for');
    expect(port.getState().selected).toEqual(['/srv/images/database.qcow2', '/srv/images/win2019.qcow2']);
  });

  test('none marked: the one under the cursor goes on', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press(keys.down, keys.enter);
    await shows('Made for');
    expect(port.getState().selected).toEqual(['/srv/images/database.qcow2']);
  });

  test('a broken one says why it is not taken', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press(keys.down, keys.down, ' ');
    await shows(/Not now: old-backup can't be read/);
    await press(keys.enter);
    await shows(/Not now: old-backup can't be read/);
    expect(port.getState().screen).toBe('image');
    expect(port.sent).toEqual([]);
  });

  test('what is inside is shown when it has been found', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press(keys.down, keys.down, keys.down);
    await shows('┌─ web-frontend ─');
    const [id, report] = Object.entries(surveyed.reports)[0]!;
    const { machine, images } = surveyed;
    const reports = { [id]: { ...report, systems: [knownSystem] } };
    port.emit({ type: 'machine-surveyed', machine, images, reports });
    const frame = await shows('kernel: 6.1.0-18-amd64: the default');
    expect(frame).toContain('System: Debian GNU/Linux 12 (bookworm), x86_64, called web');
    expect(lines(frame)).toHaveLength(24);
    expect(Math.max(...lines(frame).map((line) => line.length))).toBeLessThanOrEqual(80);
    await press('i');
    expect(await shows('network: ens192')).toContain('bootloader: GRUB 2');
  });

  test('a filter counts what passes', async () => {
    const { shows, press } = drawApp(states['image-many']!);
    await shows('2000 machines');
    await press('/', '1', '9', '9', '9', keys.enter);
    expect(await shows('1 of 2000 machines')).toContain('machine-1999');
  });

  test('a path typed by hand, empty refused', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press('p');
    await shows('Add by path');
    await press(keys.enter);
    await shows('! Path is needed');
    await press('/', 'a', 'q', keys.enter);
    await shows('5 machines');
    expect(port.sent).toEqual([{ type: 'add-machine', id: '/aq', select: true }]);
    await press('p');
    expect(await shows('Add by path')).toContain('/aq');
  });

  test('other folders are searched anew', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press('f');
    await shows('Where to look');
    await press('/', 'x', keys.enter);
    await shows('5 machines');
    expect(port.sent).toEqual([
      { type: 'connect', environment: 'local', settings: { folders: '/x', follow: 'no' } },
      { type: 'list' },
    ]);
  });

  test('r refreshes, and stops what is still looking', async () => {
    const { shows, press, port } = drawApp(imageState);
    await shows('5 machines');
    await press('r');
    port.emit({ type: 'listing' });
    await shows('r stop');
    await press('r');
    expect(port.sent).toEqual([{ type: 'list' }, { type: 'stop-list' }]);
  });

  test('nothing found says what to do', async () => {
    const { shows, press } = drawApp(runStates['image-empty']!);
    await shows('no machine was found here');
    await press(keys.enter);
    await shows('Not now: no machine was found; p takes a path, f other folders');
  });

  test('a list that failed says why', async () => {
    const failure = {
      kind: 'auth',
      message: 'permission denied',
      where: '/srv',
      hint: 'check its mode',
    } as const;
    const { shows } = drawApp({
      ...imageState,
      machines: { ...imageState.machines, status: 'failed', failure },
    });
    await shows('ERROR: permission denied (/srv); check its mode');
  });
});

test('120 x 40: the details are beside the list', async () => {
  const { shows, press } = drawApp(imageState, { columns: 120, rows: 40 });
  await shows('5 machines');
  await press(keys.end, keys.up);
  const frame = await shows('┌─ web-frontend ─');
  const top = lines(frame).find((line) => line.includes('┌─ web-frontend'));
  expect(top).toMatch(/looking inside 1 more.*┌─ web-frontend/);
  expect(frame).toContain('NOTE: 3 clusters are leaked');
});

test('plain ASCII without colour', async () => {
  const { shows, press } = drawApp(imageState, { can: plain });
  await press(' ');
  const frame = await shows('> [x] appliance');
  expect(frame).not.toMatch(/[^\x0a\x20-\x7e]/);
});
