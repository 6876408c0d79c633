/** A server that answers what it should not: an error of ours, or machines without what makes no sense. */
import { describe, expect, it } from 'vitest';
import { startHttps } from '../../io/https/server.ts';
import { type FakeXapi, startXapi } from '../../servers/xapi.ts';
import type { Value } from '../../servers/xapi-database.ts';
import { addMachine, connected, listed, never, poolWithMachine } from './pool.ts';

const nonsense: readonly Value[] = [null, 7, 'text', [], [[]], { a: 1 }, { a: { b: [null] } }, true];

describe('a pool that answers nonsense', () => {
  it.each(['VM', 'VBD', 'VDI', 'SR', 'VTPM'])('for its %ss', async (kind) => {
    const { server } = await poolWithMachine();
    const session = await connected(server);
    for (const value of nonsense) {
      server.answers.set(`${kind}.get_all_records`, () => value);
      await listed(session).catch((error) => expect(error).toMatchObject({ kind: 'corrupt' }));
    }
  });

  it('in any field of any record', async () => {
    const { server, made } = await poolWithMachine();
    const session = await connected(server);
    const { database } = server;
    for (const kind of ['VM', 'VBD', 'VDI', 'VIF', 'SR', 'network']) {
      for (const [ref, record] of [...database.of(kind)].slice(0, 4)) {
        for (const field of Object.keys(record)) {
          if (field === 'uuid') continue;
          const value = nonsense[(field.length + ref.length) % nonsense.length];
          server.answers.set(`${kind}.get_all_records`, () => ({
            ...Object.fromEntries(database.of(kind)),
            [ref]: { ...record, [field]: value },
          }));
        }
        await listed(session);
      }
      server.answers.clear();
    }
    expect(made.vm).toMatch(/^OpaqueRef/);
  }, 20_000);

  it('with sizes that can not be', async () => {
    const { server, made } = await poolWithMachine();
    const session = await connected(server);
    for (const size of ['-1', '1e30', '99999999999999999999', 'x', '']) {
      server.database.get('VDI', made.vdi).virtual_size = size;
      const [machine] = await listed(session);
      expect(machine!.disks[0]!.virtualSizeBytes).toBeUndefined();
      await expect(session.source!.open(machine!, 'device-0', never)).rejects.toMatchObject({
        kind: 'corrupt',
      });
    }
  });

  it('with a size that is not that of what it sends', async () => {
    const { server, made } = await poolWithMachine();
    server.database.get('VDI', made.vdi).virtual_size = String(2 ** 40);
    const session = await connected(server, {}, { way: 'vhd' });
    const [machine] = await listed(session);
    await expect(session.source!.open(machine!, 'device-0', never)).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });

  it('with the same drive again and again, and lists that hold anything', async () => {
    const { server, made } = await poolWithMachine();
    const vm = server.database.get('VM', made.vm);
    vm.VBDs = Array.from({ length: 100_000 }, (_, i) => vm.VBDs[i % 2]);
    vm.VIFs = [null, 7, ...Array.from({ length: 1000 }, () => vm.VIFs[0])];
    vm.snapshots = [made.vm, made.vm, 'x', {}];
    const [machine] = await listed(await connected(server));
    expect([machine!.disks.length, machine!.nics.length, machine!.snapshots!.length]).toEqual([1, 1, 1]);
  });

  it.each([
    ['more', -512, 'corrupt'],
    ['less', 4096, 'unreachable'],
  ] as const)('with a raw disk that has %s bytes than it tells of', async (_, lie, kind) => {
    const { server, made } = await poolWithMachine();
    server.database.get('VDI', made.vdi).virtual_size = String(made.content.length + lie);
    const session = await connected(server, {}, { way: 'raw' });
    const [machine] = await listed(session);
    const { source } = await session.source!.open(machine!, 'device-0', never);
    const bytes = Buffer.alloc(source.size);
    await expect(source.read(bytes, 0).then(() => 'read')).rejects.toMatchObject({ kind });
    await source.close();
  });

  it('with names that would write to a terminal: they are kept as they are for those who print', async () => {
    const server = await startXapi();
    addMachine(server, 'a\u001b[31m\n"\'$(x)');
    const [machine] = await listed(await connected(server));
    expect(machine!.name).toBe('a\u001b[31m\n"\'$(x)');
  });

  it('with an error of escapes', async () => {
    const { server } = await poolWithMachine();
    const session = await connected(server);
    server.answers.set('VM.get_all_records', () => {
      throw Object.assign(new Error('x'), { code: 'A\u001b[31m', details: ['b\u0007'] });
    });
    await expect(listed(session)).rejects.toMatchObject({ message: expect.not.stringMatching(/[\0-\x1f]/) });
  });
});

describe('a server that is no pool', () => {
  it.each([
    ['is something else', 404, 'text/html', 'none', 'unsupported'],
    ['answers a page', 200, 'text/html', '<p>', 'unsupported'],
    ['is broken', 500, 'text/plain', '', 'unreachable'],
    ['answers no JSON', 200, 'application/json', '{', 'corrupt'],
    ['answers a list', 200, 'application/json', '[]', 'corrupt'],
    ['answers nothing', 200, 'application/json', '{}', 'corrupt'],
    ['gives no session', 200, 'application/json', '{"result": 7}', 'corrupt'],
    [
      'leads on to nowhere',
      200,
      'application/json',
      '{"error": {"message": "HOST_IS_SLAVE", "data": ["a/b@c"]}}',
      'conflict',
    ],
    [
      'fails as of old',
      200,
      'application/json',
      '{"error": ["SESSION_AUTHENTICATION_FAILED", "root"], "result": null}',
      'auth',
    ],
  ] as const)('and %s', async (_, status, type, body, kind) => {
    const server = await startHttps((_request, response) => {
      response.writeHead(status, { 'content-type': type }).end(body);
    });
    const pool: Pick<FakeXapi, 'port' | 'user' | 'password'> = {
      port: server.port,
      user: 'root',
      password: 'x',
    };
    await expect(connected(pool)).rejects.toMatchObject({ kind });
  });

  it('and answers without an end', async () => {
    const server = await startHttps((_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = () => void (response.destroyed || response.write('"'.repeat(100_000), more));
      more();
    });
    const pool = { port: server.port, user: 'root', password: 'x' };
    const signal = AbortSignal.timeout(300);
    await expect(connected(pool, { signal })).rejects.toMatchObject({
      kind: expect.stringMatching(/^(cancelled|unsupported)$/),
    });
  });
});
