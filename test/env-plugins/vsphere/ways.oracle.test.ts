/** Every way to a disk that the simulator offers, byte for byte; and what breaks in the middle. */
import { randomBytes } from 'node:crypto';
import { expect, it, onTestFinished } from 'vitest';
import type { OpenImage } from '../../../src/codecs/codec.ts';
import { openImage } from '../../../src/convert/open-image.ts';
import { surveyMachine } from '../../../src/convert/survey.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { MiB } from '../../../src/model/units.ts';
import { describeWith } from '../../oracles/requires.ts';
import { badLink } from '../../servers/bad-link.ts';
import { startVcsim, type Vcsim, vcsimTools } from '../../servers/vcsim.ts';
import { administrator } from './administrator.ts';
import { connected, listed, never, vmfsDescriptor } from './connected.ts';

const name = 'DC0_H0_VM0';

/** Random bytes that start and end within a grain, and long zeros, the last sector among a grain's first. */
async function withDisk(server: Vcsim, sizeBytes = 9 * MiB + 512): Promise<Buffer> {
  const bytes = Buffer.alloc(sizeBytes);
  randomBytes(sizeBytes - 6 * MiB).copy(bytes, 1000);
  randomBytes(512).copy(bytes, bytes.length - 512);
  await server.put(`${name}/disk1.vmdk`, vmfsDescriptor(bytes.length, 'disk1-flat.vmdk'));
  await server.put(`${name}/disk1-flat.vmdk`, bytes);
  return bytes;
}

const opened = async (session: Session, machine: Machine): Promise<OpenImage> =>
  openImage(await session.source!.open(machine, machine.disks[0]!.id, never), { follow: false });

async function contentOf(image: OpenImage, between: (at: number) => unknown = () => undefined) {
  try {
    const bytes = Buffer.alloc(image.size);
    for (let at = 0; at < bytes.length; at += MiB) {
      await image.read(bytes.subarray(at, at + MiB), at);
      await between(at);
    }
    return bytes;
  } finally {
    await image.close();
  }
}

const wayIn = (image: OpenImage) => image.info.findings.find(({ rule }) => rule === 'vsphere.way')?.message;

/** Calls of the API so far, by their names. */
const calls = (server: Vcsim, method: string): number =>
  server.output().match(new RegExp(`<${method} xmlns=`, 'g'))?.length ?? 0;

const hold = { runId: 'run-1', signal: never, report: () => undefined };

describeWith(vcsimTools, 'the ways to a disk of vSphere', () => {
  for (const [way, words] of [
    ['host', 'the ESXi host itself'],
    ['files', 'files of the datastore over HTTPS'],
    ['lease', 'export lease'],
  ] as const) {
    it(`${way}: a machine that is off, and one that runs, whose snapshot is gone after`, async () => {
      const server = await startVcsim({ host: true });
      const bytes = await withDisk(server);
      const session = await connected(server, {}, { way });
      const image = await opened(session, await session.source!.inspect(name, never));
      expect(wayIn(image)).toContain(words);
      expect((await contentOf(image)).equals(bytes)).toBe(true);

      const running = await startVcsim({ host: true, running: true });
      const others = await withDisk(running);
      const second = await connected(running, {}, { way });
      const machine = await second.source!.inspect(name, never);
      const held = await second.source!.hold!(machine, hold);
      expect((await contentOf(await opened(second, held.machine))).equals(others)).toBe(true);
      expect(await held.release()).toEqual([]);
      expect((await second.source!.inspect(name, never)).snapshots).toBeUndefined();
    });
  }

  it('lease: of an ESXi host, which names itself by a star', async () => {
    const server = await startVcsim({ esx: true });
    const bytes = Buffer.concat([randomBytes(MiB), Buffer.alloc(70 * MiB), randomBytes(512)]);
    await server.put('ha-host_VM0/disk1.vmdk', vmfsDescriptor(bytes.length, 'disk1-flat.vmdk'));
    await server.put('ha-host_VM0/disk1-flat.vmdk', bytes);
    const session = await connected(server, {}, { way: 'lease' });
    const image = await opened(session, await session.source!.inspect('ha-host_VM0', never));
    expect((await contentOf(image)).equals(bytes)).toBe(true);
  });

  it('lease: completed when all was read, aborted when not', async () => {
    const server = await startVcsim({ args: ['-trace'] });
    await withDisk(server);
    const session = await connected(server, {}, { way: 'lease' });
    const machine = await session.source!.inspect(name, never);
    await contentOf(await opened(session, machine));
    expect([calls(server, 'HttpNfcLeaseComplete'), calls(server, 'HttpNfcLeaseAbort')]).toEqual([1, 0]);
    await (await opened(session, machine)).close();
    expect([calls(server, 'HttpNfcLeaseComplete'), calls(server, 'HttpNfcLeaseAbort')]).toEqual([1, 1]);
  });

  it('lease: the link is cut in the middle, and the stream goes on where it was', async () => {
    const server = await startVcsim({ esx: true });
    const link = await badLink(server.port);
    onTestFinished(() => link.close());
    const bytes = randomBytes(40 * MiB);
    await server.put('ha-host_VM0/disk1.vmdk', vmfsDescriptor(bytes.length, 'disk1-flat.vmdk'));
    await server.put('ha-host_VM0/disk1-flat.vmdk', bytes);
    const session = await connected({ ...server, port: link.port }, {}, { way: 'lease' });
    const image = await opened(session, await session.source!.inspect('ha-host_VM0', never));
    let cuts = 0;
    const read = await contentOf(image, (at) => {
      if (at !== 2 * MiB && at !== 20 * MiB) return;
      cuts += link.connections;
      link.cut();
    });
    expect(read.equals(bytes)).toBe(true);
    expect(cuts).toBeGreaterThan(1);
    expect(link.received).toBeGreaterThan(45 * MiB);
  });

  it('takes the fastest way that is offered, and says why it is none of the faster ones', async () => {
    const server = await startVcsim();
    const bytes = await withDisk(server);
    const told: string[] = [];
    const session = await connected(server, { report: (line) => told.push(line) });
    const image = await opened(session, await session.source!.inspect(name, never));
    const way = wayIn(image);
    expect(way).toMatch(/^read by way of: files of the datastore over HTTPS\. Not by the faster ones: /);
    expect(way).toContain('the ESXi host itself: ');
    expect(told.at(-1)).toContain(way);
    expect((await contentOf(image)).equals(bytes)).toBe(true);
  });

  it('lists, and goes on reading in every way, when the session is ended in the middle', async () => {
    const server = await startVcsim({ host: true });
    const bytes = await withDisk(server);
    const admin = await administrator(server);
    for (const way of ['host', 'files', 'lease']) {
      let logins = 0;
      const secret = async () => {
        logins++;
        return server.password;
      };
      const session = await connected(server, { secret }, { way });
      expect(await admin.endOthers()).toBeGreaterThan(0);
      expect(await listed(session)).toHaveLength(4);
      const image = await opened(session, await session.source!.inspect(name, never));
      const read = await contentOf(image, (at) => (at === 3 * MiB ? admin.endOthers() : undefined));
      expect(read.equals(bytes)).toBe(true);
      expect(logins).toBeGreaterThan(1);
    }
  });

  it('lease: the session is ended and the link is cut: another lease goes on where the first was', async () => {
    const server = await startVcsim({ esx: true, args: ['-trace'] });
    const link = await badLink(server.port);
    onTestFinished(() => link.close());
    const bytes = randomBytes(20 * MiB);
    await server.put('ha-host_VM0/disk1.vmdk', vmfsDescriptor(bytes.length, 'disk1-flat.vmdk'));
    await server.put('ha-host_VM0/disk1-flat.vmdk', bytes);
    const admin = await administrator(server);
    const session = await connected({ ...server, port: link.port }, {}, { way: 'lease' });
    const image = await opened(session, await session.source!.inspect('ha-host_VM0', never));
    const read = await contentOf(image, async (at) => {
      if (at !== 4 * MiB) return;
      await admin.endOthers();
      link.cut();
    });
    expect(read.equals(bytes)).toBe(true);
    expect(calls(server, 'ExportVm')).toBe(2);
  });

  it('logs in by a ticket, which is used up then, and by the cookie of a session, which it leaves alone', async () => {
    const server = await startVcsim();
    const admin = await administrator(server);
    const secretOf = (ticket: string) => ({
      secret: async (key: string) => {
        expect(key).toBe('ticket');
        return ticket;
      },
    });
    const ticket = await admin.ticket();
    const cloned = await connected(server, secretOf(ticket), { user: '' });
    expect(await listed(cloned)).toHaveLength(4);
    await cloned.close();
    await expect(connected(server, secretOf(ticket), { user: '' })).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('used up'),
    });
    const joined = await connected(server, secretOf(admin.cookie), { user: '' });
    expect(await listed(joined)).toHaveLength(4);
    await joined.close();
    expect(await admin.lives()).toBe(true);
  });

  it('lease: a machine is surveyed without its disks, and says so', async () => {
    const server = await startVcsim();
    const bytes = await withDisk(server);
    const session = await connected(server, {}, { way: 'lease' });
    const machine = await session.source!.inspect(name, never);
    const survey = await surveyMachine(session, machine, { follow: false }, never);
    expect(survey.failure).toBeUndefined();
    expect(survey.machine.findings.map((f) => f.rule)).toContain('disk.stream');
    expect(survey.machine.disks[0]).toMatchObject({ format: 'vmdk', virtualSizeBytes: bytes.length });
  });
});
