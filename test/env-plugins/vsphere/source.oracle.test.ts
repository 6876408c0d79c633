/** Against vcsim, with pyVmomi as a second client of the same server. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { VimSession } from '../../../src/env-plugins/vsphere/session.ts';
import { serverSettings } from '../../../src/env-plugins/vsphere/settings.ts';
import { sourceRole } from '../../../src/env-plugins/vsphere/source.ts';
import { type HttpsClient, type HttpsRequest, openHttps } from '../../../src/io/https/client.ts';
import { forgottenCertificates } from '../../../src/io/https/known-certificates.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { MiB } from '../../../src/model/units.ts';
import { testSource } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { badLink } from '../../servers/bad-link.ts';
import { freePort } from '../../servers/sshd.ts';
import { pyvmomiTools, startVcsim, type Vcsim, vcsimTools } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, listed, never, vmfsDescriptor } from './connected.ts';

const run = promisify(execFile);

/** Runs Python with `si` connected; resolves to what it prints as JSON. The password goes by the environment. */
async function python(server: Vcsim, code: string): Promise<unknown> {
  const head = [
    'import json, os',
    'from pyVim.connect import SmartConnectNoSSL, Disconnect',
    'from pyVim.task import WaitForTask',
    'from pyVmomi import vim',
    `si = SmartConnectNoSSL(host="127.0.0.1", port=${server.port}, user=${JSON.stringify(server.user)}, pwd=os.environ["PW"])`,
    'c = si.content',
    'vms = {v.name: v for v in c.viewManager.CreateContainerView(c.rootFolder, [vim.VirtualMachine], True).view}',
    'out = None',
  ];
  const script = [...head, code, 'Disconnect(si)', 'print(json.dumps(out))'].join('\n');
  const { stdout } = await run('/usr/bin/python3', ['-W', 'ignore', '-c', script], {
    env: { ...process.env, PW: server.password },
  });
  return JSON.parse(stdout);
}

/** A disk of random bytes and long zeros, as the only disk of the machine. */
async function withDisk(server: Vcsim, name: string): Promise<Buffer> {
  const bytes = Buffer.alloc(9 * MiB + 512);
  randomBytes(3 * MiB + 77).copy(bytes, 1000);
  randomBytes(512).copy(bytes, bytes.length - 512);
  await server.put(`${name}/disk1.vmdk`, vmfsDescriptor(bytes.length, 'disk1-flat.vmdk'));
  await server.put(`${name}/disk1-flat.vmdk`, bytes);
  return bytes;
}

async function contentOf(session: Session, machine: Machine): Promise<Buffer> {
  const open = await session.source!.open(machine, machine.disks[0]!.id, never);
  const image = await openImage(open, { follow: false });
  try {
    const bytes = Buffer.alloc(image.size);
    for (let at = 0; at < bytes.length; at += MiB) await image.read(bytes.subarray(at, at + MiB), at);
    return bytes;
  } finally {
    await image.close();
  }
}

/** Ends all sessions but that of pyVmomi itself. */
const endSessions = [
  'mine = c.sessionManager.currentSession.key',
  'others = [s.key for s in c.sessionManager.sessionList if s.key != mine]',
  'c.sessionManager.TerminateSession(others)',
  'out = len(others)',
].join('\n');

describeWith(vcsimTools, 'vSphere', () => {
  testSource(
    'vSphere',
    async () => {
      const server = await startVcsim();
      for (const name of ['DC0_H0_VM0', 'DC0_H0_VM1', 'DC0_C0_RP0_VM0', 'DC0_C0_RP0_VM1'])
        await withDisk(server, name);
      return connected(server);
    },
    {
      async again() {
        const server = await startVcsim();
        return { connect: () => connected(server) };
      },
      wrongSecret: {
        secret: 'quite-wrong-one',
        connect: async () => connected(await startVcsim(), { secret: async () => 'quite-wrong-one' }),
      },
      noHost: async () => connected({ port: await freePort(), user: 'x', password: 'x' }),
      async breakable() {
        const server = await startVcsim({ machines: 1, args: ['-standalone-host', '0'] });
        // What is opened is the descriptor: a long one.
        await server.put('DC0_C0_RP0_VM0/disk1.vmdk', Buffer.alloc(256 * 1024, 10));
        const session = await connected(server);
        return { session, break: () => server.stop(), breaks: 'reading', waits: true };
      },
    },
  );

  it('reads the disk of a machine that is off, byte for byte, found by its name and its path', async () => {
    const server = await startVcsim();
    const bytes = await withDisk(server, 'DC0_C0_RP0_VM1');
    const session = await connected(server);
    for (const id of ['DC0_C0_RP0_VM1', '/DC0/vm/DC0_C0_RP0_VM1']) {
      const machine = await session.source!.inspect(id, never);
      expect(machine).toMatchObject({ name: 'DC0_C0_RP0_VM1', state: 'off' });
      expect(machine.place).toMatch(/^\/DC0\/vm, host DC0_C0_H\d, cluster DC0_C0$/);
      expect((await contentOf(session, machine)).equals(bytes)).toBe(true);
    }
  });

  it('reads it from an ESXi host as well', async () => {
    const server = await startVcsim({ esx: true });
    const bytes = await withDisk(server, 'ha-host_VM0');
    const session = await connected(server);
    const [machine] = await listed(session);
    expect(machine!.name).toBe('ha-host_VM0');
    expect((await contentOf(session, machine!)).equals(bytes)).toBe(true);
  });

  it('lists two thousand machines, each once, page by page, in few requests', async () => {
    const server = await startVcsim({ machines: 1000 });
    const { port, user, password } = server;
    const plain = await openHttps({
      host: '127.0.0.1',
      port,
      known: forgottenCertificates(),
      confirm: async () => true,
    });
    let requests = 0;
    const client = Object.assign(Object.create(plain) as HttpsClient, {
      name: plain.name,
      send(request: HttpsRequest) {
        requests++;
        return plain.send(request);
      },
      close: () => plain.close(),
    });
    const settings = { host: '127.0.0.1', port: String(port), user };
    const session = await VimSession.open(client, { user, password: async () => password }, never);
    onTestFinished(() => session.close());
    const plugin = {
      signal: never,
      secret: async () => password,
      report: () => undefined,
      confirm: async () => false,
    };
    const source = sourceRole({
      session,
      server: serverSettings(settings),
      settings,
      plugin,
      certificates: '',
    });
    requests = 0;
    const machines = await listed({ source, close: async () => undefined });
    expect(machines).toHaveLength(2000);
    expect(new Set(machines.map((m) => m.id)).size).toBe(2000);
    expect(machines.every((m) => m.disks.length === 1 && m.nics.length === 1)).toBe(true);
    // A hundred machines in each, and the inventory around them.
    expect(requests).toBeLessThanOrEqual(26);
  });

  it('refuses a running machine that is not held, and holds it below a snapshot that is gone after', async () => {
    const server = await startVcsim({ running: true });
    const bytes = await withDisk(server, 'DC0_H0_VM0');
    const session = await connected(server);
    const source = session.source!;
    const machine = await source.inspect('DC0_H0_VM0', never);
    expect(machine.state).toBe('running');
    await expect(source.open(machine, machine.disks[0]!.id, never)).rejects.toMatchObject({
      kind: 'conflict',
    });
    const hold = await source.hold!(machine, { runId: 'run-1', signal: never, report: () => undefined });
    expect(hold.findings.map((f) => f.rule)).toEqual(['vsphere.not-quiesced']);
    expect(hold.machine.snapshots?.map((s) => s.name)).toEqual(['vmferry-run-1']);
    expect((await contentOf(session, hold.machine)).equals(bytes)).toBe(true);
    await hold.verify!(never);
    expect(await hold.release()).toEqual([]);
    expect(await hold.release()).toEqual([]);
    expect((await source.inspect(machine.id, never)).snapshots).toBeUndefined();
    await expect(hold.verify!(never)).rejects.toMatchObject({ kind: 'conflict' });
  });

  it('has its link cut again and again: the bytes are right, and no snapshot is left', async () => {
    const server = await startVcsim({ running: true });
    const bytes = await withDisk(server, 'DC0_H0_VM0');
    const link = await badLink(server.port);
    onTestFinished(() => link.close());
    const session = await connected({ ...server, port: link.port });
    const source = session.source!;
    const machine = await source.inspect('DC0_H0_VM0', never);
    const hold = await source.hold!(machine, { runId: 'run-3', signal: never, report: () => undefined });
    const { disks } = hold.machine;
    let cuts = 0;
    const cut = () => {
      cuts += link.connections;
      link.cut();
    };
    const image = await openImage(await source.open(hold.machine, disks[0]!.id, never), { follow: false });
    const read = Buffer.alloc(image.size);
    for (let at = 0; at < read.length; at += MiB) {
      const part = image.read(read.subarray(at, at + MiB), at);
      cut();
      await part;
    }
    await image.close();
    expect(read.equals(bytes)).toBe(true);
    const released = hold.release();
    cut();
    expect(await released).toEqual([]);
    expect(cuts).toBeGreaterThan(5);
    expect((await source.inspect(machine.id, never)).snapshots).toBeUndefined();
  });

  it('leaves no snapshot when it is cancelled meanwhile', async () => {
    const session = await connected(await startVcsim({ running: true }));
    const machine = await session.source!.inspect('DC0_H0_VM0', never);
    const controller = new AbortController();
    const report = (step: string) => {
      if (step.includes('taking')) controller.abort();
    };
    const options = { runId: 'run-2', signal: controller.signal, report };
    await expect(session.source!.hold!(machine, options)).rejects.toMatchObject({ kind: 'cancelled' });
    expect((await session.source!.inspect(machine.id, never)).snapshots).toBeUndefined();
  });

  it('connects to a server only after a word on its certificate', async () => {
    const server = await startVcsim();
    const refused = connected(server, { confirm: async () => false });
    await expect(refused).rejects.toMatchObject({
      kind: 'auth',
      message: expect.stringContaining('certificate'),
    });
    const fingerprint = Array(32).fill('00').join(':');
    await expect(connected(server, {}, { fingerprint })).rejects.toMatchObject({ kind: 'auth' });
  });
});

describeWith([...vcsimTools, ...pyvmomiTools], 'vSphere beside pyVmomi', () => {
  it('tells of each machine what pyVmomi tells', async () => {
    const server = await startVcsim({ machines: 3, running: true });
    const theirs = await python(
      server,
      [
        'def disk(d): return [d.capacityInKB * 1024, d.backing.fileName]',
        'def one(v):',
        '    h = v.config.hardware; devs = h.device',
        '    return dict(id=v._moId, uuid=v.config.uuid, memory=h.memoryMB * 1048576, cpus=h.numCPU,',
        '        disks=[disk(d) for d in devs if isinstance(d, vim.vm.device.VirtualDisk)],',
        '        macs=[d.macAddress for d in devs if isinstance(d, vim.vm.device.VirtualEthernetCard)],',
        '        running=v.runtime.powerState == "poweredOn", host=v.runtime.host.name)',
        'out = {name: one(v) for name, v in vms.items()}',
      ].join('\n'),
    );
    const machines = await listed(await connected(server));
    const ours = machines.map((m) => [
      m.name,
      {
        id: m.id,
        uuid: m.uuid,
        memory: m.memoryBytes,
        cpus: m.processors?.count,
        disks: m.disks.map((d) => [d.virtualSizeBytes, d.files[0]]),
        macs: m.nics.map((n) => n.mac),
        running: m.state === 'running',
        host: /host ([^,]+)/.exec(m.place ?? '')?.[1],
      },
    ]);
    expect(Object.fromEntries(ours)).toEqual(theirs);
    expect(machines).toHaveLength(6);
  });

  it('opens the session again when it was ended in the middle, also of a list and of what is read', async () => {
    const server = await startVcsim();
    const bytes = await withDisk(server, 'DC0_H0_VM0');
    let logins = 0;
    const secret = async () => {
      logins++;
      return server.password;
    };
    const session = await connected(server, { secret });
    expect(await python(server, endSessions)).toBeGreaterThan(0);
    expect(await listed(session)).toHaveLength(4);
    expect(logins).toBe(2);
    await python(server, endSessions);
    const machine = await session.source!.inspect('DC0_H0_VM0', never);
    await python(server, endSessions);
    expect((await contentOf(session, machine)).equals(bytes)).toBe(true);
    expect(logins).toBe(4);
  });

  it('removes what a run that died had left, and nothing of others', async () => {
    const server = await startVcsim({ running: true });
    await withDisk(server, 'DC0_H0_VM0');
    const dead = `made by vmferry on ${hostname()}, process 4194304; it is removed when that ends`;
    const far = 'made by vmferry on elsewhere.example, process 1; it is removed when that ends';
    const snapshot = (name: string, text: string) =>
      `WaitForTask(vms["DC0_H0_VM0"].CreateSnapshot(${JSON.stringify(name)}, ${JSON.stringify(text)}, False, False))`;
    const all = [
      snapshot("the operator's own", 'x'),
      snapshot('vmferry-dead', dead),
      snapshot('vmferry-same-id', dead.replace('4194304', String(process.pid))),
      snapshot('vmferry-far', far),
    ];
    await python(server, all.join('\n'));
    const session = await connected(server);
    const machine = await session.source!.inspect('DC0_H0_VM0', never);
    const hold = await session.source!.hold!(machine, {
      runId: 'new',
      signal: never,
      report: () => undefined,
    });
    expect(hold.findings.map((f) => f.rule).sort()).toEqual([
      'vsphere.leftover-of-others',
      'vsphere.leftover-removed',
      'vsphere.leftover-removed',
      'vsphere.not-quiesced',
    ]);
    // While it is held, another session of the same process leaves it alone.
    const other = await connected(server);
    const second = other.source!.hold!(machine, { runId: 'x', signal: never, report: () => undefined });
    await expect(second).rejects.toMatchObject({ kind: 'conflict' });
    expect(await hold.release()).toEqual([]);
    const left = [
      'out = []',
      'def walk(t):',
      '    for s in t: out.append(s.name); walk(s.childSnapshotList)',
      'walk(vms["DC0_H0_VM0"].snapshot.rootSnapshotList)',
    ];
    expect(await python(server, left.join('\n'))).toEqual(["the operator's own", 'vmferry-far']);
  });
});

describeWith([...vcsimTools, 'qemu-img', 'qemu-io'], 'vSphere, a disk with a snapshot below it', () => {
  it('is read through its chain', async () => {
    const folder = await tempFolder();
    const [base, top] = [join(folder, 'base.vmdk'), join(folder, 'disk1.vmdk')];
    await run('qemu-img', ['create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', base, '4M']);
    await run('qemu-io', ['-f', 'vmdk', '-c', 'write -P 1 0 2M', base]);
    await run('qemu-img', ['create', '-q', '-f', 'vmdk', '-b', base, '-F', 'vmdk', top]);
    await run('qemu-img', ['rebase', '-u', '-f', 'vmdk', '-F', 'vmdk', '-b', 'base.vmdk', top]).catch(
      () => undefined,
    );
    await run('qemu-io', ['-f', 'vmdk', '-c', 'write -P 2 1M 64k', top]);
    const raw = join(folder, 'raw');
    await run('qemu-img', ['convert', '-f', 'vmdk', '-O', 'raw', top, raw]);
    const server = await startVcsim();
    for (const name of ['base-flat.vmdk', 'base.vmdk', 'disk1.vmdk']) {
      const bytes = await readFile(join(folder, name));
      await server.put(`DC0_H0_VM0/${name}`, relative(bytes, folder));
    }
    const session = await connected(server);
    const machine = await session.source!.inspect('DC0_H0_VM0', never);
    expect((await contentOf(session, machine)).equals(await readFile(raw))).toBe(true);
  });
});

/** qemu-img writes the parent's name as it was given; what is left is filled up with line ends. */
function relative(bytes: Buffer, folder: string): Buffer {
  const from = Buffer.from(`"${folder}/base.vmdk"`);
  const at = bytes.indexOf(from);
  if (at < 0) return bytes;
  const to = Buffer.alloc(from.length, '\n');
  to.write('"base.vmdk"');
  return Buffer.concat([bytes.subarray(0, at), to, bytes.subarray(at + from.length)]);
}
