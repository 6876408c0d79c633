/** The whole way without SSH: commands by WinRM, sealed over plain HTTP, and disks by SMB of a real Samba. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { randomBytes } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startHyperV } from '../../servers/hyperv.ts';
import { sambaTools, startSamba } from '../../servers/samba.ts';
import { startWinRm } from '../../servers/winrm.ts';
import { tempFolder } from '../../temp.ts';
import { MiB } from './host.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

describeWith(['qemu-img', ...sambaTools], 'a conversion to and from Hyper-V by WinRM and SMB', () => {
  it('delivers and starts; reads it while it runs, byte for byte', async () => {
    const samba = await startSamba(['C$']);
    onTestFinished(() => samba.stop());
    const host = await startHyperV(samba.folder('C$'));
    const users = new Map([['Administrator', 'secret word']]);
    const winrm = await startWinRm({ tls: false, users, run: host.powershell });
    const home = await tempFolder();
    const env = { ...process.env, HOME: home, VMFERRY_HOME: join(home, 'v'), NO_COLOR: '1' };
    const program = async (...args: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
        ...{ env: { ...env, PW: 'secret word', SMB: samba.password }, stdio: ['ignore', 'pipe', 'pipe'] },
      });
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (said += chunk));
      const [code] = await once(child, 'close');
      return { code: code as number, said };
    };
    const login = {
      ...{
        way: 'winrm',
        host: '127.0.0.1',
        port: String(winrm.port),
        tls: 'no',
        user: 'HV01\\Administrator',
      },
      ...{ smbUser: samba.user, smbPort: String(samba.port) },
    };
    const settings = (option: string) =>
      Object.entries(login).flatMap(([key, value]) => [option, `${key}=${value}`]);
    const image = join(home, 'disk.raw');
    const content = Buffer.alloc(6 * MiB);
    randomBytes(MiB, 1).copy(content, 100_000);
    await writeFile(image, content);
    const compare = (one: string, format: string) =>
      spawnSync('qemu-img', ['compare', '-f', 'raw', '-F', format, image, one], { encoding: 'utf8' });

    const there = ['--to-env', 'hyperv', ...settings('--to-set')];
    const theirs = ['--to-secret', 'password=env:PW', '--to-secret', 'smbPassword=env:SMB'];
    const done = await program(
      'convert',
      image,
      '--from',
      'raw',
      ...there,
      ...theirs,
      '--name',
      'neu',
      '--start',
    );
    expect(done, done.said).toMatchObject({ code: 0 });
    const [vm] = host.vms;
    expect(vm).toMatchObject({ name: 'neu', state: 'Running' });
    const file = vm!.disks[0]!.path;
    expect(compare(host.local(file), 'vhdx')).toMatchObject({ status: 0 });

    host.vhds.set(file, { ...host.vhds.get(file), size: content.length });
    const result = join(home, 'new.qcow2');
    const here = ['--env', 'hyperv', ...settings('--setting'), '--secret', 'password=env:PW'];
    const moved = await program('convert', 'neu', ...here, '--secret', 'smbPassword=env:SMB', '--to', result);
    expect(moved, moved.said).toMatchObject({ code: 0 });
    expect(compare(result, 'qcow2')).toMatchObject({ status: 0 });
    expect(host.ran).toContain('checkpoint');
    expect(vm).toMatchObject({ checkpoints: [], disks: [{ path: file }] });
    expect(winrm.seen.plain).toBe(0);
    expect(winrm.shells.size).toBe(0);
    expect(done.said + moved.said).not.toContain('secret word');
  }, 60_000);
});
