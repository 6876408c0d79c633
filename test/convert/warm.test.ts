import { randomBytes } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makePlan } from '../../src/convert/make-plan.ts';
import type { ConversionEvent } from '../../src/convert/run-context.ts';
import { runPlan } from '../../src/convert/run-plan.ts';
import { isSettled } from '../../src/convert/warm-when.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Options } from '../../src/model/options.ts';
import type { PassReport } from '../../src/model/pass-report.ts';
import type { Warm } from '../../src/model/plan.ts';
import { KiB, MiB } from '../../src/model/units.ts';
import { tempFolder } from '../temp.ts';
import { WarmMachine } from './warm-source.ts';

const eager: Warm = { shutDown: true, turnOn: false };

async function carried(
  machine: WarmMachine,
  more: { warm?: Warm; format?: string; options?: Options; word?: AbortSignal; signal?: AbortSignal } = {},
) {
  const folder = await tempFolder();
  const plan = makePlan({
    source: { environment: 'warm', settings: {}, machine: 'm1', follow: false },
    machine: machine.machine(),
    product: 'files',
    folder,
    options: more.options ?? {},
    ...{ format: more.format ?? 'raw', force: false, sync: false, warm: more.warm ?? eager },
  });
  const events: ConversionEvent[] = [];
  const held: boolean[] = [];
  const running = runPlan(plan, {
    connect: machine.connect(),
    runId: 'test',
    signal: more.signal ?? new AbortController().signal,
    gate: async () => undefined,
    emit: (event) => void events.push(event),
    holding: (up) => void held.push(up),
    ...(more.word === undefined ? {} : { word: more.word }),
    lookMilliseconds: 5,
  });
  const passes = () => events.flatMap((e) => (e.type === 'pass' ? [e.pass] : []));
  const logs = () => events.flatMap((e) => (e.type === 'log' ? [e.text] : []));
  return { folder, running, events, passes, logs, held };
}

function withDisk(size = 3 * MiB): WarmMachine {
  const machine = new WarmMachine();
  const disk = Buffer.alloc(size);
  randomBytes(MiB + 100).copy(disk, 4096);
  machine.disks.set('d1', disk);
  return machine;
}

describe('a machine that is copied while it runs', () => {
  it('is in the end what it was when it was off, and only what changed is read again', async () => {
    const machine = withDisk();
    machine.onHeld = (pass) => {
      // While it is read: also zeros over what was there, and data where nothing was.
      if (pass === 1) {
        machine.write('d1', 2 * MiB + 17, randomBytes(1000));
        machine.write('d1', 4096, Buffer.alloc(200 * KiB));
      }
    };
    machine.onShutDown = () => {
      machine.write('d1', 3 * MiB - 5, Buffer.from('ended'));
      machine.state = 'off';
    };
    const { folder, running, passes, logs, held } = await carried(machine);
    const outcome = await running;
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(passes().map((p) => [p.number, p.last, p.bytesRead])).toEqual([
      [1, false, 3 * MiB],
      [2, false, 1000 + 200 * KiB],
      [3, true, 5],
    ]);
    expect(outcome.bytes).toBe(3 * MiB + 1005 + 200 * KiB);
    expect(logs()).toContainEqual(expect.stringMatching(/^pass 3, the last one: 5 B changed, 5 B read in/));
    expect(await readdir(folder)).toEqual(['web.raw']);
    expect(machine).toMatchObject({ held: 0, closed: 1, shutDowns: 1 });
    expect(held).toEqual([true, false]);
  });

  it('is read from what is sent as its changes alone, where that is so', async () => {
    const machine = withDisk();
    machine.sendsChanges = true;
    machine.onHeld = (pass) => {
      if (pass > 1) return;
      machine.write('d1', 4096, Buffer.alloc(200 * KiB));
      machine.write('d1', 2 * MiB + 17, randomBytes(1000));
    };
    const { folder, running, passes } = await carried(machine);
    await running;
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(passes().map((p) => p.bytesRead)).toEqual([3 * MiB, 1000 + 200 * KiB, 0]);
    expect(machine.opened).toBe(1);
  });

  it('is moved where the file is the disk itself, and converted where it is not', async () => {
    const before = withDisk();
    const raw = await carried(before);
    await raw.running;
    expect(raw.logs()).toContain('web.raw: it is the copy itself');
    expect((await stat(join(raw.folder, 'web.raw'))).mode & 0o777).toBe(0o666 & ~process.umask());
    const flatDisk = withDisk();
    const flat = await carried(flatDisk, { format: 'vmdk', options: { subformat: 'monolithicFlat' } });
    await flat.running;
    expect(flat.logs()).toContain('web-flat.vmdk: it is the copy itself');
    expect((await readdir(flat.folder)).sort()).toEqual(['web-flat.vmdk', 'web.vmdk']);
    const bytes = await readFile(join(flat.folder, 'web-flat.vmdk'));
    expect(bytes.equals(flatDisk.disks.get('d1')!)).toBe(true);
    for (const other of [
      { format: 'qcow2' },
      { options: { preallocation: 'full' } },
      { options: { splitSize: MiB } },
    ]) {
      const converted = await carried(withDisk(), other);
      await converted.running;
      expect(converted.logs()).not.toContainEqual(expect.stringContaining('copy itself'));
      expect((await readdir(converted.folder)).filter((name) => name.startsWith('.'))).toEqual([]);
    }
  });

  it('is compared where nobody knows what changed, and where a disk has grown', async () => {
    const machine = withDisk();
    machine.onReleased = (pass) => {
      if (pass === 1) {
        machine.unknown = 'tracking began anew';
        machine.write('d1', 2 * MiB, randomBytes(64 * KiB));
        machine.write('d1', 4096, Buffer.alloc(512 * KiB));
      }
      if (pass === 2) {
        machine.unknown = undefined;
        const grown = Buffer.concat([machine.disks.get('d1')!, randomBytes(300)]);
        machine.disks.set('d1', grown);
      }
    };
    const { folder, running, passes, logs } = await carried(machine);
    await running;
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(logs().filter((text) => text.includes('compared'))).toEqual([
      'd1: compared as a whole: tracking began anew',
      'd1: compared as a whole: it has grown',
    ]);
    expect(passes()[1]).toMatchObject({ bytesRead: 3 * MiB });
    expect(passes()[1]!.bytesChanged).toBeLessThan(700 * KiB);
  });

  it.each([
    ['is removed', (m: WarmMachine) => m.disks.delete('d2'), 'was removed from'],
    ['is added', (m: WarmMachine) => m.disks.set('d3', Buffer.alloc(512)), 'was added to'],
    ['became smaller', (m: WarmMachine) => m.disks.set('d2', Buffer.alloc(512)), 'became smaller'],
  ])('is given up when a disk %s, and leaves nothing', async (_, change, message) => {
    const machine = withDisk();
    machine.disks.set('d2', randomBytes(MiB));
    machine.onReleased = () => void change(machine);
    const { folder, running } = await carried(machine);
    await expect(running).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining(message),
    });
    expect(await readdir(folder)).toEqual([]);
    expect(machine).toMatchObject({ held: 0, closed: 1 });
  });

  it('waits for its end, goes on with passes meanwhile, and takes the word', async () => {
    const machine = withDisk();
    const word = new AbortController();
    const warm: Warm = { shutDown: false, turnOn: false, intervalSeconds: 0 };
    machine.onReleased = (pass) => {
      if (pass === 4) word.abort();
    };
    const { running, passes } = await carried(machine, { warm, word: word.signal });
    await running;
    expect(machine.shutDowns).toBe(1);
    expect(passes()).toHaveLength(5);
  });

  it('is carried to its end when somebody shuts it down', async () => {
    const machine = withDisk();
    machine.onReleased = (pass) => {
      const end = () => {
        machine.state = 'off';
      };
      if (pass === 2) setTimeout(end, 15);
    };
    const { running, passes } = await carried(machine, { warm: { shutDown: false, turnOn: false } });
    await running;
    expect(machine.shutDowns).toBe(0);
    expect(passes().at(-1)).toMatchObject({ number: 3, last: true });
  });

  it.each(['held', 'released'] as const)(
    'leaves nothing when it is cancelled: a pass is %s',
    async (when) => {
      const machine = withDisk();
      const cancel = new AbortController();
      machine[when === 'held' ? 'onHeld' : 'onReleased'] = (pass) => {
        if (pass === 2) cancel.abort();
      };
      const { folder, running, held } = await carried(machine, { signal: cancel.signal });
      await expect(running).rejects.toMatchObject({ kind: 'cancelled' });
      expect(await readdir(folder)).toEqual([]);
      expect(machine).toMatchObject({ held: 0, closed: 1, state: 'running' });
      expect(held).toEqual([true, false]);
    },
  );

  it('goes on after the source could not be reached: in a pass, before one, and while its end is waited for', async () => {
    const machine = withDisk();
    const cut = () => new AppError('unreachable', 'the link is cut');
    machine.onReleased = (pass) => {
      if (pass === 1) machine.failures.pass.push(cut());
      if (pass === 2) machine.failures.state.push(cut(), cut());
    };
    machine.onHeld = (pass) => {
      if (pass < 3) machine.write('d1', 2 * MiB + pass, randomBytes(64 * KiB));
      // Three pieces may be on their way by then.
      if (pass === 2) machine.failures.reading.push(cut());
    };
    const { folder, running, logs } = await carried(machine);
    await running;
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(logs().filter((text) => text.includes('tried again'))).toEqual([
      'pass 2 is tried again: the link is cut',
      'pass 2 is tried again: the link is cut',
      'asking for its state is tried again: the link is cut',
      'asking for its state is tried again: the link is cut',
    ]);
    expect(machine).toMatchObject({ held: 0, closed: 1 });
  });

  it('compares a disk that has grown also when that has to be done twice', async () => {
    const machine = withDisk();
    machine.onReleased = (pass) => {
      if (pass !== 1) return;
      machine.disks.set('d1', Buffer.concat([machine.disks.get('d1')!, randomBytes(2 * MiB)]));
      const cut = new AppError('unreachable', 'the link is cut');
      machine.failures.reading.push(cut);
    };
    const { folder, running, logs } = await carried(machine);
    await running;
    expect((await readFile(join(folder, 'web.raw'))).equals(machine.disks.get('d1')!)).toBe(true);
    expect(logs().filter((text) => text.includes('grown')).length).toBeGreaterThan(1);
  });

  it('is given up when its first pass fails', async () => {
    const machine = withDisk();
    machine.failures.reading.push(new AppError('unreachable', 'the link is cut'));
    const { folder, running } = await carried(machine);
    await expect(running).rejects.toMatchObject({ kind: 'unreachable' });
    expect(await readdir(folder)).toEqual([]);
    expect(machine).toMatchObject({ held: 0, closed: 1, state: 'running' });
  });

  it('is not delivered when it was started again', async () => {
    const machine = withDisk();
    machine.onReleased = () => {
      if (machine.state === 'off') machine.state = 'running';
    };
    const { folder, running } = await carried(machine);
    await expect(running).rejects.toMatchObject({ kind: 'conflict' });
    expect(await readdir(folder)).toEqual([]);
  });

  it('is checked before anything is copied, and replaces nothing', async () => {
    const machine = withDisk();
    const { folder, running, passes } = await carried(machine);
    await running;
    const again = makePlan({
      source: { environment: 'warm', settings: {}, machine: 'm1', follow: false },
      machine: machine.machine(),
      ...{ product: 'files', folder, options: {}, force: false, sync: false, warm: eager },
    });
    machine.state = 'running';
    const bytes = machine.bytesRead;
    const context = {
      ...{ connect: machine.connect(), runId: 'again', signal: new AbortController().signal },
      ...{ gate: async () => undefined, emit: () => undefined },
    };
    await expect(runPlan(again, context)).rejects.toMatchObject({ kind: 'blocked' });
    expect(machine.bytesRead - bytes).toBeLessThan(MiB);
    expect(machine.state).toBe('running');
    expect(passes()).not.toHaveLength(0);
    expect(await readdir(folder)).toEqual(['web.raw']);
  });
});

describe('passes', () => {
  const passes = (...bytes: number[]): PassReport[] =>
    bytes.map((bytesChanged, i) => ({
      ...{ number: i + 1, last: false, bytesRead: bytesChanged, bytesChanged, seconds: 1 },
    }));
  it.each<[string, PassReport[], Partial<Warm>, boolean]>([
    ['after the whole copy', passes(9e9), {}, false],
    ['small enough', passes(9e9, 1e6), {}, true],
    ['getting smaller', passes(9e9, 5e9, 4e9, 3e9, 2e9), {}, false],
    ['three that have not shrunk', passes(9e9, 5e9, 5e9, 5e9, 6e9), {}, true],
    ['as many as were wanted', passes(9e9, 5e9), { passes: 1 }, true],
    ['none wanted', passes(9e9), { passes: 0 }, true],
    ['a larger limit', passes(9e9, 5e9), { belowBytes: 6e9 }, true],
    ['a smaller limit', passes(9e9, 1e6), { belowBytes: 1000 }, false],
  ])('%s', (_, done, warm, settled) => {
    expect(isSettled(done, { shutDown: false, turnOn: false, ...warm })).toBe(settled);
  });
});
