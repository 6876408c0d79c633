/** The whole way from the command line: an image becomes a machine of a vCenter, and is started. */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { storePaths } from '../../../src/state/stores/paths.ts';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startVcsim, vcsimTools } from '../../servers/vcsim.ts';
import { tempFolder } from '../../temp.ts';
import { connected, listed } from './connected.ts';
import { fingerprintOf } from './fingerprint.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

describeWith(vcsimTools, 'a conversion to vSphere on the command line', () => {
  it('delivers and starts; refuses a name that is there; carries it on, and back, byte for byte', async () => {
    const server = await startVcsim();
    const home = await tempFolder();
    const env = { ...process.env, VMFERRY_HOME: join(home, 'vmferry'), NO_COLOR: '1', PW: server.password };
    await new ProfileStore(storePaths({ env }).profiles).save({
      ...{ name: 'lab', environment: 'vsphere', secretFields: ['password'] },
      settings: {
        ...{ host: '127.0.0.1', port: String(server.port), user: server.user },
        fingerprint: await fingerprintOf(server.port),
      },
    });
    const image = join(home, 'disk.raw');
    await writeFile(image, Buffer.concat([randomBytes(700_000), Buffer.alloc(2 ** 21 - 700_000)]));
    const program = async (...args: string[]) => {
      const child = spawn(process.execPath, ['--import', 'tsx', cli, ...args], {
        ...{ env, stdio: ['ignore', 'pipe', 'pipe'] },
      });
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (chunk) => (said += chunk));
      const [code] = await once(child, 'close');
      return { code: code as number, said };
    };
    const there = ['--to-profile', 'lab', '--to-secret', 'password=env:PW'];
    const settings = ['--to-set', 'place=DC0_C0', '--to-set', 'network=DC0_DVPG0'];
    const convert = (...more: string[]) =>
      program('convert', image, '--from', 'raw', ...there, ...settings, ...more);
    const done = await convert('--name', 'new', '--start');
    expect(done).toMatchObject({ code: 0, said: expect.stringContaining('[LocalDS_0] new/new.vmx') });
    const machine = (await listed(await connected(server))).find(({ name }) => name === 'new');
    expect(machine).toMatchObject({ state: 'running', disks: [{ virtualSizeBytes: 2 ** 21, bus: 'scsi' }] });

    const again = await convert('--name', 'new', '--force');
    expect(again).toMatchObject({ code: 3, said: expect.stringContaining('already') });
    expect(done.said + again.said).not.toContain(server.password);

    // It runs: read below a snapshot, imported beside itself, and read once more.
    const here = ['--profile', 'lab', '--secret', 'password=env:PW'];
    const moved = await program('convert', 'new', ...here, ...there, ...settings, '--name', 'newer');
    expect(moved, moved.said).toMatchObject({ code: 0 });
    const back = join(home, 'back.raw');
    const read = await program('convert', 'newer', ...here, '--to', back);
    expect(read, read.said).toMatchObject({ code: 0 });
    expect((await readFile(back)).equals(await readFile(image))).toBe(true);
    const machines = await listed(await connected(server));
    expect(machines.find(({ name }) => name === 'newer')).toMatchObject({ state: 'off' });
    expect(machines.filter(({ snapshots }) => snapshots !== undefined)).toEqual([]);
  });
});
