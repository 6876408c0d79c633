import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { machineWanted } from '../../../src/convert/find-machine.ts';
import type { OpenDisk, Session } from '../../../src/env-plugins/plugin.ts';
import { testSource } from '../../conformance/test-plugin.ts';
import { tcpPipe } from '../../servers/tcp-pipe.ts';
import { startXapi } from '../../servers/xapi.ts';
import { Failure } from '../../servers/xapi-database.ts';
import { addMachine, connected, listed, MiB, never, poolWithMachine } from './pool.ts';

const pool = async (way = 'auto') => connected((await poolWithMachine()).server, {}, { way });

testSource('a pool of XenServer', () => pool(), {
  async again() {
    const { server } = await poolWithMachine();
    return { connect: () => connected(server) };
  },
  wrongSecret: {
    secret: 'wr0ng"secret',
    connect: async () => connected(await startXapi(), { secret: async () => 'wr0ng"secret' }),
  },
  async noHost() {
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => free.once('listening', resolve));
    const { port } = free.address() as { port: number };
    await new Promise((resolve) => free.close(resolve));
    return connected({ port, user: 'root', password: 'x' });
  },
  async breakable() {
    const { server } = await poolWithMachine();
    const session = await connected(server);
    const gone = async () => {
      server.database.classes.clear();
    };
    return { session, break: gone, breaks: 'opening' };
  },
});

async function whole({ source }: OpenDisk): Promise<Buffer> {
  const bytes = Buffer.alloc(source.size);
  for (let at = 0; at < source.size; at += 777_777) {
    await source.read(bytes.subarray(at, at + 777_777), at);
  }
  await source.close();
  return bytes;
}

async function openFirst(session: Session): Promise<OpenDisk> {
  const [machine] = await listed(session);
  return session.source!.open(machine!, machine!.disks[0]!.id, never);
}

describe('machines of a pool', () => {
  it('are listed without templates, control domains and snapshots, in one call per class', async () => {
    const { server, made } = await poolWithMachine();
    addMachine(server, 'second');
    server.database.snapshot(made.vm, 'before');
    const session = await connected(server);
    server.calls.length = 0;
    const machines = await listed(session);
    expect(machines.map(({ name }) => name)).toEqual(['web', 'second']);
    expect(server.calls.filter((call) => call.endsWith('.get_all_records'))).toHaveLength(
      server.calls.length,
    );
    expect(new Set(server.calls).size).toBe(server.calls.length);
  });

  it('are told in neutral words', async () => {
    const { server, made } = await poolWithMachine();
    server.database.snapshot(made.vm, 'before');
    const [machine] = await listed(await connected(server));
    expect(machine).toMatchObject({
      name: 'web',
      state: 'off',
      system: { name: 'Debian Bookworm 12', family: 'linux' },
      processors: { count: 2, coresPerSocket: 2 },
      memoryBytes: 1024 * MiB,
      firmware: { kind: 'uefi', secureBoot: true, nvram: true },
      nics: [{ mac: '00:16:3e:00:00:07', network: 'Pool-wide network associated with eth0', model: 'xen' }],
      devices: { tpm: { version: '2.0' }, clock: 'localtime', cdroms: [{ bus: 'ide' }] },
      snapshots: [{ name: 'before', createdAt: 1767323045 }],
      packaging: 'Xen machine',
    });
    expect(machine!.disks).toEqual([
      {
        id: 'device-0',
        name: 'web 0',
        format: 'raw',
        virtualSizeBytes: 8 * MiB,
        allocatedSizeBytes: 8 * MiB,
        bus: 'xen',
        unit: 0,
        files: [expect.stringMatching(/^Local storage\//)],
        bootable: true,
      },
    ]);
    expect(machine!.findings).toEqual([]);
  });

  it('can be inspected as they were at a snapshot, and read', async () => {
    const { server, made } = await poolWithMachine();
    server.database.snapshot(made.vm, 'before');
    server.database.bytes.set(made.vdi, Buffer.alloc(8 * MiB, 7));
    const session = await connected(server);
    const [machine] = await listed(session);
    const { id } = machine!;
    const snapshot = machine!.snapshots![0]!.machine!;
    const wanted = (name: string) =>
      machineWanted(session.source!, id, { follow: false, snapshot: name }, never);
    const then = (await wanted('before')).machine;
    expect((await wanted(snapshot)).machine).toEqual(then);
    await expect(wanted('no such')).rejects.toMatchObject({ kind: 'not-found' });
    expect(then).toMatchObject({ name: 'before', packaging: 'Xen snapshot', state: 'off' });
    expect((await whole(await session.source!.open(then, 'device-0', never))).equals(made.content)).toBe(
      true,
    );
  });

  it.each([
    ['PV', { HVM_boot_policy: '', PV_bootloader: 'pygrub', domain_type: undefined }],
    ['PVH', { domain_type: 'pvh' }],
  ])('of the kind %s are told with what that means', async (_, more) => {
    const { server } = await poolWithMachine(more);
    const [machine] = await listed(await connected(server));
    expect(machine!.findings.map(({ rule }) => rule)).toEqual(['xen.paravirtual']);
  });

  it("give the firmware's variables", async () => {
    const session = await pool();
    const [machine] = await listed(session);
    expect(Buffer.from((await session.source!.nvram!(machine!, never))!).toString()).toBe('VARS and more');
  });
});

describe('disks of a pool', () => {
  it.each(['vhd', 'raw', 'auto'])('are read byte for byte by the way %s', async (way) => {
    const { server, made } = await poolWithMachine();
    const session = await connected(server, {}, { way });
    const disk = await openFirst(session);
    expect(disk.source.size).toBe(8 * MiB);
    expect((await whole(disk)).equals(made.content)).toBe(true);
    await expect.poll(() => server.database.of('task').size).toBe(0);
  });

  it('tell what they hold, and only that is read', async () => {
    const { server, made } = await poolWithMachine();
    made.content.fill(0, 2 * MiB, 4 * MiB);
    const { source } = await openFirst(await connected(server, {}, { way: 'vhd' }));
    expect(await source.extents!(0, source.size)).toEqual([
      { kind: 'data', offset: 0, length: 2 * MiB },
      { kind: 'zero', offset: 2 * MiB, length: 2 * MiB },
      { kind: 'data', offset: 4 * MiB, length: 4 * MiB },
    ]);
    expect(await source.extents!(3 * MiB, 5 * MiB)).toEqual([
      { kind: 'zero', offset: 3 * MiB, length: MiB },
      { kind: 'data', offset: 4 * MiB, length: MiB },
    ]);
    const bytes = Buffer.alloc(MiB);
    await source.read(bytes, 5 * MiB);
    expect(bytes.equals(made.content.subarray(5 * MiB, 6 * MiB))).toBe(true);
    await source.close();
  });

  it('that are cut in the middle say why', async () => {
    const { server } = await poolWithMachine();
    server.faults.cutAfter = 3_000_000;
    const disk = await openFirst(await connected(server, {}, { way: 'raw' }));
    await expect(whole(disk)).rejects.toMatchObject({ kind: expect.stringMatching(/^(io|unreachable)$/) });
    await disk.source.close();
  });

  it('of a machine that runs are refused without a hold', async () => {
    const { server } = await poolWithMachine({ power_state: 'Running' });
    await expect(openFirst(await connected(server))).rejects.toMatchObject({ kind: 'conflict' });
  });
});

describe('a session', () => {
  it('that has ended is opened again', async () => {
    const { server } = await poolWithMachine();
    const session = await connected(server);
    server.forget();
    expect(await listed(session)).toHaveLength(1);
    expect(server.calls.filter((call) => call === 'session.login_with_password')).toHaveLength(2);
  });

  it('at a member of a pool goes on at its master', async () => {
    const { server } = await poolWithMachine();
    const member = await startXapi({ masterAddress: '127.0.0.1' });
    // The hosts of a pool have one port.
    await tcpPipe({ host: '127.0.0.1', port: member.port }, '127.0.0.2', server.port);
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    const session = await connected(server, { confirm }, { host: '127.0.0.2' });
    expect((await listed(session)).map(({ name }) => name)).toEqual(['web']);
    expect(questions).toHaveLength(2);
    expect(member.calls).toEqual(['session.login_with_password']);
  });

  it('is found again when the master has become a member in the middle, and the session has ended', async () => {
    const { server } = await poolWithMachine();
    const session = await connected(server);
    for (const code of ['HOST_IS_SLAVE', 'SESSION_INVALID']) {
      server.answers.set('VM.get_all_records', () => {
        server.answers.clear();
        server.forget();
        throw new Failure(code, '127.0.0.1');
      });
      expect(await listed(session)).toHaveLength(1);
    }
    expect(server.calls.filter((call) => call === 'session.login_with_password')).toHaveLength(3);
  });

  it('is not led on for ever', async () => {
    // The hosts of a pool have one port: here the way leads on to the same server, by another name.
    const member = await startXapi({ masterAddress: 'localhost' });
    const questions: string[] = [];
    const confirm = async (question: string) => questions.push(question) > 0;
    await expect(connected(member, { confirm })).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringMatching(/HOST_IS_SLAVE/),
    });
    expect(questions.some((question) => question.includes('localhost'))).toBe(true);
  });

  it('is refused when the certificate is another', async () => {
    const server = await startXapi();
    await expect(connected(server, {}, { fingerprint: '00'.repeat(32) })).rejects.toMatchObject({
      kind: 'auth',
    });
    await expect(connected(server, { confirm: async () => false })).rejects.toMatchObject({ kind: 'auth' });
    await connected(server, { confirm: async () => false }, { fingerprint: server.fingerprint });
  });
});
