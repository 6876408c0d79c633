/** `vmferry serve`: what qemu reads from it is what is in the image, and nothing is left at its end. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { dirname } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { connected, never, vmfsDescriptor } from '../env-plugins/vsphere/connected.ts';
import { compareImages, qemuImg, qemuIo } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../servers/vcsim.ts';
import { oddDisk, type Place, place, values } from './program.ts';

const size = 4 * 2 ** 20;

interface Serving {
  readonly uri: string;
  readonly disk: string;
  readonly writable: boolean;
}

/** Its first disk, and how to end it as Ctrl+C does. */
async function serving(here: Place, ...args: string[]) {
  const running = here.start(['serve', '--json', ...args]);
  const first = (await running.line((event) => event.type === 'serving')) as unknown as Serving;
  return {
    ...first,
    async end() {
      running.child.kill('SIGINT');
      return running.ended;
    },
  };
}

async function fingerprintOf(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

const socketOf = (uri: string): string => decodeURIComponent(uri.split('?socket=')[1]!);

describeWith(['qemu-img', 'qemu-io'], 'vmferry serve', () => {
  it('a chain of qcow2 over a compressed VMDK, read by qemu, until Ctrl+C', async () => {
    const here = await place();
    const raw = here.path('disk.raw');
    await writeFile(raw, oddDisk(size));
    const below = ['-O', 'vmdk', '-o', 'subformat=streamOptimized', raw, here.path('below.vmdk')];
    await qemuImg('convert', '-f', 'raw', ...below);
    await qemuImg('create', '-f', 'qcow2', '-b', 'below.vmdk', '-F', 'vmdk', here.path('top.qcow2'));
    await qemuIo('qcow2', here.path('top.qcow2'), 'write -P 0x5a 1000k 90k', 'write -z 0 4k');
    const { uri, end, writable } = await serving(here, 'top.qcow2');
    expect(writable).toBe(false);
    await compareImages(uri, 'raw', here.path('top.qcow2'), 'qcow2');
    await expect(qemuIo('raw', uri, 'write -P 1 0 512')).rejects.toThrow();
    const folder = dirname(socketOf(uri));
    expect(existsSync(folder)).toBe(true);
    expect(await end()).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(folder)).toBe(false);
  });

  it('takes writes into an overlay, on a socket of a given name, and forgets them', async () => {
    const here = await place();
    await writeFile(here.path('disk.raw'), oddDisk(size));
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', here.path('disk.raw'), here.path('disk.qcow2'));
    const before = await readFile(here.path('disk.qcow2'));
    const { uri, end } = await serving(here, 'disk.qcow2', '--writable-overlay', '--socket', 'here.sock');
    expect(uri).toBe(`nbd+unix:///?socket=${here.path('here.sock')}`);
    await qemuIo('raw', uri, 'write -P 7 1000000 100000', 'write -z 64k 1M', 'flush');
    await qemuIo('raw', here.path('disk.raw'), 'write -P 7 1000000 100000', 'write -z 64k 1M');
    await compareImages(uri, 'raw', here.path('disk.raw'), 'raw');
    expect((await end()).code).toBe(0);
    expect(existsSync(here.path('here.sock'))).toBe(false);
    expect((await readFile(here.path('disk.qcow2'))).equals(before)).toBe(true);
  });

  it('several disks under their names on a port; one of them alone', async () => {
    const here = await place();
    await mkdir(here.path('m'));
    const names = ['one', 'two'];
    for (const [i, name] of names.entries()) {
      await writeFile(here.path(`${name}.raw`), oddDisk(size, i + 5));
      const disk = here.path(`m/${name}.vmdk`);
      await qemuImg('convert', '-f', 'raw', '-O', 'vmdk', here.path(`${name}.raw`), disk);
    }
    const lines = names.flatMap((name, i) => [
      `scsi0:${i}.present = "TRUE"`,
      `scsi0:${i}.fileName = "${name}.vmdk"`,
    ]);
    const vmx = ['.encoding = "UTF-8"', 'displayName = "m"', 'scsi0.present = "TRUE"', ...lines, ''].join(
      '\n',
    );
    await writeFile(here.path('m/m.vmx'), vmx);
    const from = ['m', '--env', 'workstation', '--setting', `folders=${here.folder}`];
    const { uri, end } = await serving(here, ...from, '--port', '0');
    const port = /^nbd:\/\/127\.0\.0\.1:(\d+)\/one\.vmdk$/.exec(uri)![1]!;
    await compareImages(uri, 'raw', here.path('one.raw'), 'raw');
    await compareImages(`nbd://127.0.0.1:${port}/two.vmdk`, 'raw', here.path('two.raw'), 'raw');
    expect((await end()).code).toBe(0);
    const alone = await serving(here, ...from, '--disk', '2');
    expect(alone).toMatchObject({ disk: 'two.vmdk', uri: expect.stringMatching(/^nbd\+unix:\/\/\/\?/) });
    await compareImages(alone.uri, 'raw', here.path('two.raw'), 'raw');
    expect((await alone.end()).code).toBe(0);
    expect((await here.run(['serve', ...from, '--disk', '3'])).code).toBe(2);
  });

  it('tells people how to use it, and ends with a client that hangs on', async () => {
    const here = await place();
    await writeFile(here.path('disk.raw'), oddDisk(size));
    const running = here.start(['serve', 'disk.raw', '--socket', 's']);
    await expect.poll(() => existsSync(here.path('s'))).toBe(true);
    const client = createConnection(here.path('s'));
    await new Promise((resolve) => client.once('data', resolve));
    running.child.kill('SIGINT');
    const { code, stdout, stderr } = await running.ended;
    client.destroy();
    expect(code).toBe(0);
    expect(stdout).toBe(`nbd+unix:///?socket=${here.path('s')}\n`);
    expect(stderr).toMatch(/serving disk\.raw: 4 MiB, read-only; Ctrl\+C ends it/);
    expect(stderr).toMatch(/guestfish --ro --format=raw -a 'nbd:\/\/\/\?socket=/);
  });

  it('refuses what it can not do', async () => {
    const here = await place();
    await writeFile(here.path('disk.raw'), oddDisk(size));
    const both = await here.run(['serve', 'disk.raw', '--socket', 's', '--port', '1']);
    expect(both).toMatchObject({ code: 2 });
    expect((await here.run(['serve', 'disk.raw', '--port', 'x'])).code).toBe(2);
    const taken = await here.run(['serve', 'disk.raw', '--socket', 'disk.raw', '--json']);
    expect(taken.code).toBe(1);
    expect(values(taken.stdout)).toMatchObject([{ type: 'error', kind: 'conflict' }]);
  });
});

describeWith([...vcsimTools, 'qemu-img'], 'vmferry serve', () => {
  it('a machine of vSphere that runs: held until the end', async () => {
    const here = await place();
    const name = 'DC0_H0_VM0';
    const server = await startVcsim({ running: true });
    await writeFile(here.path('disk.raw'), oddDisk(size));
    await server.put(`${name}/disk1.vmdk`, vmfsDescriptor(size, 'disk1-flat.vmdk'));
    await server.put(`${name}/disk1-flat.vmdk`, oddDisk(size));
    const session = await connected(server);
    const snapshots = async () => (await session.source!.inspect(name, never)).snapshots?.length ?? 0;
    const settings = [
      ...['host=127.0.0.1', `port=${server.port}`, `user=${server.user}`],
      ...['way=files', `fingerprint=${await fingerprintOf(server.port)}`],
    ].flatMap((setting) => ['--setting', setting]);
    await writeFile(here.path('password'), server.password, { mode: 0o600 });
    const secret = ['--secret', `password=file:${here.path('password')}`];
    const { uri, end } = await serving(here, name, '--env', 'vsphere', ...settings, ...secret);
    expect(await snapshots()).toBe(1);
    await compareImages(uri, 'raw', here.path('disk.raw'), 'raw');
    expect(await end()).toMatchObject({ code: 0, stderr: '' });
    expect(await snapshots()).toBe(0);
  });
});

describeWith(['nbdinfo'], 'nbdinfo', () => {
  it('finds the disk of a served image', async () => {
    const here = await place();
    await writeFile(here.path('disk.raw'), oddDisk(size));
    const { uri, end } = await serving(here, 'disk.raw');
    const { stdout } = await promisify(execFile)('nbdinfo', ['--size', uri]);
    expect(Number(stdout)).toBe(size);
    await end();
  });
});
