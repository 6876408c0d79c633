/** Changes inside a guest, from the command line: shown, made, in the history, taken back. */
import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { place, values } from './program.ts';

const uuid = '0b4c5a3e-1111-4222-8333-944455556666';
const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGa operator';

/** A filesystem that is a whole disk, with as much of a system as inspection asks for. */
async function guest() {
  const here = await place();
  const root = here.path('root');
  await mkdir(join(root, 'etc'), { recursive: true });
  await writeFile(join(root, 'etc/os-release'), 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n');
  await writeFile(join(root, 'etc/fstab'), '/dev/sda\t/\text4\tdefaults\t0 1\n');
  await writeFile(join(root, 'etc/hostname'), 'web\n');
  await writeFile(join(root, 'etc/passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
  await writeFile(join(root, 'etc/shadow'), 'root:OLDHASH:19000:0:99999:7:::\n', { mode: 0o640 });
  await mkdir(join(root, 'root'), { mode: 0o700 });
  await writeFile(here.path('key.pub'), `${key}\n`);
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-U', uuid, '-d', root, here.path('web.raw'), '16M']);
  return here;
}

const wish = ['--to', 'out.raw', '--changes', 'needed', '--disk-bus', 'virtio', '--hostname', 'neu'];

describeWith(['mke2fs', 'e2fsck', 'debugfs'], 'changes inside a guest', () => {
  it('are shown, made, in the history, and taken back', async () => {
    const here = await guest();
    const text = (image: string, path: string) =>
      execFileSync('debugfs', ['-R', `cat ${path}`, here.path(image)], { encoding: 'utf8', stdio: 'pipe' });
    const dry = await here.run(['convert', 'web.raw', ...wish, '--dry-run', '--without-change', 'nams']);
    expect(dry).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('--without-change nams: no change'),
    });
    expect(dry.stdout).toContain('names.fstab (needed): ');
    expect(dry.stdout).toContain('      -/dev/sda    /    ext4');
    expect(dry.stdout).toContain(`      +UUID=${uuid}    /    ext4`);
    const left = await here.run(['convert', 'web.raw', ...wish, '-n', '--json', '--without-change', 'names']);
    const planned = values(left.stdout).find(({ type }) => type === 'plan');
    const of = (id: string) => expect.objectContaining({ id });
    expect(Object.values(planned!.guests as object)).toEqual([
      { changes: [of('hostname')], leftOut: [of('names.fstab')] },
    ]);

    const made = await here.run(['convert', 'web.raw', ...wish, '--copy-in', 'key.pub:/opt/own/key.pub']);
    expect(made).toMatchObject({ code: 0, stdout: expect.stringMatching(/out\.raw\n$/) });
    expect(text('out.raw', '/etc/fstab')).toBe(`UUID=${uuid}\t/\text4\tdefaults\t0 1\n`);
    expect(text('out.raw', '/etc/hostname')).toBe('neu\n');
    expect(text('web.raw', '/etc/hostname')).toBe('web\n');
    expect(text('out.raw', '/opt/own/key.pub')).toBe(`${key}\n`);

    const [{ id }] = values((await here.run(['history', '--json'])).stdout) as [{ id: string }];
    const shown = await here.run(['history', id]);
    expect(shown.stdout).toContain(`      +UUID=${uuid}    /    ext4`);
    const folder = join(here.home, 'state', 'runs', `${id}.undo`);
    expect((await stat(folder)).mode & 0o777).toBe(0o700);

    const back = await here.run(['undo-changes', id, 'out.raw', '--to', 'back.raw']);
    expect(back).toMatchObject({ code: 0 });
    expect(text('back.raw', '/etc/fstab')).toBe('/dev/sda\t/\text4\tdefaults\t0 1\n');
    expect(text('back.raw', '/etc/hostname')).toBe('web\n');
    const names = execFileSync('debugfs', ['-R', 'ls -p /', here.path('back.raw')], { encoding: 'utf8' });
    expect(names).not.toContain('/opt/');
    execFileSync('e2fsck', ['-fn', here.path('back.raw')], { stdio: 'pipe' });
    const none = await here.run(['undo-changes', '20260101-000000-0000', 'out.raw', '--to', 'x.raw']);
    expect(none.code).not.toBe(0);
    expect((await here.run(['history', id, '--remove'])).code).toBe(0);
    expect((await readdir(join(here.home, 'state', 'runs'))).filter((name) => name.startsWith(id))).toEqual(
      [],
    );
  });

  it('set a password that nothing tells, and keys that may log in', async () => {
    const here = await guest();
    const login = ['--password-of', 'root', '--ssh-key', 'root:key.pub'];
    const args = ['convert', 'web.raw', '--to', 'out.raw', ...login];
    expect(await here.run(args)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no new password for root'),
    });
    const run = await here.run([...args, '--secret', 'password-of:root=env:NEWPW'], {
      env: { NEWPW: 'correct horse' },
    });
    expect(run).toMatchObject({ code: 0 });
    const out = await readFile(here.path('out.raw'));
    expect(out.includes('root:$6$')).toBe(true);
    expect(out.includes(key)).toBe(true);
    const told = (await here.journals()) + run.stdout + run.stderr;
    expect(told).toContain('/etc/shadow');
    expect(told).not.toMatch(/correct horse|\$6\$|OLDHASH/);
  });
});
