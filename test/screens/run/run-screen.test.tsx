import { describe, expect, test } from 'vitest';
import { drawApp, keys, plain } from '../draw.tsx';
import { noon, states } from '../states.ts';
import { runState, runStates } from '../states-run.ts';

describe('80 x 24', () => {
  test('bars for all and each disk, numbers, the log', async () => {
    const { shows } = drawApp(runState);
    const frame = await shows('11.5 GiB of 41.5 GiB, 300 MiB/s, 1:42 left');
    expect(frame).toMatch(/All {2}█+.*░+ {2}27%/);
    expect(frame).toMatch(/database-data.qcow2 .*█+░+ {2}25% 10 GiB of 40 GiB/);
    expect(frame).toContain('0:06 WARNING: the image has 3 leaked clusters');
    expect(frame.split('\n')).toHaveLength(24);
  });

  test('bytes and log lines that arrive are drawn', async () => {
    const { shows, port } = drawApp(runState);
    await shows('10 GiB of 40 GiB');
    port.emit({
      type: 'progress',
      index: 0,
      disks: [{ id: 'disk1', bytesDone: 20 * 2 ** 30 }],
      rate: 2 ** 30,
    });
    await shows('20 GiB of 40 GiB');
    await shows('1 GiB/s');
    for (let i = 0; i < 30; i++) {
      port.emit({ type: 'run-log', line: { at: noon + 9000, level: 'info', text: `line ${i}` } });
    }
    expect(await shows('line 29')).not.toContain('line 1 ');
  });

  test('the log stays where one has scrolled to', async () => {
    const { shows, press, port } = drawApp(runState);
    const say = (text: string) => port.emit({ type: 'run-log', line: { at: noon, level: 'info', text } });
    for (let i = 100; i < 140; i++) say(`line ${i}`);
    await shows('line 139');
    await press(keys.home);
    await shows('the plan was checked');
    say('line 140');
    expect(await shows('the plan was checked')).not.toContain('line 140');
    await press(keys.end);
    await shows('line 140');
  });

  test('pause and resume', async () => {
    const { shows, press, port } = drawApp(runState);
    await shows('p pause');
    await press('p');
    await shows('PAUSED: p goes on');
    await press('p');
    await shows('p pause');
    expect(port.sent).toEqual([{ type: 'pause' }, { type: 'resume' }]);
  });

  test('cancel asks once', async () => {
    const { shows, press, port } = drawApp(runState);
    await shows('c cancel');
    await press('c');
    await shows('Cancel the conversion?');
    await press('n');
    await shows('All ');
    expect(port.sent).toEqual([]);
    await press('c', 'y');
    await shows('CANCELLED: nothing was left behind');
    expect(port.sent).toEqual([{ type: 'cancel' }]);
  });

  test('a machine that is copied while it runs is shut down with a word, once', async () => {
    const [first, ...others] = runState.run!.items;
    const plan = { ...first!.plan, warm: { shutDown: false, turnOn: false } };
    const warm = { ...runState, run: { ...runState.run!, items: [{ ...first!, plan }, ...others] } };
    const { shows, press, port } = drawApp(warm);
    await shows('s shut down');
    await press('s');
    await shows('Its system is asked to shut down');
    await press('y');
    await shows('All ');
    expect(port.sent).toEqual([{ type: 'shut-down' }]);
    port.emit({ type: 'run-item', index: 0, change: { goesDown: true } });
    await press('s');
    await shows('Not now: it is going to be shut down');
  });

  test('cancelling is said, and nothing more can be asked of it', async () => {
    const { shows, press, port } = drawApp(runStates['run-cancelling']!);
    await shows('CANCELLING: what was begun is being taken back');
    await press('c');
    await shows('Not now: it is being cancelled');
    expect(port.sent).toEqual([]);
  });

  test('a finished run stays until another', async () => {
    const { shows, press, port } = drawApp(states['run-done']!);
    const frame = await shows('DONE database');
    expect(frame).toContain('/srv/out/database-data.qcow2');
    expect(frame).toContain('41.5 GiB in 2:20, 304 MiB/s');
    await press('n');
    expect(port.sent).toEqual([{ type: 'another' }]);
    expect(port.getState().run).toBeUndefined();
  });

  test('a failure has its message, place and hint', async () => {
    const { shows } = drawApp(runStates['run-failed']!);
    const frame = await shows('FAILED machine-002');
    expect(frame).toContain('no space left');
    expect(frame).toContain('where: /srv/out');
    expect(frame).toContain('what to do: free some space');
  });

  test('a failure that stands there is not said again below', async () => {
    const { shows, port } = drawApp(runStates['run-failed']!);
    port.emit({ type: 'notice', notice: { level: 'error', text: 'no space left (/srv/out)' } });
    const frame = await shows('FAILED machine-002');
    expect(frame).not.toContain('Error:');
    port.emit({ type: 'notice', notice: { level: 'error', text: 'the history could not be read' } });
    await shows('Error: the history could not be read');
  });

  test('files in the way are replaced only after a yes', async () => {
    const before = runStates['run-failed']!;
    const message = '/srv/out/machine-002.qcow2 exists already';
    const items = before.run!.items.map((item) =>
      item.status === 'failed'
        ? { ...item, blockedBy: ['file.exists'], failure: { kind: 'blocked' as const, message } }
        : item,
    );
    const { shows, press, port } = drawApp({ ...before, run: { ...before.run!, items } });
    await shows(message);
    await press('\r', 'n');
    await shows('FAILED machine-002');
    expect(port.sent).toEqual([]);
    await press('f');
    await shows('[n] change nothing');
    await press('y');
    const sent = port.sent[0];
    expect(sent?.type === 'run' && sent.plans).toEqual([{ ...items[1]!.plan, force: true }]);
  });

  test('what failed for another reason is not offered so', async () => {
    const { press, shows, frame } = drawApp(runStates['run-failed']!);
    await shows('FAILED machine-002');
    await press('f');
    expect(frame()).not.toContain('[y] replace');
  });

  test('with no run it says how to start one', async () => {
    const { shows, press } = drawApp(runStates['run-none']!);
    await shows('Nothing runs and nothing has run yet.');
    await press('p');
    await shows('Not now: nothing runs');
  });
});

describe('many machines', () => {
  test.each([
    [80, 24],
    [120, 40],
    [200, 50],
  ])('at %i x %i the one that runs is seen', async (columns, rows) => {
    const { shows } = drawApp(runStates['run-many']!, { columns, rows });
    const frame = await shows('machine 13 of 20, 12 done');
    expect(frame).toContain('❯ machine-013 to qcow2  copying the disks');
    expect(frame).toMatch(/machine-013\S*isk1.qcow2/);
    expect(frame).toMatch(/lines above, \d+ below/);
    expect(frame).toContain('leaked clusters');
  });
});

test('plain ASCII without colour', async () => {
  const { shows } = drawApp(runState, { can: plain });
  const frame = await shows('All  ####');
  expect(frame).not.toMatch(/[^\x0a\x20-\x7e]/);
});
