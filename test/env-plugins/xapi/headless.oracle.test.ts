/** The whole way from the command line: an image becomes a machine of a pool, is started, and goes on as a file. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it } from 'vitest';
import { storePaths } from '../../../src/state/stores/paths.ts';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { describeWith } from '../../oracles/requires.ts';
import { startXapi } from '../../servers/xapi.ts';
import { tempFolder } from '../../temp.ts';
import { MiB, sparseContent } from './pool.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');

describeWith(['qemu-img'], 'a conversion to and from a pool on the command line', () => {
  it('delivers and starts; refuses a name that is there; carries it on and back, byte for byte', async () => {
    const server = await startXapi();
    const home = await tempFolder();
    const env = { ...process.env, VMFERRY_HOME: join(home, 'vmferry'), NO_COLOR: '1', PW: server.password };
    await new ProfileStore(storePaths({ env }).profiles).save({
      ...{ name: 'lab', environment: 'xapi', secretFields: ['password'] },
      settings: {
        host: '127.0.0.1',
        port: String(server.port),
        user: 'root',
        fingerprint: server.fingerprint,
      },
    });
    const image = join(home, 'disk.raw');
    const content = sparseContent(6 * MiB);
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
    const there = ['--to-profile', 'lab', '--to-secret', 'password=env:PW'];
    const convert = (...more: string[]) => program('convert', image, '--from', 'raw', ...there, ...more);
    const done = await convert('--name', 'new', '--start');
    expect(done, done.said).toMatchObject({ code: 0, said: expect.stringContaining('Local storage/new 0') });
    const { database } = server;
    const find = (name: string) =>
      [...database.of('VM').values()].find(({ name_label }) => name_label === name);
    expect(find('new')).toMatchObject({ power_state: 'Running', HVM_boot_params: { firmware: 'bios' } });

    const again = await convert('--name', 'new', '--force');
    expect(again).toMatchObject({ code: 3, said: expect.stringContaining('already') });
    expect(done.said + again.said).not.toContain(server.password);
    expect(done.said + again.said).not.toContain('OpaqueRef');

    // It runs: read below a snapshot, which is gone after that.
    const here = ['--profile', 'lab', '--secret', 'password=env:PW'];
    const moved = await program('convert', 'new', ...here, '--to', join(home, 'new.xva'));
    expect(moved, moved.said).toMatchObject({ code: 0 });
    expect([...database.of('VM').values()].filter(({ is_a_snapshot }) => is_a_snapshot)).toEqual([]);
    expect(database.of('VDI').size).toBe(1);

    // Once more in passes; the machine writes when the first one has ended, and is shut down for the last.
    const [vdi] = database.bytes.keys();
    server.answers.set('VDI.set_name_label', () => {
      server.answers.delete('VDI.set_name_label');
      database.bytes.get(vdi!)!.fill(9, 3 * MiB + 5, 3 * MiB + 90_000);
      return '';
    });
    const warm = join(home, 'warm.raw');
    const passes = ['--warm', '--warm-tracking', '--warm-shutdown'];
    const copied = await program('convert', 'new', ...here, '--to', warm, ...passes);
    expect(copied, copied.said).toMatchObject({ code: 0, said: expect.stringContaining('128 KiB changed') });
    expect((await readFile(warm)).equals(database.bytes.get(vdi!)!)).toBe(true);
    expect([...database.of('VDI').values()]).toMatchObject([{ type: 'user', cbt_enabled: false }]);
    database.of('task').clear();

    const imported = await program(
      'convert',
      join(home, 'new.xva'),
      ...there,
      '--name',
      'newer',
      '--to-set',
      'transfer=xva',
    );
    expect(imported, imported.said).toMatchObject({ code: 0 });
    const back = join(home, 'back.qcow2');
    const read = await program('convert', 'newer', ...here, '--setting', 'way=xva', '--to', back);
    expect(read, read.said).toMatchObject({ code: 0 });
    const compared = spawn('qemu-img', ['compare', '-f', 'raw', '-F', 'qcow2', image, back]);
    expect((await once(compared, 'close'))[0]).toBe(0);
    expect((await readFile(image)).equals(content)).toBe(true);
    expect(server.calls).toEqual(expect.arrayContaining(['/import', '/export']));
    expect(database.of('task').size).toBe(0);
  }, 120_000);
});
