/** What every environment must keep, whatever it is: one suite for all plugins. */
import { describe, expect, it } from 'vitest';
import type {
  DeliveryRequest,
  EnvironmentPlugin,
  PluginContext,
  Session,
} from '../../src/env-plugins/plugin.ts';
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

  describe(`${name} as destination`, () => {
    it('shows nothing before the commit, and all of it after', async () => {
      const fixture = await make();
      const delivery = await deliver(fixture, 'a.raw', 'data');
      expect(await fixture.visible()).toEqual({});
      const places = await delivery.commit();
      expect(places).toHaveLength(1);
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
      await (await deliver(fixture, 'a.raw', 'new', true)).commit();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'new' });
      expect(await fixture.names()).toEqual(['a.raw']);
    });

    it('keeps the old file when a forced delivery is rolled back', async () => {
      const fixture = await make();
      await (await deliver(fixture, 'a.raw', 'old')).commit();
      await (await deliver(fixture, 'a.raw', 'new', true)).rollback();
      expect(await fixture.visible()).toEqual({ 'a.raw': 'old' });
      expect(await fixture.names()).toEqual(['a.raw']);
    });

    it('refuses a name that leads elsewhere', async () => {
      const fixture = await make();
      const delivery = await begin(fixture);
      for (const bad of ['../a', '/a', '', '..']) {
        await expect(delivery.sink({ name: bad })).rejects.toBeInstanceOf(AppError);
      }
      await delivery.rollback();
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
export function testSource(name: string, make: () => Promise<Session>): void {
  const signal = new AbortController().signal;
  const listed = async (session: Session) => {
    const machines: Machine[] = [];
    await session.source!.list({ signal, found: (m) => machines.push(m) });
    return machines;
  };

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

    it('opens each disk; its source reads exactly, refuses to read past the end, and closes twice', async () => {
      const session = await make();
      for (const one of await listed(session)) {
        for (const disk of one.disks) {
          const { source } = await session.source!.open(one, disk.id, signal);
          const head = Buffer.alloc(Math.min(512, source.size));
          await source.read(head, 0, signal);
          await expect(source.read(Buffer.alloc(1), source.size, signal)).rejects.toMatchObject({
            kind: 'corrupt',
          });
          await source.close();
          await source.close();
        }
      }
      await session.close();
    });

    it('says so when a machine is not there', async () => {
      const session = await make();
      await expect(session.source!.inspect('/no/such/machine', signal)).rejects.toMatchObject({
        kind: 'not-found',
      });
      await session.close();
    });

    it('ends a list when it is cancelled', async () => {
      const session = await make();
      const aborted = AbortSignal.abort();
      await expect(session.source!.list({ signal: aborted, found: () => undefined })).rejects.toBeInstanceOf(
        Error,
      );
      await session.close();
    });
  });
}

export const connectFor = (plugin: EnvironmentPlugin, settings: Record<string, string>) =>
  plugin.connect(settings, noSecrets());
