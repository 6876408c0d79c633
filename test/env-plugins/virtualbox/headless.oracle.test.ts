/** The whole way over a real sshd, with the fake VBoxManage on that host: a machine is made, started, held and read. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { fakeManage } from './machine-folder.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');
const MiB = 2 ** 20;

describeWith([...sshdTools, 'qemu-img'], 'a conversion to and from VirtualBox over SSH', () => {
  it('makes and starts a machine, refuses its name again, and reads it byte for byte', async () => {
    const fake = await tempFolder();
    const home = await tempFolder();
    const path = `${fakeManage}:${dirname(process.execPath)}:/usr/bin:/bin`;
    const sshd = await startSshd({ config: [`SetEnv HOME=${fake} FAKE_VBOX=${fake} PATH=${path}`] });
    mkdirSync(join(home, '.ssh'));
    writeFileSync(join(home, '.ssh/known_hosts'), `[127.0.0.1]:${sshd.port} ${sshd.hostKey()}\n`);
    const env = { ...process.env, HOME: home, VMFERRY_HOME: join(home, 'vmferry'), NO_COLOR: '1' };
    const program = async (...args: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
        ...{ env, stdio: ['ignore', 'pipe', 'pipe'] },
      });
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (said += chunk));
      const [code] = await once(child, 'close');
      return { code: code as number, said };
    };
    const image = join(home, 'disk.raw');
    const content = Buffer.alloc(6 * MiB);
    randomBytes(MiB, 1).copy(content, 100_000);
    randomBytes(70_000, 2).copy(content, 5 * MiB);
    writeFileSync(image, content);
    const login = { host: '127.0.0.1', port: String(sshd.port), user: sshd.user, keyFile: sshd.key };
    const settings = (option: string, more: Record<string, string> = {}) =>
      Object.entries({ ...login, ...more }).flatMap(([key, value]) => [option, `${key}=${value}`]);
    const folder = join(fake, 'machines');
    const convert = (name: string, format: string) => {
      const to = settings('--to-set', { folder });
      const what = ['--from', 'raw', '--name', name, '--format', format, '--start'];
      return program('convert', image, '--to-env', 'virtualbox', ...to, ...what);
    };
    const compare = (one: string, format: string) =>
      spawnSync('qemu-img', ['compare', '-f', 'raw', '-F', format, image, one], { encoding: 'utf8' });
    const done = await convert('new one', 'vmdk');
    expect(done, done.said).toMatchObject({ code: 0 });
    const own = join(folder, 'new one');
    const disk = readdirSync(own).find((name) => name.endsWith('.vmdk'))!;
    expect(compare(join(own, disk), 'vmdk')).toMatchObject({ status: 0 });
    const uuid = /^ddb\.uuid\.image="(.*)"$/m.exec(readFileSync(join(own, disk), 'latin1'))![1]!;
    expect(readFileSync(join(own, 'new one.vbox'), 'utf8')).toContain(`<Image uuid="{${uuid}}"/>`);
    expect(readFileSync(join(fake, 'said'), 'utf8')).toMatch(/^startvm [0-9a-f-]{36} --type headless$/m);

    const again = await convert('new one', 'vmdk');
    expect(again, again.said).toMatchObject({ code: 3, said: expect.stringContaining('already') });

    const from = ['--env', 'virtualbox', ...settings('--setting', { folders: folder })];
    const listed = await program('list', ...from);
    expect(listed.said).toContain('new one');
    // It runs: a snapshot holds it, and is gone then.
    const result = join(home, 'new.qcow2');
    const moved = await program('convert', 'new one', ...from, '--to', result);
    expect(moved, moved.said).toMatchObject({ code: 0 });
    expect(compare(result, 'qcow2')).toMatchObject({ status: 0 });
    const asked = readFileSync(join(fake, 'said'), 'utf8');
    expect(asked).toMatch(/^snapshot [0-9a-f-]{36} take vmferry-\S+ --live$/m);
    expect(asked).toMatch(/^snapshot [0-9a-f-]{36} delete vmferry-\S+$/m);
    expect(readFileSync(join(own, 'new one.vbox'), 'utf8')).not.toContain('<Snapshot');
  }, 60_000);
});
