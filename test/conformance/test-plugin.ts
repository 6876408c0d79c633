/** What every environment must keep, whatever it is: one suite for all plugins. */
import { describe, expect, it } from 'vitest';
import type {
  DeliveryRequest,
  EnvironmentPlugin,
  PluginContext,
  Session,
} from '../../src/env-plugins/plugin.ts';
import { checkedExtents, checkedMachine } from '../../src/env-plugins/shapes.ts';
import type { ByteSource } from '../../src/io/byte-source.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Machine } from '../../src/model/machine.ts';

export const noSecrets = (signal = new AbortController().signal): PluginContext => ({
  signal,
  secret: async (key) => {
    throw new AppError('auth', `no secret ${key}`);
  },
  report: () => undefined,
  confirm: async () => false,
});

const machine: Machine = { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] };

export interface DestinationFixture {
  readonly session: Session;
  readonly settings: Readonly<Record<string, string>>;
  /** Everything that a user would see at the destination: names and contents. */
  visible(): Promise<Record<string, string>>;
  /** Everything at all, temporary files too. */
  names(): Promise<string[]>;
  /** What lies around the destination: a name that escapes would be seen there. */
  around?(): Promise<string[]>;
  /** The other end goes away for good: what is then asked fails, and closing does not. */
  break?(): Promise<void>;
  /** How many places a delivery of one file has: a machine that is defined is one, too. Default 1. */
  readonly places?: number;
  /** It can't replace what is there, and says so beforehand. */
  readonly keepsOld?: true;
}

export interface SourceOptions {
  /** How to connect to one and the same place several times. */
  again?(): Promise<{ connect(): Promise<Session> }>;
  /** Connects with a secret that is wrong; the secret itself, which no error may tell. */
  wrongSecret?: { readonly secret: string; connect(): Promise<Session> };
  /** Connects to a host that is not there. */
  noHost?(): Promise<Session>;
  /** Connecting that takes a while, or for ever, to be given up by the signal. */
  slowConnect?(signal: AbortSignal): Promise<Session>;
  /**
   * A connected source with one disk of at least 64 KiB, and how its other end goes away. `reading`: a disk that is
   * open can't be read any more; `opening`: it can, but none can be opened.
   */
  breakable?(): Promise<{
    readonly session: Session;
    break(): Promise<void>;
    readonly breaks: 'reading' | 'opening';
    /** It tries for minutes to reach the other end again: the user gives up before. */
    readonly waits?: boolean;
  }>;
}

/** `make` gives an empty destination of its own to each test. */
export function testDestination(name: string, make: () => Promise<DestinationFixture>): void {
  const request = (fixture: DestinationFixture, force: boolean): DeliveryRequest => ({
    name: 'm',
    machine,
    settings: fixture.settings,
    force,
    sync: false,
    runId: '20260101-000000-abcd',
    signal: new AbortController().signal,
  });
  const begin = (fixture: DestinationFixture, force = false) =>
    fixture.session.destination!.begin(request(fixture, force));
  const deliver = async (fixture: DestinationFixture, file: string, text: string, force = false) => {
    const delivery = await begin(fixture, force);
    const sink = await delivery.sink({ name: file });
    await sink.write(Buffer.from(text), 0);
    await sink.finish(text.length);
    return delivery;
  };

  const expectForceRefused = async (fixture: DestinationFixture) => {
    const findings = await fixture.session.destination!.check(request(fixture, true), ['a.raw'], 3);
    expect(findings.map((f) => f.severity)).toContain('blocker');
    const refused = await begin(fixture, true);
    await expect(refused.sink({ name: 'a.raw' })).rejects.toMatchObject({ kind: 'conflict' });
    await refused.rollback();
    expect(await fixture.visible()).toEqual({ 'a.raw': 'old' });
  };

  describe(`${name} as destination`, () => {
    it('shows nothing before the commit, and all of it after', async () => {
      const fixture = await make();
      const delivery = await deliver(fixture, 'a.raw', 'data');
      expect(await fixture.visible()).toEqual({});
      const places = await delivery.commit();
      expect(places).toHaveLength(fixture.places ?? 1);
      expect(await fixture.visible()).toEqual({ 'a.raw': 'data' });
    });

    it('leaves nothing after a rollback, also with a file half written, also twice', async () => {
      const fixture = await make();
      const delivery = await deliver(fixture, 'a.raw', 'data');
      const half = await delivery.sink({ name: 'b.raw' });
      await half.write(Buffer.from('x'), 5);
      await delivery.rollback();
      await delivery.rollback();
      expect(await fixture.names()).toEqual([]);
    });

    it('takes nothing back after a commit', async () => {
      const fixture = await make();
      const delivery = await deliver(fixture, 'a.raw', 'data');
      await delivery.commit();
      await delivery.rollback();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'data' });
    });

    it('overwrites nothing unless it is forced', async () => {
      const fixture = await make();
      await (await deliver(fixture, 'a.raw', 'old')).commit();
      const findings = await fixture.session.destination!.check(request(fixture, false), ['a.raw'], 3);
      expect(findings.map((f) => f.severity)).toContain('blocker');
      const refused = await begin(fixture);
      await expect(refused.sink({ name: 'a.raw' })).rejects.toMatchObject({ kind: 'conflict' });
      await refused.rollback();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'old' });
      if (fixture.keepsOld) return expectForceRefused(fixture);
      await (await deliver(fixture, 'a.raw', 'new', true)).commit();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'new' });
      expect(await fixture.names()).toEqual(['a.raw']);
    });

    it('keeps the old file when a forced delivery is rolled back', async (test) => {
      const fixture = await make();
      if (fixture.keepsOld) return test.skip('this one replaces nothing');
      await (await deliver(fixture, 'a.raw', 'old')).commit();
      await (await deliver(fixture, 'a.raw', 'new', true)).rollback();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'old' });
      expect(await fixture.names()).toEqual(['a.raw']);
    });

    it('refuses a name that leads elsewhere', async () => {
      const fixture = await make();
      const around = await fixture.around?.();
      const delivery = await begin(fixture);
      for (const bad of ['../a', '/a', '', '.', '..', 'a/b', 'a/../../b', '../../../tmp/x', 'a\0b']) {
        await expect(delivery.sink({ name: bad })).rejects.toBeInstanceOf(AppError);
      }
      await delivery.rollback();
      expect(await fixture.names()).toEqual([]);
      expect(await fixture.around?.()).toEqual(around);
    });

    it('takes odd names as they are', async () => {
      const fixture = await make();
      const odd = `-rf 'x' $(y) "z" ü;&|.raw`;
      await (await deliver(fixture, odd, 'data')).commit();
      expect(await fixture.visible()).toEqual({ [odd]: 'data' });
    });

    it('writes pieces of megabytes whole', async () => {
      const fixture = await make();
      const delivery = await begin(fixture);
      const sink = await delivery.sink({ name: 'a.raw' });
      const bytes = Buffer.from('0123456789abcdef'.repeat(160_000));
      await Promise.all([sink.write(bytes, 0), sink.write(bytes, bytes.length)]);
      await sink.finish(bytes.length * 2);
      await delivery.commit();
      const { 'a.raw': text = '' } = await fixture.visible();
      expect(text.length).toBe(bytes.length * 2);
      expect(Buffer.from(text, 'latin1').equals(Buffer.concat([bytes, bytes]))).toBe(true);
    });

    it('refuses what is cancelled, and leaves nothing', async () => {
      const fixture = await make();
      const controller = new AbortController();
      const delivery = await fixture.session.destination!.begin({
        ...request(fixture, false),
        signal: controller.signal,
      });
      const sink = await delivery.sink({ name: 'a.raw' });
      await sink.write(Buffer.from('x'), 0);
      controller.abort();
      await sink.write(Buffer.from('y'), 1, controller.signal).catch((error) => {
        expect(error).toMatchObject({ kind: 'cancelled' });
      });
      await sink.abort();
      await delivery.rollback();
      expect(await fixture.names()).toEqual([]);
    });

    it('fails and closes when the other end is gone in the middle', async (test) => {
      const fixture = await make();
      if (fixture.break === undefined) return test.skip('this one has no other end to go away');
      const delivery = await deliver(fixture, 'a.raw', 'data');
      await fixture.break();
      await expect(delivery.commit()).rejects.toMatchObject({
        kind: expect.stringMatching(/^(unreachable|io)$/),
      });
      await delivery.rollback();
      await fixture.session.close();
      expect(await fixture.visible()).toEqual({});
    });

    it('writes a gap as zeros and keeps the size', async () => {
      const fixture = await make();
      const delivery = await begin(fixture);
      const sink = await delivery.sink({ name: 'a.raw' });
      await sink.write(Buffer.from('b'), 3);
      await sink.write(Buffer.from('a'), 0);
      await sink.finish(6);
      await delivery.commit();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'a\0\0b\0\0' });
    });
  });
}

/** `make` gives a connected source that holds at least one machine with one disk. */
export function testSource(name: string, make: () => Promise<Session>, options: SourceOptions = {}): void {
  const signal = new AbortController().signal;
  const listed = async (session: Session) => {
    const machines: Machine[] = [];
    await session.source!.list({ signal, found: (m) => machines.push(m) });
    return machines;
  };
  const firstDisk = async (session: Session) => {
    const withDisk = (await listed(session)).find((m) => m.disks.length > 0)!;
    return { machine: withDisk, disk: withDisk.disks[0]! };
  };
  const gone = { kind: expect.stringMatching(/^(unreachable|io|not-found|corrupt)$/) };

  describe(`${name} as source`, () => {
    it('lists machines of different ids, and inspects each by its id', async () => {
      const session = await make();
      const machines = await listed(session);
      expect(machines.length).toBeGreaterThan(0);
      expect(new Set(machines.map((m) => m.id)).size).toBe(machines.length);
      for (const { id, name } of machines) {
        expect(await session.source!.inspect(id, signal)).toMatchObject({ id, name });
      }
      await session.close();
    });

    it('gives machines as plain data, which a plan can keep', async () => {
      const session = await make();
      for (const machine of await listed(session)) {
        expect(JSON.parse(JSON.stringify(machine))).toEqual(machine);
        expect(checkedMachine(machine, name)).toEqual(machine);
      }
      await session.close();
    });

    it('opens each disk; its source reads exactly, refuses to read past the end, and closes twice', async () => {
      const session = await make();
      for (const one of await listed(session)) {
        for (const disk of one.disks) {
          const { source } = await session.source!.open(one, disk.id, signal);
          await readsExactly(source, signal);
          await source.close();
          await source.close();
        }
      }
      await session.close();
    });

    it('tells extents by their law, where it tells them', async () => {
      const session = await make();
      const { machine, disk } = await firstDisk(session);
      const { source } = await session.source!.open(machine, disk.id, signal);
      const found = await source.extents?.(0, source.size, signal);
      if (found !== undefined) checkedExtents(found, 0, source.size, name);
      await source.close();
      await session.close();
    });

    it('says so when a machine, a disk or a neighbour is not there', async () => {
      const session = await make();
      await expect(session.source!.inspect('/no/such/machine', signal)).rejects.toMatchObject({
        kind: 'not-found',
      });
      const { machine, disk } = await firstDisk(session);
      const missing = { ...machine, id: `${machine.id}-missing` };
      await expect(session.source!.open(missing, disk.id, signal)).rejects.toBeInstanceOf(AppError);
      const open = await session.source!.open(machine, disk.id, signal);
      await expect(open.sibling('no-such-neighbour.raw')).rejects.toBeInstanceOf(AppError);
      await open.source.close();
      await session.close();
    });

    it('ends what is cancelled before it began: a list, a look, an opening, a reading', async () => {
      const session = await make();
      const aborted = AbortSignal.abort();
      const { machine, disk } = await firstDisk(session);
      await expect(session.source!.list({ signal: aborted, found: () => undefined })).rejects.toBeInstanceOf(
        Error,
      );
      // What needs no waiting may be done before it looks at the signal.
      const opened = await session.source!.open(machine, disk.id, aborted).catch((error) => {
        expect(error).toBeInstanceOf(Error);
      });
      await opened?.source.close();
      await session.source!.inspect(machine.id, aborted).catch((error) => {
        expect(error).toBeInstanceOf(Error);
      });
      const { source } = await session.source!.open(machine, disk.id, signal);
      await expect(source.read(Buffer.alloc(1), 0, aborted)).rejects.toBeInstanceOf(Error);
      await source.close();
      expect((await listed(session)).length).toBeGreaterThan(0);
      await session.close();
    });

    it('ends a list that is cancelled at the first machine', async () => {
      const session = await make();
      const controller = new AbortController();
      const list = session.source!.list({ signal: controller.signal, found: () => controller.abort() });
      // The last machine may have been the first.
      await list.catch((error) => expect(error).toBeInstanceOf(Error));
      await session.close();
    });

    it('closes twice', async () => {
      const session = await make();
      await session.close();
      await session.close();
    });

    it('connects again: the ids are the same', async (test) => {
      if (options.again === undefined) return test.skip('not asked for');
      const place = await options.again();
      const ids: string[][] = [];
      for (let i = 0; i < 2; i++) {
        const session = await place.connect();
        ids.push((await listed(session)).map((m) => m.id).sort());
        await session.close();
      }
      expect(ids[0]).toEqual(ids[1]);
    });

    it('refuses a wrong secret without telling it', async (test) => {
      if (options.wrongSecret === undefined) return test.skip('needs no secret');
      const error = await options.wrongSecret.connect().then(
        () => undefined,
        (e) => e,
      );
      expect(error).toMatchObject({ kind: 'auth' });
      const { kind, message, where, hint } = error as AppError;
      expect(JSON.stringify({ kind, message, where, hint })).not.toContain(options.wrongSecret.secret);
    });

    it('says so when there is no host', async (test) => {
      if (options.noHost === undefined) return test.skip('needs no host');
      await expect(options.noHost()).rejects.toMatchObject({ kind: 'unreachable' });
    });

    it('gives up connecting when it is cancelled', async (test) => {
      if (options.slowConnect === undefined) return test.skip('connecting takes no time');
      const controller = new AbortController();
      const connecting = options.slowConnect(controller.signal);
      setTimeout(() => controller.abort(), 50);
      await expect(connecting).rejects.toMatchObject({ kind: 'cancelled' });
    });

    it('fails and closes when the other end is gone in the middle', async (test) => {
      if (options.breakable === undefined) return test.skip('not asked for');
      const fixture = await options.breakable();
      const { session } = fixture;
      const { machine, disk } = await firstDisk(session);
      const { source } = await session.source!.open(machine, disk.id, signal);
      await source.read(Buffer.alloc(512), 0, signal);
      await fixture.break();
      const controller = new AbortController();
      if (fixture.waits) setTimeout(() => controller.abort(), 200);
      const after =
        fixture.breaks === 'reading'
          ? source.read(Buffer.alloc(4096), 60_000, controller.signal)
          : session.source!.open(machine, disk.id, controller.signal);
      await expect(after).rejects.toMatchObject(fixture.waits ? { kind: 'cancelled' } : gone);
      await source.close().catch((error) => expect(error).toBeInstanceOf(AppError));
      await session.close();
    });
  });
}

/** The whole of it in pieces of odd sizes and in one, and nothing past the end. */
async function readsExactly(source: ByteSource, signal: AbortSignal): Promise<void> {
  if (source.access === 'random') {
    const whole = Buffer.alloc(Math.min(source.size, 4_000_000));
    await source.read(whole, 0, signal);
    for (const [from, length] of [
      [1, 511],
      [3, 70_001],
      [65_535, 1_048_577],
    ] as const) {
      if (from + length > whole.length) continue;
      const part = Buffer.alloc(length);
      await source.read(part, from, signal);
      expect(part.equals(whole.subarray(from, from + length))).toBe(true);
    }
    await source.read(Buffer.alloc(0), source.size, signal);
  } else await source.read(Buffer.alloc(Math.min(512, source.size)), 0, signal);
  await expect(source.read(Buffer.alloc(1), source.size, signal)).rejects.toMatchObject({ kind: 'corrupt' });
}

export const connectFor = (plugin: EnvironmentPlugin, settings: Record<string, string>) =>
  plugin.connect(settings, noSecrets());
