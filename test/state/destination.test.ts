/** An environment as destination, and a machine that runs, from the connection to the history. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { between } from './between.ts';
import { type Memory, memory, memoryMachine } from './memory-plugin.ts';

describe('an environment as destination', () => {
  it('says what it takes; the plan follows, the run delivers and starts', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    const { dispatcher, state, choose, deliver, run, log } = await between(from, to);
    await choose();
    await deliver();
    expect(state().destination).toMatchObject({
      status: 'connected',
      label: 'Memory b',
      product: 'qemu',
      formats: ['qcow2', 'raw'],
      networks: ['lan', 'dmz'],
      settings: { host: 'there' },
    });
    expect(state().planned.status).toBe('ready');
    // What it told while the plan was worked out is no step of connecting.
    expect([state().connection.status, state().destination.status]).toEqual(['connected', 'connected']);
    await dispatcher.perform({
      type: 'draft',
      change: { start: true, format: 'raw', delivery: { note: 'hello' } },
    });
    const [plan] = state().planned.plans;
    expect(plan).toMatchObject({
      destination: {
        environment: 'b',
        product: 'qemu',
        container: 'disks',
        format: 'raw',
        settings: { host: 'there', pool: 'default', note: 'hello' },
      },
      start: true,
    });
    expect(state().planned.text).toContain('started when it is there');
    await run();
    expect(state().run).toMatchObject({
      status: 'done',
      items: [{ places: ['memory:web'], started: 'running', destination: 'Memory b' }],
    });
    expect(log()).toContain('info: started: running');
    expect(to.told).toContain('wrote web.raw');
    await dispatcher.perform({ type: 'history' });
    const [entry] = state().history;
    expect(entry).toMatchObject({ outcome: 'done', title: 'web to Memory b', places: ['memory:web'] });
    await dispatcher.perform({ type: 'history-rerun', id: entry!.id });
    expect(state().run).toMatchObject({ status: 'done', items: [{ started: 'running' }] });
  });

  it('is asked on its one connection while the plan is worked out', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    const { dispatcher, choose, deliver } = await between(from, to);
    await choose();
    await deliver();
    for (const format of ['raw', 'qcow2']) await dispatcher.perform({ type: 'draft', change: { format } });
    expect([from, to].map((m) => m.told.filter((t) => t.startsWith('connect')).length)).toEqual([1, 1]);
    await dispatcher.perform({ type: 'leave-destination' });
    expect(to.told).toEqual(['connect there', 'close there']);
  });

  it.each([
    ['badly', 'it is there, but it could not be started: no room for its memory'],
    ['not', 'it is there, but it could not be started: nothing can be started at this destination'],
  ] as const)('that starts %s has the machine all the same', async (starts, warning) => {
    const [from, to] = [memory([memoryMachine()]), { ...memory(), starts }];
    const { dispatcher, state, choose, deliver, run } = await between(from, to);
    await choose();
    await deliver();
    await dispatcher.perform({ type: 'draft', change: { start: true } });
    await run();
    expect(state().run).toMatchObject({ status: 'done', items: [{ places: ['memory:web'], warning }] });
    expect(to.told).not.toContain('rollback');
  });

  it('takes its formats only, and names the networks that are there', async () => {
    const machine = memoryMachine({ nics: [{ network: 'VM Network' }, { network: 'dmz' }, {}] });
    const [from, to] = [memory([machine]), memory()];
    const { dispatcher, state, choose, deliver, run, rules, log } = await between(from, to);
    await choose();
    await deliver();
    await dispatcher.perform({ type: 'draft', change: { format: 'vhdx' } });
    expect(rules()).toEqual(['blocker disk.format-not-taken', 'warning nic.network-missing']);
    await expect(run()).rejects.toMatchObject({ kind: 'blocked', hint: 'choose qcow2' });
    await dispatcher.perform({ type: 'draft', change: { format: undefined } });
    const [finding] = state().planned.findings;
    expect(finding?.message).toBe('there is no network "VM Network" at the destination: "lan" will be used');
    expect(finding?.remedy).toContain('lan, dmz');
    await run();
    expect(to.requests.at(-1)?.machine.nics.map((n) => n.network)).toEqual(['lan', 'dmz', undefined]);
    expect(log().filter((line) => line.includes('no network'))).toHaveLength(1);
  });

  it('tells in the log of the run that a link failed, without flooding it', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    from.notes = Array.from({ length: 50 }, (_, i) => `host: the connection was lost (${i})`);
    const { choose, deliver, run, log } = await between(from, to);
    await choose();
    await deliver();
    await run();
    expect(log().filter((line) => line.includes('lost'))).toEqual([
      'warning: host: the connection was lost (0)',
    ]);
  });

  it('knows a network also with its kind before it', async () => {
    const [from, to] = [memory([memoryMachine({ nics: [{ network: 'br0' }] })]), memory()];
    to.networks = ['lan', 'bridge:br0'];
    const { choose, deliver, run, rules } = await between(from, to);
    await choose();
    await deliver();
    expect(rules()).toEqual([]);
    await run();
    expect(to.requests.at(-1)?.machine.nics).toEqual([{ network: 'bridge:br0' }]);
  });

  it('does not replace the very machine that is read', async () => {
    const store = memory([memoryMachine()]);
    const { dispatcher, choose, rules } = await between(store, memory());
    await choose();
    const itself = { type: 'connect-destination', environment: 'a', settings: { host: 'here' } } as const;
    await dispatcher.perform(itself);
    await dispatcher.perform({ type: 'draft', change: { force: true } });
    expect(rules()).toEqual(['blocker machine.is-source']);
    await dispatcher.perform({ type: 'edit-machine', id: 'id-web', change: { name: 'web-2' } });
    expect(rules()).toEqual([]);
    await dispatcher.perform({ type: 'edit-machine', id: 'id-web', change: { name: undefined } });
    await dispatcher.perform({ ...itself, settings: { host: 'there' } });
    expect(rules()).toEqual([]);
  });

  it('that can not be reached leaves no plan, says why, and is tried again', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    const { state, choose, deliver } = await between(from, to);
    await choose();
    await expect(deliver({ host: 'nowhere' })).rejects.toMatchObject({ kind: 'unreachable' });
    expect(state().destination).toMatchObject({ status: 'failed', failure: { hint: 'check the name' } });
    expect(state().planned).toMatchObject({
      status: 'failed',
      failure: { message: 'the destination, Memory b, could not be connected' },
    });
    await deliver();
    expect(state().planned.status).toBe('ready');
  });

  it('is told with what differs from its own defaults', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    const { dispatcher, state, choose, deliver } = await between(from, to);
    await choose();
    await deliver();
    const told = () => state().planned.text.find((line) => line.startsWith('into'));
    expect(told()).toBe('into Memory b (host there)');
    expect(state().planned.plans[0]?.destination.settings).toMatchObject({ pool: 'default' });
    await dispatcher.perform({ type: 'draft', change: { delivery: { pool: 'fast' } } });
    expect(told()).toBe('into Memory b (host there, pool fast)');
  });

  it('that takes files makes them for any product, as packages too, and starts nothing', async () => {
    const [from, to] = [memory([memoryMachine()]), { ...memory(), product: 'none' as const }];
    const { dispatcher, state, choose, deliver } = await between(from, to);
    await choose();
    await dispatcher.perform({ type: 'draft', change: { start: true } });
    await deliver();
    expect(state().draft.start).toBeUndefined();
    await dispatcher.perform({ type: 'draft', change: { product: 'vmware' } });
    expect(state().planned.plans[0]?.destination).toMatchObject({ product: 'vmware', container: 'ova' });
    expect(state().planned.text).toContain('into Memory b (host there) as web.ova');
  });

  it('asks, such as for a host key, and takes no for an answer', async () => {
    const [from, to] = [memory([memoryMachine()]), { ...memory(), asks: 'known?' }];
    const { dispatcher, state, choose, deliver } = await between(from, to);
    await choose();
    dispatcher.watch((event) => {
      if (event.type === 'question' && event.question !== undefined)
        void dispatcher.perform({ type: 'answer', id: event.question.id, yes: false });
    });
    await expect(deliver()).rejects.toMatchObject({ kind: 'auth' });
    expect(state().destination.status).toBe('failed');
  });

  it('gets its own secret, never that of the source', async () => {
    const [from, to] = [memory([memoryMachine()]), memory()];
    const { choose, deliver, run } = await between(from, to, { password: 'for-a', 'to:password': 'for-b' });
    await choose({ signIn: 'yes' });
    await deliver({ signIn: 'yes' });
    await run();
    expect([new Set(from.secrets), new Set(to.secrets)]).toEqual([new Set(['for-a']), new Set(['for-b'])]);
    const less = await between(memory(), memory(), { password: 'for-a' });
    await expect(less.deliver({ signIn: 'yes' })).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('--to-secret password=env:NAME'),
    });
  });
});

describe('a machine that runs', () => {
  const running = memoryMachine({ state: 'running' });

  it('is held while it is read, and let go before the start', async () => {
    const [from, to] = [{ ...memory([running]), left: ['one snapshot is left'] }, memory()];
    const { state, choose, deliver, run, log, rules } = await between(from, to);
    await choose();
    await deliver();
    expect(rules()).toEqual(['note disk.opened-later', 'note machine.held', 'note guest.looked-at-later']);
    await run();
    expect(state().run?.status).toBe('done');
    const told = from.told.filter((text) => !/^(connect|close)/.test(text));
    expect(told).toEqual(['hold', 'open vda', 'release']);
    expect(log()).toContain('warning: not quiesced');
    expect(log()).toContain('warning: one snapshot is left');
  });

  it.each(['a failure', 'a cancel'])('is let go after %s', async (how) => {
    const [from, to] = [memory([running]), memory()];
    const { dispatcher, choose, deliver, run } = await between(from, to);
    await choose();
    await deliver();
    if (how === 'a failure') to.failWrite = true;
    else
      dispatcher.watch((event) => {
        if (event.type === 'run-log' && event.line.text.startsWith('writing'))
          void dispatcher.perform({ type: 'cancel' });
      });
    await expect(run()).rejects.toMatchObject({ kind: how === 'a failure' ? 'io' : 'cancelled' });
    expect(from.told.filter((text) => text === 'release')).toHaveLength(1);
    expect(to.told).toContain('rollback');
  });

  it('tells what could not be taken back, and how it is removed', async () => {
    const leftovers = [{ what: 'a half disk', command: "rm -f '/x'" }];
    const [from, to] = [memory([running]), { ...memory(), failWrite: true, leftovers }];
    const { choose, deliver, run, log } = await between(from, to);
    await choose();
    await deliver();
    const told = "left there: a half disk; to remove it: rm -f '/x'";
    await expect(run()).rejects.toMatchObject({ kind: 'io', hint: expect.stringContaining(told) });
    expect(log()).toContain(`warning: ${told}`);
  });

  it('is not delivered when somebody let it go meanwhile', async () => {
    const [from, to] = [{ ...memory([running]), holdBroken: true }, memory()];
    const { choose, deliver, run } = await between(from, to);
    await choose();
    await deliver();
    await expect(run()).rejects.toMatchObject({ kind: 'conflict', message: 'it was let go' });
    expect(to.told).toContain('rollback');
    expect(to.told.filter((text) => text.startsWith('commit'))).toEqual([]);
    expect(from.told).toContain('release');
  });

  it('is let go before the program ends, however long that takes', async () => {
    const from: Memory = memory([running]);
    let letGo: () => void = () => undefined;
    from.releasing = new Promise((done) => {
      letGo = done;
    });
    const { dispatcher, choose, deliver, run } = await between(from, memory());
    await choose();
    await deliver();
    const ended = new Promise<void>((begun) => {
      dispatcher.watch((event) => {
        if (event.type === 'run-log' && event.line.text.startsWith('letting')) begun();
      });
    });
    const conversion = run().catch(() => undefined);
    await ended;
    vi.useFakeTimers({ toFake: ['setTimeout'] });
    onTestFinished(() => void vi.useRealTimers());
    let over = false;
    const terminated = dispatcher.perform({ type: 'terminate' }).then(() => {
      over = true;
    });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(over).toBe(false);
    letGo();
    await terminated;
    await conversion;
    expect(from.told).toContain('release');
  });

  it('is a blocker where it can not be held, until it is off', async () => {
    const [from, to] = [{ ...memory([running]), holds: false }, memory()];
    const { dispatcher, state, choose, deliver, rules } = await between(from, to);
    await choose();
    await deliver();
    expect(rules()).toContain('blocker machine.running');
    expect(state().planned.findings.find((f) => f.rule === 'machine.running')?.remedy).toMatch(
      /shut it down/,
    );
    from.machines = [memoryMachine()];
    await dispatcher.perform({ type: 'select', ids: ['id-web'] });
    expect(rules()).toEqual([]);
  });

  it('gives its firmware variables along', async () => {
    const uefi = memoryMachine({ firmware: { kind: 'uefi', nvram: true } });
    const [from, to] = [memory([uefi]), memory()];
    const { choose, deliver, run } = await between(from, to);
    await choose();
    await deliver();
    await run();
    expect(Buffer.from(to.requests.at(-1)?.nvram ?? []).toString()).toBe('variables');
  });
});

describe('a machine by its name', () => {
  it('is found by id or name; several of one name are named', async () => {
    const twins = [memoryMachine(), memoryMachine({ id: 'id-2' }), memoryMachine({ id: 'x', name: 'db' })];
    const { dispatcher, events } = await between(memory(twins), memory());
    await dispatcher.perform({ type: 'connect', environment: 'a', settings: { host: 'here' } });
    const find = (name: string) => dispatcher.perform({ type: 'find-machine', name });
    await find('db');
    await find('id-2');
    expect(events.flatMap((e) => (e.type === 'machine-named' ? [e.id] : []))).toEqual(['x', 'id-2']);
    await expect(find('web')).rejects.toMatchObject({
      kind: 'usage',
      hint: expect.stringContaining('id-web, id-2'),
    });
    await expect(find('nil')).rejects.toMatchObject({ kind: 'not-found', hint: 'there are: web, web, db' });
  });
});
