/** What was delivered to a real host is read back or hashed there, and has its sums beside it. */
import { execFile } from 'node:child_process';
import { mkdir, open, readdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { startAgent } from '../../../src/io/host/agent/agent.ts';
import { op } from '../../../src/io/host/agent/protocol.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
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
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  const { SSH_AUTH_SOCK: _, ...rest } = process.env;
  const env = { ...rest, HOME: home, VMFERRY_HOME: join(home, 'vmferry'), NO_COLOR: '1' };
  const vmferry = (...args: string[]) => run(process.execPath, ['--import', 'tsx', cli, ...args], { env });
  const host = [`host=127.0.0.1`, `port=${server.port}`, `user=${server.user}`, `keyFile=${server.key}`];
  const [from, to] = ['--setting', '--to-set'].map((flag) => host.flatMap((setting) => [flag, setting]));
  const there = ['--to-env', 'ssh', ...to!, '--to-set', `folder=${far}`];
  const disk = Buffer.alloc(9 * 2 ** 20 + 512);
  for (const at of [0, 5 * 2 ** 20 - 700, disk.length - 100])
    disk.fill(7, at, Math.min(at + 1500, disk.length));
  await writeFile(join(home, 'web.raw'), disk);
  const runs = async () => {
    const names = await readdir(join(home, 'vmferry/state/runs'));
    return names
      .filter((name) => name.endsWith('.digests'))
      .sort()
      .map((name) => name.replace('.digests', ''));
  };
  return { home, far, vmferry, from: ['--env', 'ssh', ...from!], to: there, runs };
}

describeWith([...sshdTools, 'sha256sum'], 'verified over SSH', () => {
  it('raw is hashed there, qcow2 is read back, both have sums that sha256sum takes', async () => {
    const { home, far, vmferry, from, to, runs } = await setUp();
    for (const format of ['raw', 'qcow2']) {
      const { stdout } = await vmferry(
        'convert',
        join(home, 'web.raw'),
        ...to,
        '-f',
        format,
        '--verify',
        '--json',
      );
      const there = format === 'raw' ? ', by its sums worked out there' : '';
      expect(stdout).toContain(`verified: ${join(far, `web.${format}`)} holds what was read${there}"`);
    }
    const { stdout } = await run('sha256sum', ['-c', 'SHA256SUMS'], { cwd: far });
    expect(stdout).toBe('web.raw: OK\nweb.qcow2: OK\n');

    // The one file beside what the run of the other has read.
    const [first] = await runs();
    await vmferry('verify', join(far, 'web.qcow2'), ...from, '--against', first!);
    const file = await open(join(far, 'web.raw'), 'r+');
    await file.write(Buffer.from([1]), 0, 1, 8 * 2 ** 20 + 5);
    await file.close();
    const failed = vmferry('verify', join(far, 'web.raw'), ...from, '--against', first!);
    await expect(failed).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining('bytes at 8388608 (0x800000) of the disk are not those that were read'),
    });
  }, 60_000);
});

describeWith(['python3', 'perl'], 'sums of the helpers', () => {
  it.each(['python', 'perl'])('%s: each MiB has its own', async (language) => {
    const folder = await tempFolder();
    const bytes = Buffer.alloc(2 * 2 ** 20 + 77, 'abc');
    await writeFile(join(folder, 'a'), bytes);
    const host = localHost();
    const agent = await startAgent((args, signal) => {
      if (language === 'perl' && args[0] !== 'perl') return host.spawn(['false'], { signal });
      return host.spawn(args, { signal });
    }, 'here');
    onTestFinished(() => agent!.close());
    expect(agent!.language).toBe(language);
    const { value: file } = await agent!.ask({ op: op.open, payload: Buffer.from(join(folder, 'a')) });
    const { payload } = await agent!.ask({ op: op.sums, file, offset: 2 ** 20, argument: 2 ** 20 + 77 });
    const { createHash } = await import('node:crypto');
    const sums = [bytes.subarray(2 ** 20, 2 * 2 ** 20), bytes.subarray(2 * 2 ** 20)].map((part) =>
      createHash('sha256').update(part).digest(),
    );
    expect(payload.equals(Buffer.concat(sums))).toBe(true);
    const past = agent!.ask({ op: op.sums, file, offset: 0, argument: bytes.length + 1 });
    await expect(past).rejects.toMatchObject({ kind: 'io' });
  });
});
