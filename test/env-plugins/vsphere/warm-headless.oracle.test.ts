/** A running machine carried from the command line: its passes told, its shutdown asked for, an interrupt undone. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { expect, it } from 'vitest';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, never } from './connected.ts';
import { machineName, putDisk, someDisk } from './warm-machine.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

async function fingerprintOf(port: number): Promise<string> {
  const socket = tlsConnect({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

async function started() {
  const server = await startVcsim({ machines: 1, running: true });
  const disk = someDisk(randomBytes);
  await putDisk(server, disk);
  const folder = await tempFolder();
  const settings = {
    ...{ host: '127.0.0.1', port: String(server.port), user: server.user },
    fingerprint: await fingerprintOf(server.port),
  };
  const source = Object.entries(settings).flatMap(([key, value]) => ['--setting', `${key}=${value}`]);
  const run = (to: string, more: string[], heard: (text: string) => void = () => undefined) => {
    const args = ['convert', machineName, '--env', 'vsphere', ...source, '--to', to, ...more];
    const env = {
      ...process.env,
      ...{ VMFERRY_HOME: join(folder, 'home'), NO_COLOR: '1', THE_PASSWORD: server.password },
    };
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', cli, ...args, '--secret', 'password=env:THE_PASSWORD'],
      { env, stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    const hear = (chunk: Buffer) => {
      said += chunk;
      heard(said);
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    return { child, ended: once(child, 'close').then(([code]) => ({ code: code as number, said })) };
  };
  const session = await connected(server);
  const look = () => session.source!.inspect(machineName, never);
  return { folder, disk, run, look };
}

describeWith([...vcsimTools, 'qemu-img'], 'a running machine of vSphere on the command line', () => {
  it('is carried in passes, shut down, and delivered as qcow2', async () => {
    const { folder, disk, run, look } = await started();
    const to = join(folder, 'result.qcow2');
    const { code, said } = await run(to, ['--warm', '--warm-shutdown', '--warm-tracking']).ended;
    expect(said).toMatch(/^pass 1: 2\.06 MiB copied, 2\.06 MiB read in 0:\d\d$/m);
    expect(said).toMatch(/^pass 3, the last one: 0 B changed, 0 B read in 0:\d\d$/m);
    expect(code).toBe(0);
    const raw = join(folder, 'put.raw');
    await writeFile(raw, disk);
    await compareImages(to, 'qcow2', raw, 'raw');
    expect(await look()).toMatchObject({ state: 'off' });
    expect((await look()).snapshots).toBeUndefined();
  });

  it('is as it was after an interrupt while its end is waited for', async () => {
    const { folder, run, look } = await started();
    const out = join(folder, 'out');
    let interrupted = false;
    const { child, ended } = run(`${out}/`, ['--warm', '--warm-tracking', '--json'], (said) => {
      // A second one would not wait for anything.
      if (interrupted || !said.includes('waiting until the machine is off')) return;
      interrupted = true;
      child.kill('SIGINT');
    });
    const { code, said } = await ended;
    expect(said).toContain('"passes":[{"number":1,');
    expect(code).toBe(130);
    expect(await readdir(folder)).not.toContain('out');
    const machine = await look();
    expect(machine.state).toBe('running');
    expect(machine.snapshots).toBeUndefined();
    expect(machine.findings.map((f) => f.rule)).not.toContain('vsphere.change-tracking');
  });
});
