/** Conversions that were cut (killed, on a full disk, by a terminal that is gone) and gone on with by the built program. */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { compareImages } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';
import { type Place, place, values } from './program.ts';

const MiB = 2 ** 20;

/** Data and zeros by turns, half of each. */
async function withDisk(megabytes: number): Promise<Place & { readonly size: number }> {
  const here = await place();
  const bytes = Buffer.alloc(megabytes * MiB + 512);
  for (let at = 0; at < bytes.length; at += 2 * MiB) randomBytes(MiB + 512).copy(bytes, at);
  await writeFile(here.path('web.raw'), bytes);
  return { ...here, size: bytes.length };
}

const runsOf = ({ home }: Place) => join(home, 'state', 'runs');

/** Killed when so much has been put on paper. @returns the run's id and the lines of its journal. */
async function killed(
  here: Place,
  to: string | readonly string[],
  acked: number,
  rate: string,
  signal: NodeJS.Signals = 'SIGKILL',
  env: Readonly<Record<string, string>> = {},
) {
  const running = here.start(
    ['convert', 'web.raw', ...(typeof to === 'string' ? ['--to', to] : to), '--limit-rate', rate, '--json'],
    { env },
  );
  const { change } = (await running.line(
    (event) => event.type === 'run-item' && (event.change as { historyId?: string }).historyId !== undefined,
  )) as { change: { historyId: string } };
  const path = join(runsOf(here), `${change.historyId}.jsonl`);
  for (;;) {
    const lines = (await readFile(path, 'utf8').catch(() => '')).split('\n');
    if (lines.filter((line) => line.startsWith('{"type":"acked"')).length >= acked) break;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  running.child.kill(signal);
  const { code, stderr } = await running.ended;
  const journal = await readFile(path, 'utf8');
  return { id: change.historyId, path, code, stderr, lines: journal.split('\n').filter(Boolean) };
}

const readBytes = (stdout: string): number =>
  values(stdout)
    .flatMap(({ type, change }) => (type === 'run-item' ? [(change as { bytes?: number }).bytes ?? 0] : []))
    .at(-1)!;

describeWith(['qemu-img'], 'a conversion that was killed', () => {
  it.each([
    ['out.qcow2', 'qcow2'],
    ['out.vhdx', 'vhdx'],
  ])('to %s is gone on with, and nothing is moved again', async (file, format) => {
    const here = await withDisk(64);
    const { id } = await killed(here, file, 2, '10M');
    expect(await readdir(here.folder)).toEqual([`.${file}.vmferry-${id}.part`, 'web.raw']);
    const [left] = values((await here.run(['resume', '--json'])).stdout) as [
      { id: string; disks: [{ doneBelow: number }] },
    ];
    expect(left.id).toBe(id);
    const [{ doneBelow }] = left.disks;
    expect(doneBelow).toBeGreaterThan(4 * MiB);
    const again = await here.run(['resume', id, '--json']);
    expect(again.code, again.stderr).toBe(0);
    expect(readBytes(again.stdout)).toBe(here.size - doneBelow);
    await compareImages(here.path('web.raw'), 'raw', here.path(file), format);
    expect(await readdir(here.folder)).toEqual([file, 'web.raw']);
    expect((await here.run(['resume', '--json'])).stdout).toBe('');
    expect((await here.run(['resume', id])).stderr).toMatch(/gone on with it/);
  });

  it('goes on from wherever its journal was cut, also in the middle of a record', async () => {
    const here = await withDisk(40);
    const { id, path, lines } = await killed(here, 'out.qcow2', 3, '9M');
    const part = here.path(`.out.qcow2.vmferry-${id}.part`);
    await copyFile(part, here.path('kept'));
    let wentOn = 0;
    let before = 0;
    for (let count = 0; count <= lines.length; count++) {
      const whole = lines.slice(0, count).join('\n');
      // A power cut leaves a part of a line, or nothing of it.
      const torn = count % 2 === 0 ? `\n${(lines[count] ?? '').slice(0, 40)}` : '\n';
      await copyFile(here.path('kept'), part);
      await rm(path.replace('.jsonl', '.resumed'), { force: true });
      await writeFile(path, whole + torn);
      const { code, stderr, stdout } = await here.run(['resume', id, '--json']);
      if (code !== 0) {
        expect(stderr).toMatch(/can't be gone on with: it had delivered nothing/);
        before++;
        continue;
      }
      wentOn++;
      expect(readBytes(stdout)).toBeLessThanOrEqual(here.size);
      await compareImages(here.path('web.raw'), 'raw', here.path('out.qcow2'), 'qcow2');
      await rm(here.path('out.qcow2'));
    }
    expect(before).toBeGreaterThan(0);
    expect(wentOn).toBeGreaterThan(4);
  });

  it('is refused when its source has changed, with what has; given up on request', async () => {
    const here = await withDisk(40);
    const { id } = await killed(here, 'out.qcow2', 1, '10M');
    await utimes(here.path('web.raw'), new Date(), new Date(Date.now() - 5000));
    const { code, stderr } = await here.run(['resume', id]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/web\.raw has changed since it was read: it was last changed at 20/);
    expect(await readdir(here.folder)).toContain(`.out.qcow2.vmferry-${id}.part`);
    expect((await here.run(['resume', id, '--discard'])).code).toBe(0);
    expect(await readdir(here.folder)).toEqual(['web.raw']);
    expect((await here.run(['resume', id])).stderr).toMatch(/was removed/);
  });

  it('is not taken for whole when its file is gone', async () => {
    const here = await withDisk(40);
    const { id } = await killed(here, 'out.raw', 1, '10M');
    await rm(here.path(`.out.raw.vmferry-${id}.part`));
    const { code, stderr } = await here.run(['resume', id]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/no such file|not there/i);
    expect(await readdir(here.folder)).toEqual(['web.raw']);
  });
});

describeWith(['mke2fs', 'e2fsck', 'debugfs'], 'a conversion that changes the guest', () => {
  it('goes on with the very changes that were made', async () => {
    const here = await place();
    const root = here.path('root');
    await mkdir(join(root, 'etc'), { recursive: true });
    await writeFile(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n');
    await writeFile(join(root, 'etc/fstab'), '/dev/sda\t/\text4\tdefaults\t0 1\n');
    await writeFile(join(root, 'etc/hostname'), 'web\n');
    const large = randomBytes(44 * MiB);
    await writeFile(join(root, 'large'), large);
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', root, here.path('web.raw'), '64M']);
    await rm(root, { recursive: true });
    const to = ['--to', 'out.qcow2', '--changes', 'needed', '--disk-bus', 'virtio', '--hostname', 'neu'];
    const { id } = await killed(here, to, 2, '10M');
    const kept = join(runsOf(here), `${id}.changed`);
    expect((await readdir(kept)).sort()).toEqual(['disk0.overlay', 'marks.json']);
    const again = await here.run(['resume', id, '--json']);
    expect(again.code, again.stderr).toBe(0);
    expect(readBytes(again.stdout)).toBeLessThan(40 * MiB);
    expect(await readdir(runsOf(here))).not.toContain(`${id}.changed`);
    await here.run(['convert', 'out.qcow2', '--to', 'back.raw', '-q']);
    execFileSync('e2fsck', ['-fn', here.path('back.raw')], { stdio: 'pipe' });
    const cat = (path: string) =>
      execFileSync('debugfs', ['-R', `cat ${path}`, here.path('back.raw')], {
        stdio: 'pipe',
        maxBuffer: 99 * MiB,
      });
    expect(cat('/etc/hostname').toString()).toBe('neu\n');
    expect(cat('/large').equals(large)).toBe(true);
  });
});

describeWith(['qemu-img', ...sshdTools], 'a conversion into a folder behind SSH', () => {
  it('is gone on with there', async () => {
    const server = await startSshd();
    onTestFinished(() => server.stop());
    const here = await withDisk(96);
    const far = await tempFolder();
    await mkdir(here.path('.ssh'));
    await writeFile(here.path('.ssh/known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    const settings = {
      host: '127.0.0.1',
      port: server.port,
      user: server.user,
      keyFile: server.key,
      folder: far,
    };
    const to = ['--to-env', 'ssh', '--format', 'qcow2', '--package', 'disks'];
    for (const [key, value] of Object.entries(settings)) to.push('--to-set', `${key}=${value}`);
    const env = { HOME: here.folder, SSH_AUTH_SOCK: '' };
    const { id } = await killed(here, to, 1, '12M', 'SIGKILL', env);
    expect(await readdir(far)).toEqual([`.web.qcow2.vmferry-${id}.part`]);
    const again = await here.run(['resume', id, '--json'], { env });
    expect(again.code, again.stderr).toBe(0);
    expect(readBytes(again.stdout)).toBeLessThan(here.size - 16 * MiB);
    expect(await readdir(far)).toEqual(['web.qcow2']);
    await compareImages(here.path('web.raw'), 'raw', join(far, 'web.qcow2'), 'qcow2');
  });
});

describe('a conversion that was stopped', () => {
  it('by a terminal that is gone leaves what is worth it, by Ctrl+C nothing', async () => {
    const here = await withDisk(240);
    const gone = await killed(here, 'out.raw', 3, '45M', 'SIGHUP');
    expect(gone.code).toBe(130);
    expect(gone.stderr).toContain(`vmferry resume ${gone.id}`);
    const again = await here.run(['resume', gone.id, '--json']);
    expect(again.code, again.stderr).toBe(0);
    expect(readBytes(again.stdout)).toBeLessThan(here.size / 1.5);
    const [was, is] = await Promise.all([readFile(here.path('web.raw')), readFile(here.path('out.raw'))]);
    expect(was.equals(is)).toBe(true);
    const ended = await killed(here, 'other.raw', 3, '45M', 'SIGINT');
    expect(ended.code).toBe(130);
    expect(await readdir(here.folder)).toEqual(['out.raw', 'web.raw']);
  });

  it('by a full disk goes on when there is room again (left out unless root)', async (context) => {
    const here = await withDisk(200);
    const small = here.path('small');
    await mkdir(small);
    if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=80m', 'tmpfs', small]).status !== 0)
      return context.skip('needs the right to mount');
    onTestFinished(() => void spawnSync('umount', [small]));
    const full = await here.run(['convert', 'web.raw', '--to', 'small/out.qcow2', '--limit-rate', '30M']);
    expect(full.code).toBe(1);
    const id = /vmferry resume (\S+)"/.exec(full.stderr)?.[1];
    expect(id, full.stderr).toBeDefined();
    expect(spawnSync('mount', ['-o', 'remount,size=150m', small]).status).toBe(0);
    const again = await here.run(['resume', id!, '--json']);
    expect(again.code, again.stderr).toBe(0);
    expect(readBytes(again.stdout)).toBeLessThan(here.size / 1.5);
    expect(await readdir(small)).toEqual(['out.qcow2']);
    await compareImages(here.path('web.raw'), 'raw', here.path('small/out.qcow2'), 'qcow2');
  });
});
