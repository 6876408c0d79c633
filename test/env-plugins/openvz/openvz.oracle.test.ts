/** Over a fake OpenVZ (test/servers/fake-openvz): its disks are real, its tools are not. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openvzPlugin } from '../../../src/env-plugins/openvz/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets, testSource } from '../../conformance/test-plugin.ts';
import { compareImages, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { fakeOpenvz } from '../../servers/fake-openvz/fake-openvz.ts';
import { addUser, canAddUsers, sshdTools } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { bytesOf, connect, connectFar, hold, listed, signal } from './session.ts';

const uuid = '26bc47f6-353f-444b-bc35-b634a88dbbcc';
const conf = 'PHYSPAGES="0:131072"\nCPUS="2"\nHOSTNAME="web"\nIP_ADDRESS="10.0.0.1"\nVE_LAYOUT="ploop"\n';

const rules = (machine: Machine) => machine.findings.map((finding) => finding.rule);
const tools = ['qemu-img', 'mke2fs', 'sfdisk', 'qemu-io'];

describeWith(tools, 'containers of OpenVZ', () => {
  it('lists them, with their disks; the content is what was put in', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    const root = fake.disk('101', 'root.hdd', { files: { 'etc/hostname': 'web\n' } });
    fake.container(
      uuid,
      `${conf}NAME="db"\nDISK="uuid={1},size=1,mnt=/data,image=data.hdd;uuid={2},device=/dev/sdz"\n`,
    );
    fake.disk(uuid, 'root.hdd', { files: { 'etc/hostname': 'db\n' }, table: 'none' });
    const data = fake.disk(uuid, 'data.hdd', { files: { x: 'data\n' } });
    await writeFile(fake.path('etc/vz/conf/0.conf'), 'ONBOOT="yes"\n');
    await writeFile(fake.path('etc/vz/conf/ve-basic.conf-sample'), 'ONBOOT="yes"\n');
    await writeFile(fake.path('etc/vz/conf/101.mount'), '#!/bin/sh\n');
    const session = await connect(fake);
    const machines = await listed(session);
    expect(machines).toMatchObject([
      {
        id: '101',
        name: 'web',
        state: 'running',
        processors: { count: 2 },
        memoryBytes: 2 ** 29,
        disks: [{ id: 'root.hdd', format: 'parallels', virtualSizeBytes: 2 ** 25, bootable: true }],
      },
      {
        id: uuid,
        name: 'db',
        state: 'off',
        disks: [{ id: 'root.hdd', bootable: true }, { id: 'data.hdd' }],
        devices: { bound: ['block device /dev/sdz of the host'] },
      },
    ]);
    expect(rules(machines[0]!)).toEqual([
      'openvz.no-kernel',
      'openvz.init-differs',
      'openvz.venet',
      'openvz.scripts',
    ]);
    expect(rules(machines[1]!)).toContain('openvz.no-partition-table');
    expect((await bytesOf(session, machines[0]!, 'root.hdd')).equals(readFileSync(root))).toBe(true);
    expect((await bytesOf(session, machines[1]!, 'data.hdd')).equals(readFileSync(data))).toBe(true);
    expect((await session.source!.inspect('db', signal)).id).toBe(uuid);
    await session.close();
  });

  it.each(['vzctl', 'prlctl'] as const)('a running one is held by %s, and let go', async (which) => {
    const fake = await fakeOpenvz(which);
    fake.container('101', conf, 'running');
    const raw = readFileSync(fake.disk('101', 'root.hdd', { files: { a: 'before\n' } }));
    const session = await connect(fake);
    const [machine] = await listed(session);
    const held = await hold(session, machine!);
    const folder = fake.path('private/101/root.hdd');
    const delta = readdirSync(folder).find((name) => name.startsWith('root.hds.{'))!;
    // It runs on.
    await qemuIo('parallels', join(folder, delta), 'write -q -P 7 0 1M');
    expect((await bytesOf(session, held.machine, 'root.hdd')).equals(raw)).toBe(true);
    expect((await bytesOf(session, held.machine, 'root.hdd'))[5]).toBe(raw[5]);
    expect(held.findings.map((f) => f.rule)).toEqual(['openvz.not-quiesced']);
    await expect(hold(session, machine!, 'r2')).rejects.toMatchObject({ kind: 'conflict' });
    expect(await held.release()).toEqual([]);
    expect(await held.release()).toEqual([]);
    expect(readdirSync(folder).sort()).toEqual(['DiskDescriptor.xml', 'root.hds']);
    expect(readFileSync(fake.path('snapshots/101'), 'utf8')).toBe('');
    await session.close();
  });

  it('a running one is converted as a whole, and is afterwards as before', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    const raw = fake.disk('101', 'root.hdd', { files: { 'etc/hostname': 'web\n' } });
    const out = join(await tempFolder(), 'web.qcow2');
    const home = await tempFolder();
    const args = ['src/cli.tsx', 'convert', '101', '--env', 'openvz', '--to', out, '--json'];
    const said = execFileSync(
      'node_modules/.bin/tsx',
      [...args, '--setting', `configuration=${fake.configuration}`],
      {
        encoding: 'utf8',
        env: { ...process.env, ...fake.environment, HOME: home, XDG_CONFIG_HOME: home, XDG_STATE_HOME: home },
      },
    );
    expect(said).toContain('as after a power cut');
    await compareImages(raw, 'raw', out, 'qcow2');
    expect(readdirSync(fake.path('private/101/root.hdd')).sort()).toEqual(['DiskDescriptor.xml', 'root.hds']);
    const [taken, deleted] = fake
      .log()
      .split('\n')
      .filter((line) => /snapshot(-delete)? /.test(line));
    expect(taken).toMatch(/^vzctl snapshot 101 --id \{.*\} --name vmferry-\S+ --skip-suspend --skip-config$/);
    expect(deleted).toMatch(/^vzctl snapshot-delete 101 --id \{.*\}$/);
  }, 30_000);

  it('deletes what a run that died has left, and nothing of others', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    const session = await connect(fake);
    const [machine] = await listed(session);
    const left = '{b0b0b0b0-1111-4222-8333-444444444444}';
    const other = '{c0c0c0c0-1111-4222-8333-444444444444}';
    writeFileSync(
      fake.path('snapshots/101'),
      `${left} vmferry-20260101-000000-dead\n${other} before upgrade, vmferry-x\n`,
    );
    const held = await hold(session, machine!);
    expect(held.findings.map((f) => f.rule)).toContain('openvz.leftover-deleted');
    expect(await held.release()).toEqual([]);
    const snapshots = readFileSync(fake.path('snapshots/101'), 'utf8');
    expect(snapshots).toContain(other);
    expect(snapshots).not.toContain(left);
    await session.close();
  });

  it('leaves a snapshot alone whose run lives', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    const [first, second] = [await connect(fake), await connect(fake)];
    const [machine] = await listed(first);
    const held = await hold(first, machine!, 'one');
    await expect(hold(second, machine!, 'two')).rejects.toMatchObject({
      kind: 'conflict',
      message: expect.stringContaining('run one'),
    });
    expect(await held.release()).toEqual([]);
    await first.close();
    await second.close();
  });

  it('a snapshot that fails, that misses a disk, or that can not be deleted is told', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    const session = await connect(fake);
    const [machine] = await listed(session);
    writeFileSync(fake.path('fail-snapshot'), '');
    await expect(hold(session, machine!)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('no space left'),
    });
    execFileSync('rm', [fake.path('fail-snapshot')]);
    writeFileSync(fake.path('fail-delete'), '');
    const held = await hold(session, machine!);
    expect(await held.release()).toEqual([expect.stringMatching(/snapshot \{.*\} is left/)]);
    execFileSync('rm', [fake.path('fail-delete')]);
    const again = await hold(session, machine!, 'r3');
    expect(await again.release()).toEqual([]);
    fake.disk('101', 'more.hdd', { files: { a: 'x' } });
    writeFileSync(fake.path('private/101/more.hdd/no-snapshots'), '');
    await expect(hold(session, machine!)).rejects.toMatchObject({
      kind: 'unsupported',
      message: expect.stringContaining('more.hdd'),
    });
    expect(readFileSync(fake.path('snapshots/101'), 'utf8')).toBe('');
    await session.close();
  });

  it('without tools it lists from the files', async () => {
    const fake = await fakeOpenvz('none');
    fake.container('101', conf, 'running');
    const raw = readFileSync(fake.disk('101', 'root.hdd', { files: { a: 'x' } }));
    const session = await connect(fake);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ id: '101', state: 'unknown' });
    expect(rules(machine!)).toContain('openvz.state-unknown');
    expect((await bytesOf(session, machine!, 'root.hdd')).equals(raw)).toBe(true);
    await session.close();
  });

  it('names, values and descriptors that are hostile are only data', async () => {
    const fake = await fakeOpenvz();
    const touched = fake.path('touched');
    const evil = `$(touch ${touched})`;
    fake.container(
      '101',
      `NAME="${evil}"\nHOSTNAME="\`touch ${touched}\`"\nDESCRIPTION='"; touch ${touched}; "'\nNETIF="ifname=${evil}"\n`,
      'running',
    );
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    fake.container('102', `VE_PRIVATE="${evil}/../../etc"\n`);
    fake.container('103', 'VE_PRIVATE="/nowhere/../$VEID/"\n');
    const area = fake.container('104', '');
    fake.disk('104', 'root.hdd', { files: { a: 'x' } });
    const descriptor = join(area, 'root.hdd/DiskDescriptor.xml');
    writeFileSync(
      descriptor,
      readFileSync(descriptor, 'utf8').replace('root.hds', '../../../etc/vz/vz.conf'),
    );
    fake.container('105', '');
    await mkdir(fake.path('private/105/root.hdd'));
    writeFileSync(fake.path('private/105/root.hdd/DiskDescriptor.xml'), '<Parallels_disk_image>');
    await symlink('/etc/passwd', fake.path("etc/vz/conf/..%2f1 '$(id)'.conf"));
    const session = await connect(fake);
    const machines = await listed(session);
    expect(machines.map((m) => m.id)).toEqual(['101', '102', '103', '104', '105']);
    expect(machines[0]!.name).toBe(evil);
    for (const i of [1, 2, 4]) expect(rules(machines[i]!)).toContain('openvz.no-private-area');
    await expect(bytesOf(session, machines[3]!, 'root.hdd')).rejects.toMatchObject({
      kind: expect.stringMatching(/blocked|unsupported|corrupt/),
    });
    const held = await hold(session, machines[0]!);
    expect(await held.release()).toEqual([]);
    for (const id of ['../101', '101; touch x', '--help', '-1', '', '/etc/passwd'])
      await expect(session.source!.inspect(id, signal)).rejects.toMatchObject({ kind: 'not-found' });
    expect(existsSync(touched)).toBe(false);
    await session.close();
  });

  it('says that root is needed when the tools say no', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf);
    writeFileSync(fake.path('denied'), '');
    const session = await connect(fake);
    await expect(listed(session)).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('Use sudo'),
    });
    await session.close();
    await expect(openvzPlugin().connect({ configuration: 'vz' }, noSecrets())).rejects.toMatchObject({
      kind: 'usage',
    });
    const none = await openvzPlugin().connect({ configuration: '/no/such/vz' }, noSecrets());
    await expect(listed(none)).rejects.toMatchObject({ kind: 'not-found' });
    await none.close();
  });

  testSource('OpenVZ', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf);
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    fake.container('102', conf, 'running');
    fake.disk('102', 'root.hdd', { files: { a: 'y' } });
    return connect(fake);
  });
});

describeWith([...tools, ...sshdTools], 'containers of OpenVZ behind SSH', () => {
  it('listed, held, read and let go', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf, 'running');
    const raw = readFileSync(fake.disk('101', 'root.hdd', { files: { a: 'far\n' } }));
    const session = await connectFar(fake);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({ id: '101', state: 'running', disks: [{ virtualSizeBytes: 2 ** 25 }] });
    const held = await hold(session, machine!);
    expect((await bytesOf(session, held.machine, 'root.hdd')).equals(raw)).toBe(true);
    expect(await held.release()).toEqual([]);
    expect(readdirSync(fake.path('private/101/root.hdd')).sort()).toEqual(['DiskDescriptor.xml', 'root.hds']);
    expect((await bytesOf(session, machine!, 'root.hdd')).equals(raw)).toBe(true);
  });

  it.skipIf(!canAddUsers)('as a user who is not root: the error names sudo', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf);
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    await chmod(fake.path('private/101'), 0o700);
    await chmod(fake.root, 0o755);
    execFileSync('sh', ['-c', 'chmod 777 "$0"; touch "$0/log"; chmod 666 "$0/log"', fake.root]);
    const { name } = addUser(fake.root);
    const session = await connectFar(fake, { user: name });
    const [machine] = await listed(session);
    const finding = machine!.findings.find((f) => f.rule === 'openvz.no-private-area');
    expect(finding).toMatchObject({ severity: 'blocker', remedy: expect.stringContaining('Use sudo') });
    await chmod(fake.path('etc/vz/conf'), 0o700);
    await expect(listed(session)).rejects.toMatchObject({
      kind: 'auth',
      hint: expect.stringContaining('Use sudo'),
    });
  });

  testSource('OpenVZ behind SSH', async () => {
    const fake = await fakeOpenvz();
    fake.container('101', conf);
    fake.disk('101', 'root.hdd', { files: { a: 'x' } });
    return connectFar(fake);
  });
});
