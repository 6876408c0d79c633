/** Hyper-V by the built program: an exported folder without a host, and a host by WinRM with its disks by SMB. */
import { spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { exportFolder, generation2, webId } from '../env-plugins/hyperv/exported/export-folder.ts';
import { hostWithMachine } from '../env-plugins/hyperv/host.ts';
import { describeWith } from '../oracles/requires.ts';
import { sambaTools, startSamba } from '../servers/samba.ts';
import { startWinRm } from '../servers/winrm.ts';
import { place } from './program.ts';

const sameBytes = (raw: string, qcow2: string) =>
  spawnSync('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', raw, qcow2], { encoding: 'utf8' });

describeWith(['qemu-img'], 'an exported folder', () => {
  it('is listed with its hardware, and its disk converted byte for byte', async () => {
    const { folder, path, run } = await place();
    const raw = path('disk.raw');
    await writeFile(raw, Buffer.concat([Buffer.alloc(3 << 20, 'guest'), Buffer.alloc(5 << 20)]));
    spawnSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vhdx', raw, path('disk.vhdx')]);
    const web = await exportFolder(folder, 'exports/web', {
      [`Virtual Machines/${webId}.vmcx`]: generation2(['D:\\VMs\\web\\system.vhdx']),
      'Virtual Hard Disks/system.vhdx': await readFile(path('disk.vhdx')),
    });
    const there = ['--env', 'hyperv', '--setting', `folders=${join(folder, 'exports')}`];
    const listed = await run(['list', ...there, '--json']);
    expect(listed, listed.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining('"name":"web"') });
    const moved = await run(['convert', web, '--env', 'hyperv', '--to', path('web.qcow2')]);
    expect(moved, moved.stderr).toMatchObject({ code: 0 });
    expect(sameBytes(raw, path('web.qcow2'))).toMatchObject({ status: 0 });
    const nothing = await run(['list', '--env', 'hyperv']);
    expect(nothing).toMatchObject({ code: 2, stderr: expect.stringContaining('folders=') });
  });
});

describeWith(['qemu-img', ...sambaTools], 'a host by WinRM, its disks by SMB', () => {
  it('a machine is converted byte for byte, without SSH', async () => {
    const { path, run } = await place();
    const samba = await startSamba(['C$']);
    onTestFinished(() => samba.stop());
    const { host, expected } = await hostWithMachine('Off', {}, samba.folder('C$'));
    const users = new Map([[samba.user, samba.password]]);
    const winrm = await startWinRm({ tls: true, users, run: host.powershell });
    const settings = {
      ...{ way: 'winrm', host: '127.0.0.1', port: winrm.port, user: samba.user },
      ...{ fingerprint: winrm.fingerprint, smbPort: samba.port },
    };
    const moved = await run(
      [
        ...['convert', 'web', '--env', 'hyperv', '--secret', 'password=env:PW', '--to', path('web.qcow2')],
        ...Object.entries(settings).flatMap(([key, value]) => ['--setting', `${key}=${value}`]),
      ],
      { env: { PW: samba.password } },
    );
    expect(moved, moved.stderr).toMatchObject({ code: 0 });
    await writeFile(path('disk.raw'), expected);
    expect(sameBytes(path('disk.raw'), path('web.qcow2'))).toMatchObject({ status: 0 });
  });
});
