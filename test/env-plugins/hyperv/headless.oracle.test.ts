/** The whole way from the command line: an image becomes a machine of a host, is started, and goes on as a file. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startHyperV } from '../../servers/hyperv.ts';
import { tempFolder } from '../../temp.ts';
import { MiB } from './host.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

describeWith(['qemu-img'], 'a conversion to and from Hyper-V on the command line', () => {
  it('delivers and starts; refuses a name that is there; reads it while it runs, byte for byte', async () => {
    const host = await startHyperV(await tempFolder());
    const home = await tempFolder();
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${host.port} ${host.hostKey}\n`);
    const env = {
      ...process.env,
      HOME: home,
      VMFERRY_HOME: join(home, 'vmferry'),
      NO_COLOR: '1',
      PW: 'secret',
    };
    const image = join(home, 'disk.raw');
    const content = Buffer.alloc(6 * MiB);
    randomBytes(MiB, 1).copy(content, 100_000);
    randomBytes(70_000, 2).copy(content, 5 * MiB);
    await writeFile(image, content);
    const program = async (...args: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
        ...{ env, stdio: ['ignore', 'pipe', 'pipe'] },
      });
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (said += chunk));
      const [code] = await once(child, 'close');
      return { code: code as number, said };
    };
    const login = { host: '127.0.0.1', port: String(host.port), user: 'Administrator', jump: 'none' };
    const settings = (option: string) =>
      Object.entries(login).flatMap(([key, value]) => [option, `${key}=${value}`]);
    const there = ['--to-env', 'hyperv', ...settings('--to-set'), '--to-secret', 'password=env:PW'];
    const convert = () =>
      program('convert', image, '--from', 'raw', ...there, '--name', 'new one', '--start', '--force');
    const done = await convert();
    expect(done, done.said).toMatchObject({ code: 0 });
    const [vm] = host.vms;
    expect(vm).toMatchObject({ name: 'new one', state: 'Running', disks: [{ bus: 'IDE' }] });
    const file = vm!.disks[0]!.path;
    const compare = (one: string, format: string) =>
      spawnSync('qemu-img', ['compare', '-f', 'raw', '-F', format, image, one], { encoding: 'utf8' });
    expect(compare(host.local(file), 'vhdx')).toMatchObject({ status: 0 });

    const again = await convert();
    expect(again, again.said).toMatchObject({ code: 3, said: expect.stringContaining('already') });
    expect(host.vms).toHaveLength(1);

    host.vhds.set(file, { ...host.vhds.get(file), size: content.length });
    const result = join(home, 'new.qcow2');
    const here = ['--env', 'hyperv', ...settings('--setting'), '--secret', 'password=env:PW'];
    const moved = await program('convert', 'new one', ...here, '--to', result);
    expect(moved, moved.said).toMatchObject({ code: 0 });
    expect(compare(result, 'qcow2')).toMatchObject({ status: 0 });
    expect(host.ran).toContain('checkpoint');
    expect(vm).toMatchObject({ checkpoints: [], disks: [{ path: file }] });
    expect(done.said + again.said + moved.said).not.toContain('secret');
  }, 60_000);
});
