/** Packages in folders of a real host: written there and read there, from the command line. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { expect, it, onTestFinished } from 'vitest';
import { describeWith } from '../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const cli = resolve(import.meta.dirname, '../../../src/cli.tsx');
const run = promisify(execFile);

/** The program, and a folder of a host that it reaches. */
async function setUp() {
  const server = await startSshd();
  onTestFinished(() => server.stop());
  const [home, far] = [await tempFolder(), await tempFolder()];
  await mkdir(join(home, '.ssh'));
  const known = `[127.0.0.1]:${server.port} ${server.hostKey()}\n`;
  await writeFile(join(home, '.ssh', 'known_hosts'), known);
  const { SSH_AUTH_SOCK: _, ...rest } = process.env;
  const env = { ...rest, HOME: home, VMFERRY_HOME: join(home, 'vmferry'), NO_COLOR: '1' };
  const vmferry = (...args: string[]) => run(process.execPath, ['--import', 'tsx', cli, ...args], { env });
  const host = [`host=127.0.0.1`, `port=${server.port}`, `user=${server.user}`, `keyFile=${server.key}`];
  const [from, to] = ['--setting', '--to-set'].map((flag) => host.flatMap((setting) => [flag, setting]));

  const env1 = ['--env', 'ssh', ...from!, '--setting', `folders=${far}`];
  const there = ['--to-env', 'ssh', ...to!, '--to-set', `folder=${far}`];
  const disk = Buffer.alloc(7 * 2 ** 20 + 512);
  for (const at of [0, 3 * 2 ** 20 - 700, disk.length - 100])
    disk.fill(7, at, Math.min(at + 1500, disk.length));
  await writeFile(join(home, 'web.raw'), disk);
  const listed = async () => {
    const { stdout } = await vmferry('list', ...env1, '--json');
    const found = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).machine);
    return found.map(({ id, packaging, disks }) => [id, packaging, disks.length]);
  };
  return { home, far, vmferry, from: env1, to: there, disk, listed };
}

describeWith(sshdTools, 'packages over SSH', () => {
  it('XVA: written, listed and read there, plain and compressed', async () => {
    const { home, far, vmferry, from, to, disk, listed } = await setUp();
    await vmferry('convert', join(home, 'web.raw'), ...to, '--package', 'xva', '-q');
    expect(await readdir(far)).toEqual(['web.xva']);
    const archive = await readFile(join(far, 'web.xva'));
    await writeFile(join(far, 'packed.xva.gz'), gzipSync(archive, { level: 1 }));
    await writeFile(join(far, 'broken.xva'), archive.subarray(0, 700));

    expect(await listed()).toEqual([
      [join(far, 'broken.xva'), 'XVA', 0],
      [join(far, 'packed.xva.gz'), 'XVA', 1],
      [join(far, 'web.xva'), 'XVA', 1],
    ]);
    for (const name of ['web.xva', 'packed.xva.gz']) {
      await vmferry('convert', join(far, name), ...from, '--to', join(home, `${name}.raw`), '-q');
      expect((await readFile(join(home, `${name}.raw`))).equals(disk)).toBe(true);
    }
  }, 60_000);

  it('OVA and OVF: written, listed, checked against their sums there, and read', async () => {
    const { home, far, vmferry, from, to, disk, listed } = await setUp();
    await vmferry('convert', join(home, 'web.raw'), ...to, '--package', 'ova', '-q');
    await vmferry('convert', join(home, 'web.raw'), ...to, '--package', 'ovf', '--name', "it's", '-q');
    expect(await listed()).toEqual([
      [join(far, "it's.ovf"), 'OVF', 1],
      [join(far, 'web.ova'), 'OVA', 1],
    ]);
    for (const name of ["it's.ovf", 'web.ova']) {
      await vmferry('convert', join(far, name), ...from, '--to', join(home, 'back.raw'), '--force', '-q');
      expect((await readFile(join(home, 'back.raw'))).equals(disk)).toBe(true);
    }
    const archive = await readFile(join(far, 'web.ova'));
    archive[archive.indexOf('ddb.adapterType')] = 0x44;
    await writeFile(join(far, 'web.ova'), archive);
    const failed = vmferry('convert', join(far, 'web.ova'), ...from, '--to', join(home, 'bad.raw'), '-q');
    await expect(failed).rejects.toMatchObject({ stderr: expect.stringMatching(/sha256 is [0-9a-f]{64}/) });
    expect(await readdir(home)).not.toContain('bad.raw');
  }, 60_000);
});
