/** Copies that are kept: made beside a conversion, listed, converted again without their source, and removed. */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { KeptState } from '../../src/state/kept.ts';
import { describeWith } from '../oracles/requires.ts';
import { oddDisk, type Place, place, values } from './program.ts';

const size = 3 * 1024 * 1024;
const disk = oddDisk(size, 7);

async function withDisk(): Promise<Place> {
  const here = await place();
  await writeFile(here.path('web.raw'), disk);
  return here;
}

const store = async ({ run }: Place): Promise<KeptState> =>
  values((await run(['kept', '--json'])).stdout)[0] as unknown as KeptState;

it('keeps a copy, converts it again when its source is gone, and removes it', async () => {
  const here = await withDisk();
  const { run, path, home } = here;
  const first = await run(['convert', 'web.raw', '--to', 'web.vmdk', '--keep', 'extracted,converted']);
  expect(first).toMatchObject({ code: 0, stdout: `${path('web.vmdk')}\n` });
  expect(first.stderr).toMatch(
    /kept: web as it was read, .* in .*; remove it with: vmferry kept \S+ --remove/,
  );

  const { copies, bytes, folder, freeBytes } = await store(here);
  expect(folder).toBe(join(home, 'data', 'kept'));
  expect(copies.map(({ name, stage, status }) => [name, stage, status])).toEqual([
    ['web', 'extracted', 'whole'],
    ['web', 'converted', 'whole'],
  ]);
  expect(bytes).toBeGreaterThan(0);
  expect(freeBytes).toBeGreaterThan(0);
  const list = await run(['kept']);
  expect(list.stdout).toContain('as it was read, of "web to vmdk"');
  expect(list.stderr).toContain('are free there');

  await rm(path('web.raw'));
  const several = await run(['convert', '--env', 'kept', 'web', '--to', 'again.raw']);
  expect(several).toMatchObject({ code: 2, stderr: expect.stringContaining('2 machines') });
  for (const { id, stage } of copies) {
    const again = await run(['convert', '--env', 'kept', id, '--to', `${stage}.raw`]);
    expect(again).toMatchObject({ code: 0 });
    expect((await readFile(path(`${stage}.raw`))).equals(disk)).toBe(true);
  }

  const [extracted, converted] = copies;
  const asked = await run(['kept', extracted!.id, '--remove']);
  expect(asked).toMatchObject({ code: 2, stderr: expect.stringContaining('say --yes') });
  expect((await run(['kept', '--remove', '--yes'])).code).toBe(2);
  expect((await run(['kept', '--remove', '--before', '1d', '--yes'])).code).toBe(0);
  expect((await store(here)).copies).toHaveLength(2);
  expect(await run(['kept', extracted!.id, '--remove', '--yes'])).toMatchObject({ code: 0 });
  expect((await store(here)).copies.map(({ id }) => id)).toEqual([converted!.id]);
  expect(await run(['kept', '--remove', '--before', '2100-01-01', '-y'])).toMatchObject({ code: 0 });
  expect(await readdir(folder)).toEqual([]);
  expect(await run(['kept', extracted!.id])).toMatchObject({ code: 1 });
});

it('leaves a copy out that the store has no room for, and says so; the conversion is done', async () => {
  const here = await withDisk();
  await mkdir(join(here.home, 'config'), { recursive: true });
  const preferences = { keptFolder: here.path('mine'), keptReserveBytes: Number.MAX_SAFE_INTEGER };
  await writeFile(join(here.home, 'config', 'preferences.json'), JSON.stringify(preferences));
  const { code, stderr } = await here.run(['convert', 'web.raw', '--to', 'web.qcow2', '--keep=changed']);
  expect(code).toBe(0);
  expect(stderr).toMatch(/warning: the copy could not be kept: .* stay in reserve/);
  expect(await store(here)).toMatchObject({ folder: here.path('mine'), copies: [] });
  expect(await readdir(here.folder)).toContain('web.qcow2');
});

it('never fills a small filesystem, on which it would stop the conversion', async (test) => {
  const here = await withDisk();
  const small = here.path('small');
  await mkdir(small);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    return test.skip('this user may not mount a filesystem');
  }
  onTestFinished(() => void execFileSync('umount', [small]));
  await writeFile(here.path('full.raw'), Buffer.alloc(6 * 1024 * 1024, 1));
  const kept = await here.run(['convert', 'full.raw', '--to', 'full.qcow2', '--keep', '--keep-in', 'small']);
  expect(kept).toMatchObject({ code: 0, stderr: expect.stringContaining('could not be kept') });
  expect(readdirSync(small)).toEqual([]);
  await writeFile(here.path('half.raw'), Buffer.alloc(2.5 * 1024 * 1024, 1));
  const both = await here.run([
    'convert',
    'half.raw',
    '--to',
    'small/half.qcow2',
    '--keep',
    '--keep-in',
    'small',
  ]);
  const fits = await here.run(['convert', 'web.raw', '--to', 'web.qcow2', '--keep', '--keep-in', 'small']);
  const [, command = ''] = /remove it with: vmferry (.*)/.exec(fits.stderr) ?? [];
  expect(readdirSync(small)).toHaveLength(1);
  expect(await here.run([...command.split(' '), '--yes'])).toMatchObject({ code: 0 });
  expect(both).toMatchObject({ code: 3, stderr: expect.stringContaining('on the same filesystem') });
  expect(readdirSync(small)).toEqual([]);
});

describeWith(['mke2fs', 'debugfs'], 'copies of a guest that is changed', () => {
  it('are as it was before, and as it is delivered', async () => {
    const here = await place();
    const etc = here.path('root/etc');
    await mkdir(etc, { recursive: true });
    await writeFile(join(etc, 'os-release'), 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n');
    await writeFile(join(etc, 'hostname'), 'old\n');
    await writeFile(join(etc, 'passwd'), 'root:x:0:0:root:/root:/bin/sh\n');
    await writeFile(join(etc, 'shadow'), 'root:OLDHASH:19000:0:99999:7:::\n', { mode: 0o640 });
    execFileSync('mke2fs', ['-q', '-t', 'ext4', '-d', here.path('root'), here.path('web.raw'), '16M']);
    // A password is asked for once, and its hash has a salt: a second making would be another one.
    const wish = ['--hostname', 'new', '--password-of', 'root', '--secret', 'password-of:root=env:PASSWORD'];
    const keep = ['--keep=extracted,changed,converted', '--keep-format', 'raw'];
    const env = { PASSWORD: 'a very new one' };
    const { code, stderr } = await here.run(['convert', 'web.raw', '--to', 'out.raw', ...wish, ...keep], {
      env,
    });
    expect({ code, stderr }).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('could not be kept'),
    });
    const { folder, copies } = await store(here);
    const image = (stage: string) => {
      const { id, name } = copies.find((copy) => copy.stage === stage)!;
      return readFile(join(folder, id, `${name}.raw`));
    };
    const delivered = await readFile(here.path('out.raw'));
    const before = await readFile(here.path('web.raw'));
    expect(delivered.equals(before)).toBe(false);
    expect((await image('extracted')).equals(before)).toBe(true);
    expect((await image('changed')).equals(delivered)).toBe(true);
    expect((await image('converted')).equals(delivered)).toBe(true);
    const hostname = execFileSync('debugfs', ['-R', 'cat /etc/hostname', here.path('out.raw')], {
      stdio: 'pipe',
    });
    expect(hostname.toString()).toBe('new\n');
  });
});
