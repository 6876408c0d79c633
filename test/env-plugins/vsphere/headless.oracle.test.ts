/** The whole way from the command line: a profile, a list, a running machine converted; its snapshot gone after. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { expect, it } from 'vitest';
import { MiB } from '../../../src/model/units.ts';
import { storePaths } from '../../../src/state/stores/paths.ts';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, never, vmfsDescriptor } from './connected.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

async function vmferry(args: string[], env: NodeJS.ProcessEnv) {
  const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { stdout: '', stderr: '' };
  child.stdout.on('data', (chunk) => {
    said.stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.stderr += chunk;
  });
  const [code] = await once(child, 'close');
  return { code: code as number, ...said };
}

async function fingerprintOf(port: number): Promise<string> {
  const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

describeWith([...vcsimTools, 'qemu-img'], 'a conversion from vSphere on the command line', () => {
  it('asks for the fingerprint, then lists, and converts a running machine', async () => {
    const server = await startVcsim({ running: true });
    const home = await tempFolder();
    const disk = Buffer.concat([randomBytes(2 * MiB), Buffer.alloc(5 * MiB), randomBytes(MiB)]);
    await server.put('DC0_H0_VM0/disk1.vmdk', vmfsDescriptor(disk.length, 'disk1-flat.vmdk'));
    await server.put('DC0_H0_VM0/disk1-flat.vmdk', disk);
    const env = {
      ...process.env,
      VMFERRY_HOME: join(home, 'vmferry'),
      NO_COLOR: '1',
      THE_PASSWORD: server.password,
    };
    const profiles = new ProfileStore(storePaths({ env }).profiles);
    const settings = { host: '127.0.0.1', port: String(server.port), user: server.user };
    const fingerprint = await fingerprintOf(server.port);
    await profiles.save({ name: 'bare', environment: 'vsphere', settings, secretFields: ['password'] });
    await profiles.save({
      name: 'lab',
      environment: 'vsphere',
      settings: { ...settings, fingerprint },
      secretFields: ['password'],
    });
    const secret = ['--secret', 'password=env:THE_PASSWORD'];

    const unknown = await vmferry(['list', 'bare', ...secret], env);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain(fingerprint);

    const list = await vmferry(['list', 'lab', '--json', ...secret], env);
    expect(list.stderr).toBe('');
    const names = list.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).machine.name);
    expect(names.sort()).toEqual(['DC0_C0_RP0_VM0', 'DC0_C0_RP0_VM1', 'DC0_H0_VM0', 'DC0_H0_VM1']);

    const to = join(home, 'result.qcow2');
    const converted = await vmferry(['convert', 'lab:DC0_H0_VM0', '--to', to, ...secret], env);
    expect(converted).toMatchObject({ code: 0 });
    const raw = join(home, 'put.raw');
    await writeFile(raw, disk);
    await compareImages(to, 'qcow2', raw, 'raw');
    expect((await readFile(to)).length).toBeLessThan(5 * MiB);
    expect(converted.stderr).toContain('read by way of: files of the datastore over HTTPS');
    const exporting = ['--setting', 'way=lease', '--force', ...secret];
    const leased = await vmferry(['convert', 'lab:DC0_H0_VM0', '--to', to, ...exporting], env);
    expect(leased).toMatchObject({ code: 0 });
    expect(leased.stderr).toContain('read by way of: export lease');
    await compareImages(to, 'qcow2', raw, 'raw');
    const session = await connected(server);
    const after = await session.source!.inspect('DC0_H0_VM0', never);
    expect(after.snapshots).toBeUndefined();

    const printed = [unknown, list, converted, leased].flatMap((r) => [r.stdout, r.stderr]);
    expect(printed.filter((text) => text.includes(server.password))).toEqual([]);
  });
});
