/** Containers whose private area is a folder: what comes out is a filesystem that e2fsck and debugfs agree with. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { surveyMachine } from '../../../src/convert/survey.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets, testSource } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type FakeOpenvz, fakeOpenvz } from '../../servers/fake-openvz/fake-openvz.ts';
import { addUser, canAddUsers, sshdTools } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { connect, connectFar, hold, listed, signal } from './session.ts';

const conf = 'VE_LAYOUT="simfs"\nDISKSPACE="1572864:2097152"\nHOSTNAME="web"\n';

async function simfs(status = 'stopped', files = 3): Promise<FakeOpenvz> {
  const fake = await fakeOpenvz();
  const area = fake.container('101', conf, status);
  for (const name of ['etc', 'bin', 'proc', 'dev']) mkdirSync(join(area, name));
  writeFileSync(join(area, 'etc/hostname'), 'web\n');
  writeFileSync(join(area, 'bin/su'), Buffer.alloc(300_000, 5), { mode: 0o755 });
  for (let i = 0; i < files; i++) writeFileSync(join(area, 'etc', `$(touch x) "${i}'`), `${i}`);
  execFileSync('sh', ['-c', 'chmod 4755 "$0/bin/su"; ln -s ../etc/hostname "$0/etc/link"', area]);
  return fake;
}

/** The disk as a file. */
async function imageOf(session: Session, machine: Machine): Promise<string> {
  const { source, format } = await session.source!.open(machine, 'root', signal);
  expect(format).toBe('raw');
  const path = join(await tempFolder(), 'image');
  await writeFile(path, '');
  execFileSync('truncate', ['-s', String(source.size), path]);
  const { open } = await import('node:fs/promises');
  const file = await open(path, 'r+');
  for (const { kind, offset, length } of await source.extents!(0, source.size, signal)) {
    if (kind !== 'data') continue;
    const bytes = Buffer.alloc(length);
    await source.read(bytes, offset, signal);
    await file.write(bytes, 0, length, offset);
  }
  await file.close();
  await source.close();
  execFileSync('e2fsck', ['-fn', path], { stdio: 'pipe' });
  return path;
}

const debugfs = (image: string, command: string) =>
  execFileSync('debugfs', ['-R', command, image], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });

function check(image: string): void {
  expect(debugfs(image, 'cat /etc/hostname')).toBe('web\n');
  expect(debugfs(image, 'stat /bin/su')).toMatch(/Mode: {2}04755 .*User: +\d/s);
  expect(debugfs(image, 'stat /etc/link')).toContain('../etc/hostname');
}

describeWith(['tar', 'e2fsck', 'debugfs', 'truncate'], 'containers in the simfs layout', () => {
  it('become a filesystem of the size that they may have', async () => {
    const fake = await simfs();
    const temporary = await tempFolder();
    const reports: string[] = [];
    const context = { ...noSecrets(), report: (step: string) => void reports.push(step) };
    const session = await connect(fake, { temporary }, context);
    const [machine] = await listed(session);
    expect(machine).toMatchObject({
      state: 'off',
      disks: [{ id: 'root', format: 'raw', files: [fake.path('private/101')], bootable: true }],
    });
    expect(machine!.findings.map((f) => f.rule)).toEqual([
      'openvz.no-kernel',
      'openvz.init-differs',
      'openvz.no-partition-table',
      'openvz.folder',
    ]);
    const { source } = await session.source!.open(machine!, 'root', signal);
    expect(source.size).toBe(1.5 * 2 ** 30);
    // Nothing stays, whatever happens.
    expect(readdirSync(temporary)).toEqual([]);
    await source.close();
    check(await imageOf(session, machine!));
    expect(reports[0]).toContain('101');
    await session.close();
  });

  it('are read when that is asked for, not to be listed', async () => {
    const session = await connect(await simfs());
    const [machine] = await listed(session);
    const quick = await surveyMachine(session, machine!, { follow: false }, signal);
    expect(quick.images).toEqual({});
    expect(quick.failure).toBeUndefined();
    expect(quick.machine.findings.map((f) => f.rule)).toContain('disk.costly');
    const whole = await surveyMachine(session, machine!, { follow: false, whole: true }, signal);
    expect(whole.machine.disks[0]!.virtualSizeBytes).toBe(1.5 * 2 ** 30);
    await session.close();
  });

  it('that run are read as they are, and say so', async () => {
    const fake = await simfs('running');
    const session = await connect(fake);
    const [machine] = await listed(session);
    expect(machine!.findings.map((f) => f.rule)).toContain('openvz.changes-while-read');
    const held = await hold(session, machine!);
    check(await imageOf(session, held.machine));
    expect(await held.release()).toEqual([]);
    expect(fake.log()).not.toContain('snapshot');
    await session.close();
  });

  it('leaves nothing when it is cancelled, or when tar fails', async () => {
    const fake = await simfs();
    const temporary = await tempFolder();
    const controller = new AbortController();
    const context = { ...noSecrets(), report: () => controller.abort() };
    const session = await connect(fake, { temporary }, context);
    const [machine] = await listed(session);
    await expect(session.source!.open(machine!, 'root', controller.signal)).rejects.toBeInstanceOf(Error);
    expect(readdirSync(temporary)).toEqual([]);
    // A tar that ends in the middle.
    const tar = `#!/bin/sh\ncase $* in *--version*) exit 0 ;; esac\n/bin/tar "$@" | head -c 5000\necho 'tar: boom' >&2\nexit 2\n`;
    writeFileSync(fake.path('bin/tar'), tar, { mode: 0o755 });
    await expect(session.source!.open(machine!, 'root', signal)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('boom'),
    });
    expect(readdirSync(temporary)).toEqual([]);
    // One that says much more, and none of it a tar archive.
    const noise = `#!/bin/sh\ncase $* in *--version*) exit 0 ;; esac\nyes | head -c 50000000\n`;
    writeFileSync(fake.path('bin/tar'), noise, { mode: 0o755 });
    await expect(session.source!.open(machine!, 'root', signal)).rejects.toMatchObject({ kind: 'corrupt' });
    expect(readdirSync(temporary)).toEqual([]);
    await session.close();
  });

  testSource('OpenVZ with folders', async () => connect(await simfs()));
});

describeWith(['tar', 'e2fsck', 'debugfs', ...sshdTools], 'containers in the simfs layout behind SSH', () => {
  it('are streamed; also after a stream that was none', async () => {
    const fake = await simfs();
    const session = await connectFar(fake);
    const [machine] = await listed(session);
    check(await imageOf(session, machine!));
    const noise = `#!/bin/sh\ncase $* in *--version*) exit 0 ;; esac\nyes | head -c 50000000\n`;
    writeFileSync(fake.path('bin/tar'), noise, { mode: 0o755 });
    await expect(session.source!.open(machine!, 'root', signal)).rejects.toMatchObject({ kind: 'corrupt' });
    rmSync(fake.path('bin/tar'));
    check(await imageOf(session, machine!));
  });
});

describeWith(['tar', 'e2fsck', 'debugfs', 'sudo', ...sshdTools], 'containers that only root may read', () => {
  it.skipIf(!canAddUsers)('by sudo, folders and disks', async () => {
    const fake = await simfs();
    fake.container('102', 'VE_LAYOUT="ploop"\n', 'running');
    fake.disk('102', 'root.hdd', { files: { a: 'x' } });
    for (const name of ['private/101', 'private/102', 'etc/vz/conf']) await chmod(fake.path(name), 0o700);
    execFileSync('chmod', ['777', fake.root]);
    const { name } = addUser(fake.root);
    const rules = `/etc/sudoers.d/${name}`;
    writeFileSync(rules, `Defaults:${name} !env_reset, !secure_path\n${name} ALL=(ALL) NOPASSWD: ALL\n`, {
      mode: 0o440,
    });
    onTestFinished(() => rmSync(rules, { force: true }));
    const session = await connectFar(fake, { user: name, sudo: true });
    const [first, second] = await listed(session);
    check(await imageOf(session, first!));
    const held = await hold(session, second!);
    const { source } = await session.source!.open(held.machine, 'root.hdd', signal);
    const head = Buffer.alloc(16);
    await source.read(head, 0, signal);
    expect(head.toString('latin1')).toMatch(/^Withou/);
    await source.close();
    expect(await held.release()).toEqual([]);
  });
});
