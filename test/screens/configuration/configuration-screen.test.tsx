import { describe, expect, test } from 'vitest';
import { drawApp, keys, plain } from '../draw.tsx';
import { blockedState, configState, severalState } from '../states-run.ts';

const start = 'Ready to start: 1 warning, 1 note';

describe('80 x 24', () => {
  test('fields, the status, a hint to the plan', async () => {
    const { shows, press } = drawApp(configState);
    const frame = await shows(`${start} (Tab: findings)`);
    expect(frame).toContain('❯ Destination        A folder here');
    expect(frame).toContain('  Made for           QEMU / KVM');
    expect(frame).toContain('  Memory             2 GiB');
    expect(frame.split('\n')).toHaveLength(24);
    await press(keys.tab);
    expect(await shows('WARNING: VHD rounds the size up')).toContain('The plan');
    await press(keys.esc);
    await shows('Made for');
  });

  test('a choice is turned', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press(keys.down, keys.right);
    await shows('< VirtualBox >');
    expect(port.getState().draft.product).toBe('virtualbox');
    await press(keys.left);
    await shows('< QEMU / KVM >');
  });

  test('text is entered in place, checked, corrected, taken', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press(keys.end, keys.home, ...Array(11).fill(keys.down));
    await shows('❯ Memory');
    await press(keys.enter, '\x15', '9', keys.enter);
    await shows('! the unit is missing: write it as 9M or 9G');
    await press('G', keys.enter);
    await shows('9 GiB (changed)');
    expect(port.getState().draft.edits).toEqual({
      '/srv/images/web-frontend.qcow2': { memoryBytes: 9 * 2 ** 30 },
    });
  });

  test('Esc leaves a text as it was', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press(keys.down, keys.down, keys.enter, 'x');
    await shows('/srv/outx');
    await press(keys.esc);
    await shows('Enter edit');
    expect(port.sent).toEqual([]);
    expect(port.getState().screen).toBe('configuration');
  });

  test('an adapter is added and removed', async () => {
    const { shows, press } = drawApp(configState);
    await shows(start);
    await press('a', keys.end, ...Array(7).fill(keys.up));
    await shows('Adapter 2');
    await press('x');
    await shows(/^(?!.*Adapter 2)/s);
  });

  test('a fixed field says why', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press(...Array(3).fill(keys.down), keys.right);
    const frame = await shows('Not now: QEMU / KVM takes nothing else');
    expect(frame).toContain('fixed: QEMU / KVM takes nothing else');
    expect(port.sent).toEqual([]);
  });

  test('a blocker is said, and holds the start', async () => {
    const { shows, press, port } = drawApp(blockedState);
    await shows('BLOCKED: web-frontend.qcow2 exists already');
    await press('g');
    await shows('Not now: blocked: web-frontend.qcow2 exists already');
    expect(port.sent).toEqual([]);
  });

  test('g asks, Enter decides nothing, y starts and goes to the run', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press('g');
    await shows('Convert web-frontend: 1 disk, 1.5 GiB to read');
    await press(keys.enter);
    await shows('[y] start');
    await press('y');
    await shows('Nothing runs');
    expect(port.sent.filter(({ type }) => type !== 'runs')).toEqual([
      { type: 'run', plans: configState.planned.plans },
      { type: 'go', screen: 'run' },
    ]);
  });

  test('l begins it later, at a time that is understood', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press('g', 'l');
    await shows('When is it to begin?');
    await press(...'soon', keys.enter);
    await shows('"soon" is no time');
    await press(...'2030-01-31T22:00Z', keys.enter);
    await shows('Nothing runs');
    expect(port.sent[0]).toEqual({
      ...{ type: 'run', plans: configState.planned.plans },
      when: { at: Date.UTC(2030, 0, 31, 22) },
    });
  });

  test('the start field asks as well; n goes back', async () => {
    const { shows, press, port } = drawApp(configState);
    await shows(start);
    await press(keys.end, keys.enter);
    await shows('[y] start');
    await press('n');
    await shows('❯ Start');
    expect(port.sent).toEqual([]);
  });

  test('fields of one of several machines', async () => {
    const { shows, press } = drawApp(severalState);
    await shows('Machine 1 of 3: web-frontend');
    await press(']');
    await shows('Machine 2 of 3: database');
    await press('[', '[');
    await shows('Machine 3 of 3: win2019');
  });
});

test('120 x 40: findings and plan are beside, and change with the state', async () => {
  const { shows, port } = drawApp(configState, { columns: 120, rows: 40 });
  const frame = await shows('Findings and plan');
  expect(frame).toMatch(/Made for.*QEMU/);
  expect(frame).toContain('WARNING: VHD rounds');
  port.emit({ type: 'planning' });
  await shows('Working out the plan');
  port.emit({ type: 'planned', planned: blockedState.planned });
  await shows('BLOCKER: web-frontend.qcow2 exists');
});

test('plain ASCII without colour', async () => {
  const { shows, press } = drawApp(configState, { can: plain });
  await shows(start);
  await press(keys.down, keys.down, keys.enter);
  const frame = await shows('> Folder             /srv/out_');
  expect(frame).not.toMatch(/[^\x0a\x20-\x7e]/);
});

describe('several destinations', () => {
  const plan = configState.planned.plans[0]!;
  const aside = { ...plan, destination: { ...plan.destination, format: 'vmdk' } };
  const also = [{ plans: [aside], text: 'web as vmdk into /srv' }];

  test('one is set aside, and forgotten', async () => {
    const first = drawApp(configState);
    await first.shows(start);
    await first.press('+');
    expect(first.port.sent.at(-1)).toEqual({ type: 'also' });
    const { shows, press, port } = drawApp({ ...configState, also });
    await shows(start);
    await press('-');
    expect(port.sent.at(-1)).toEqual({ type: 'drop-also' });
  });

  test('all are started together, none twice', async () => {
    const same = { plans: [plan], text: 'the same' };
    const { shows, press, port } = drawApp({ ...configState, also: [...also, same] });
    await shows(start);
    await press('g');
    await shows('ALSO: web as vmdk into /srv');
    await press('y');
    const run = port.sent.find(({ type }) => type === 'run');
    expect(run).toEqual({ type: 'run', plans: [aside, plan] });
  });
});
