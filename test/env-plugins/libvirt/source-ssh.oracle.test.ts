/** A real libvirt behind a real sshd: as root, and as a user who may use libvirt but not read its files. */
import { execFileSync, spawnSync } from 'node:child_process';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { openImage } from '../../../src/convert/open-image.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { libvirtdTools, useLibvirtd } from '../../servers/libvirtd.ts';
import { addUser, kill, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { smallDomain } from './fixtures/domain.ts';
import { bytesOf, listed, sessionWith, signal } from './fixtures/session.ts';

const MiB = 2 ** 20;
const tools = [...libvirtdTools, ...sshdTools, 'useradd', 'chpasswd', 'losetup', 'dd', 'runuser', 'ps'];

describeWith(tools, 'machines of a libvirt behind SSH', () => {
  const libvirtd = useLibvirtd();

  async function connect(
    user: string | undefined,
    reports: string[] = [],
    { config = [], ...more }: { config?: string[]; uri?: string } = {},
  ): Promise<Session> {
    const server = await startSshd({ config });
    const home = await tempFolder();
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    vi.stubEnv('HOME', home);
    vi.stubEnv('SSH_AUTH_SOCK', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const settings = {
      host: '127.0.0.1',
      port: String(server.port),
      user: user ?? server.user,
      keyFile: server.key,
      ...more,
    };
    return sessionWith(libvirtd(), settings, reports);
  }

  /** Its image, and its NVRAM, are root's alone; `pool` makes a pool of its folder. */
  async function secretMachine(name: string, options: { pool: boolean }) {
    const { folder, virsh } = libvirtd();
    const place = join(folder, `${name} it's`);
    await mkdir(place);
    const path = join(place, 'secret $(id).qcow2');
    await qemuImg('create', '-q', '-f', 'qcow2', path, '40M');
    await qemuIo('qcow2', path, 'write -P 1 0 20M', 'write -P 2 30M 1M');
    await writeFile(join(place, 'nvram.fd'), Buffer.alloc(4096, 5));
    for (const file of await readdir(place)) await chmod(join(place, file), 0o600);
    if (options.pool) {
      await virsh('pool-create-as', name, 'dir', '--target', place);
      onTestFinished(() => void virsh('pool-destroy', name));
    }
    const loader = `<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader><nvram>${place.replace("'", '&apos;')}/nvram.fd</nvram>`;
    const xml = smallDomain(name, [{ dev: 'vda', path, format: 'qcow2' }]);
    await libvirtd().define(xml.replace('</os>', `${loader}</os><features><acpi/></features>`));
    onTestFinished(() => void virsh('undefine', name, '--keep-nvram'));
    return { path, place, uuid: (await virsh('domuuid', name)).trim() };
  }

  it('as root: listed, read, held and let go', async () => {
    const { uuid, path, place } = await secretMachine('far', { pool: false });
    const session = await connect(undefined);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ id: uuid, name: 'far', state: 'off', disks: [{ files: [path] }] });
    expect((await session.source!.inspect(uuid, signal)).findings).toEqual([]);
    expect(await session.source!.nvram!(machine!, signal)).toEqual(Buffer.alloc(4096, 5));
    // Without the firmware, which may not be here.
    await libvirtd().define(
      smallDomain('far', [{ dev: 'vda', path, format: 'qcow2' }]).replace(
        '<name>',
        `<uuid>${uuid}</uuid><name>`,
      ),
    );
    await libvirtd().virsh('start', uuid);
    onTestFinished(() => void libvirtd().virsh('destroy', uuid));
    const before = await readdir(place);
    const held = await session.source!.hold!(await session.source!.inspect(uuid, signal), {
      runId: 'far-run',
      signal,
      report: () => undefined,
    });
    expect(await readdir(place)).toHaveLength(before.length + 1);
    const other = await connect(undefined);
    await expect(
      other.source!.hold!(held.machine, { runId: 'other', signal, report: () => undefined }),
    ).rejects.toMatchObject({ message: 'run far-run holds this machine' });
    const image = await openImage(await session.source!.open(held.machine, 'vda', signal), {
      signal,
      follow: false,
    });
    const bytes = Buffer.alloc(4);
    await image.read(bytes, 30 * MiB, signal);
    expect(bytes).toEqual(Buffer.alloc(4, 2));
    await image.close();
    expect(await held.release()).toEqual([]);
    expect(await readdir(place)).toEqual(before);
  });

  it('as root: a block device is read, which SFTP does not open', async () => {
    const file = join(libvirtd().folder, 'device.raw');
    await writeFile(file, Buffer.alloc(3 * MiB, 6));
    const device = execFileSync('losetup', ['--find', '--show', file]).toString().trim();
    onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
    await libvirtd().define(
      smallDomain('block', [{ dev: 'vda', path: device, format: 'raw', type: 'block' }]),
    );
    onTestFinished(() => void libvirtd().virsh('undefine', 'block'));
    const session = await connect(undefined);
    const machine = await session.source!.inspect('block', signal);
    const opened = await session.source!.open(machine, 'vda', signal);
    expect(opened.source.size).toBe(3 * MiB);
    expect((await bytesOf(opened, 1000, 2 * MiB)).equals(Buffer.alloc(2 * MiB, 6))).toBe(true);
    expect(await bytesOf(opened, 3 * MiB - 1, 1)).toEqual(Buffer.alloc(1, 6));
  });

  it('as a user of libvirt: what is not his to read is handed out by libvirt', async () => {
    const { name: user } = addUser(await tempFolder());
    const { path, uuid, place } = await secretMachine('handed', { pool: true });
    const reports: string[] = [];
    const session = await connect(user, reports);
    const machine = await session.source!.inspect('handed', signal);
    expect(machine).toMatchObject({ id: uuid, disks: [{ virtualSizeBytes: 40 * MiB }] });
    expect(machine.findings.map((f) => f.rule)).toEqual(['libvirt.read-by-commands']);
    const opened = await session.source!.open(machine, 'vda', signal);
    const bytes = await readFile(path);
    expect(opened.source.size).toBe(bytes.length);
    expect(opened.source.extents).toBeUndefined();
    expect((await bytesOf(opened, 0, bytes.length)).equals(bytes)).toBe(true);
    expect((await bytesOf(opened, 12_345_678, 300_001)).equals(bytes.subarray(12_345_678, 12_645_679))).toBe(
      true,
    );
    expect(reports.join()).toContain("secret $(id).qcow2 is not this user's to read");
    await expect(session.source!.nvram!(machine, signal)).rejects.toMatchObject({ kind: 'auth' });

    await libvirtd().define(
      smallDomain('handed', [{ dev: 'vda', path, format: 'qcow2' }]).replace(
        '<name>',
        `<uuid>${uuid}</uuid><name>`,
      ),
    );
    await libvirtd().virsh('start', uuid);
    onTestFinished(() => void libvirtd().virsh('destroy', uuid));
    const before = await readdir(place);
    const held = await session.source!.hold!(await session.source!.inspect(uuid, signal), {
      runId: 'handed-run',
      signal,
      report: () => undefined,
    });
    const image = await openImage(await session.source!.open(held.machine, 'vda', signal), {
      signal,
      follow: false,
    });
    const four = Buffer.alloc(4);
    await image.read(four, 30 * MiB, signal);
    expect(four).toEqual(Buffer.alloc(4, 2));
    expect(await held.release()).toEqual([]);
    expect(await readdir(place)).toEqual(before);
  });

  it('as a user of libvirt: what is in no pool is refused, with the way out', async () => {
    const { name: user } = addUser(await tempFolder());
    await secretMachine('refused', { pool: false });
    const session = await connect(user);
    const machine = await session.source!.inspect('refused', signal);
    await expect(session.source!.open(machine, 'vda', signal)).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('storage pool'),
    });
  });

  it("as any user: the machines of that user's own libvirt", async () => {
    const home = await tempFolder();
    const { name: user } = addUser(home);
    execFileSync('chown', [user, home]);
    onTestFinished(() => {
      // libvirt starts its daemons and machines for the user; all of them are this test's.
      for (const pid of processesOf(user)) kill(pid, 'SIGKILL');
    });
    const path = join(home, 'own.qcow2');
    const asUser = (...args: string[]) =>
      execFileSync('runuser', ['-u', user, '--', 'env', '-u', 'XDG_RUNTIME_DIR', `HOME=${home}`, ...args], {
        cwd: home,
      });
    asUser('qemu-img', 'create', '-q', '-f', 'qcow2', path, '8M');
    asUser('qemu-io', '-f', 'qcow2', '-c', 'write -P 3 1M 1M', path);
    await writeFile(join(home, 'own.xml'), smallDomain('own', [{ dev: 'vda', path, format: 'qcow2' }]));
    asUser('virsh', '-c', 'qemu:///session', 'define', join(home, 'own.xml'));
    asUser('virsh', '-c', 'qemu:///session', 'start', 'own');
    const settings = { uri: 'qemu:///session', config: [`SetEnv HOME=${home}`] };
    const session = await connect(user, [], settings);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ name: 'own', state: 'running', disks: [{ files: [path] }] });
    const before = (await readdir(home)).sort();
    const held = await session.source!.hold!(machine!, { runId: 'own-run', signal, report: () => undefined });
    const image = await openImage(await session.source!.open(held.machine, 'vda', signal), {
      signal,
      follow: false,
    });
    const four = Buffer.alloc(4);
    await image.read(four, MiB, signal);
    expect(four).toEqual(Buffer.alloc(4, 3));
    await image.close();
    expect(await held.release()).toEqual([]);
    expect((await readdir(home)).sort()).toEqual(before);
  });
});

function processesOf(user: string): number[] {
  const { stdout } = spawnSync('ps', ['-u', user, '-o', 'pid=']);
  return stdout
    .toString()
    .trim()
    .split(/\s+/)
    .filter((pid) => pid !== '')
    .map(Number);
}
