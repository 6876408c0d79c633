/** Plugins from outside in the built program: found, trusted, broken, and in processes of their own. */
import { cp, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeWith } from '../oracles/requires.ts';
import { brokenPlugins, goodPlugin, strayPlugins } from '../plugins/broken-plugins.ts';
import { sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';
import { oddDisk, type Place, place, program, values } from './program.ts';

async function write(folder: string, code: string): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', version: '1.2.3', main: './x.js' }),
  );
  await writeFile(join(folder, 'x.js'), code);
  return folder;
}

const pluginFolder = ({ home }: Place) => join(home, 'config', 'plugins');

const outside = async ({ run }: Place) =>
  values((await run(['plugins', '--json'])).stdout).filter((one) => one.origin !== 'built in');

/** Written into the preferences as `trust` would, for what `trust` refuses. */
async function trustAnyway(at: Place, name: string): Promise<void> {
  const good = goodPlugin(`good-${name}`);
  const file = join(pluginFolder(at), name, 'x.js');
  const code = await readFile(file, 'utf8');
  await writeFile(file, good);
  expect((await at.run(['plugins', 'trust', name])).code).toBe(0);
  const before = await at.run(['plugins', '--json']);
  expect(before.stdout).toContain(`good-${name}`);
  await writeFile(file, code);
  const path = join(at.home, 'config', 'preferences.json');
  const { placeHash } = await import('../../src/plugins/content-hash.ts');
  const { findPlugins } = await import('../../src/plugins/find.ts');
  const places = await findPlugins({ folder: pluginFolder(at), entries: [], programFolder: at.home });
  const found = places.find((p) => p.name === name)!;
  const preferences = JSON.parse(await readFile(path, 'utf8'));
  preferences.trustedPlugins[found.key] = await placeHash(found);
  await writeFile(path, JSON.stringify(preferences));
}

describe('plugins', () => {
  it('are listed, trusted, used, distrusted and asked about again when they change', async () => {
    const at = await place();
    const folder = await write(join(pluginFolder(at), 'mine'), goodPlugin('mine'));
    expect(await outside(at)).toMatchObject([{ name: 'mine', status: 'untrusted', version: '1.2.3' }]);
    const refused = await at.run(['list', '--env', 'mine']);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('vmferry plugins trust mine') });
    expect((await at.run(['plugins', 'trust', folder])).stdout).toContain('trusted: mine');
    expect(await outside(at)).toMatchObject([
      { name: 'mine', id: 'mine', status: 'loaded', roles: ['source'] },
    ]);
    expect(await at.run(['list', '--env', 'mine'])).toMatchObject({ code: 1, stderr: 'vmferry: no\n' });
    expect((await at.run(['list', '--json'])).stdout).toContain('"mine"');
    await writeFile(join(folder, 'more.js'), '');
    expect(await outside(at)).toMatchObject([{ status: 'changed' }]);
    await at.run(['plugins', 'trust', 'mine']);
    await at.run(['plugins', 'distrust', 'mine']);
    expect(await outside(at)).toMatchObject([{ status: 'untrusted' }]);
  });

  it('from elsewhere are added and removed; an id that is built in is refused', async () => {
    const at = await place();
    const folder = await write(join(await tempFolder(), 'there'), goodPlugin('there'));
    expect((await at.run(['plugins', 'add', folder])).code).toBe(0);
    expect((await at.run(['plugins', 'trust', 'there'])).code).toBe(0);
    expect(await outside(at)).toMatchObject([{ name: 'there', origin: 'folder', status: 'loaded' }]);
    expect((await at.run(['plugins', 'remove', folder])).code).toBe(0);
    expect(await outside(at)).toEqual([]);
    const preferences = await readFile(join(at.home, 'config', 'preferences.json'), 'utf8');
    expect(JSON.parse(preferences)).toMatchObject({ plugins: [], trustedPlugins: {} });
    await at.run(['plugins', 'add', await write(join(at.home, 'local'), goodPlugin('local'))]);
    expect(await at.run(['plugins', 'trust', 'local'])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/built in/),
    });
    expect((await at.run(['plugins', 'add', '../x'])).code).toBe(2);
    expect((await at.run(['plugins', 'dance'])).code).toBe(2);
  });

  it('that are broken are refused, and take nothing down when they are trusted all the same', async () => {
    const at = await place();
    const names = ['syntax-error', 'throws', ...Object.keys(strayPlugins)];
    for (const name of names) {
      const code = brokenPlugins[name]?.code ?? strayPlugins[name]!;
      await write(join(pluginFolder(at), name), code);
      expect((await at.run(['plugins', 'trust', name])).code, name).toBe(1);
      await trustAnyway(at, name);
    }
    const list = await at.run(['list', '--json']);
    expect(list.code).toBe(0);
    expect(list.stdout).toContain('"local"');
    const told = await outside(at);
    expect(told.map((one) => one.status)).toEqual(names.map(() => 'broken'));
    expect(told.map((one) => one.reason).join()).toMatch(/aside/);
  });

  it('are not looked at by what does not need them', async () => {
    const at = await place();
    await write(join(pluginFolder(at), 'mine'), goodPlugin('mine'));
    await at.run(['plugins', 'trust', 'mine']);
    const mark = at.path('mark');
    await write(
      join(pluginFolder(at), 'mine'),
      `import fs from 'node:fs'; fs.writeFileSync(${JSON.stringify(mark)}, ''); ${goodPlugin('mine')}`,
    );
    await at.run(['plugins', 'trust', 'mine']);
    const { rm } = await import('node:fs/promises');
    await rm(mark);
    await writeFile(at.path('a.raw'), oddDisk(100_000));
    expect((await at.run(['convert', 'a.raw', '--to', 'b.qcow2'])).code).toBe(0);
    await expect(stat(mark)).rejects.toThrow();
    await at.run(['list']);
    await stat(mark);
  });
});

describe('a plugin in a process of its own', () => {
  it('is a source of whole conversions', async () => {
    const at = await place();
    const added = await at.run([
      'plugins',
      'add',
      '--process',
      'far',
      '--',
      process.execPath,
      program,
      'plugin-serve',
      'local',
    ]);
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining('trusted: far') });
    const images = await tempFolder();
    const disk = oddDisk(3_000_000);
    await writeFile(join(images, 'a.raw'), disk);
    const done = await at.run([
      'convert',
      join(images, 'a.raw'),
      '--env',
      'far',
      '--to',
      'b.raw',
      '--format',
      'raw',
    ]);
    expect(done).toMatchObject({ code: 0 });
    expect((await readFile(at.path('b.raw'))).equals(disk)).toBe(true);
  });

  it('whose command has changed in the preferences is not run', async () => {
    const at = await place();
    await at.run([
      'plugins',
      'add',
      '--process',
      'far',
      '--',
      process.execPath,
      program,
      'plugin-serve',
      'local',
    ]);
    const path = join(at.home, 'config', 'preferences.json');
    const preferences = JSON.parse(await readFile(path, 'utf8'));
    preferences.plugins[0].command = ['touch', at.path('ran')];
    await writeFile(path, JSON.stringify(preferences));
    expect(await outside(at)).toMatchObject([{ name: 'far', status: 'changed' }]);
    expect((await at.run(['list', '--env', 'far'])).code).toBe(2);
    expect(await readdir(at.folder)).toEqual([]);
  });

  it('serves a folder, and what it prints is no frame', async () => {
    const at = await place();
    const folder = await write(
      join(await tempFolder(), 'noisy'),
      `console.log('hello'); process.stdout.write('x'); ${goodPlugin('noisy')}`,
    );
    const added = await at.run([
      'plugins',
      'add',
      '--process',
      'noisy',
      '--',
      process.execPath,
      program,
      'plugin-serve',
      folder,
    ]);
    expect(added.stderr).toBe('');
    expect(added.code).toBe(0);
    expect(await at.run(['list', '--env', 'noisy'])).toMatchObject({ code: 1, stderr: 'vmferry: no\n' });
  });

  it('that can not be started is not added', async () => {
    const at = await place();
    const failed = await at.run([
      'plugins',
      'add',
      '--process',
      'x',
      '--',
      'sh',
      '-c',
      'echo no such host >&2; exit 255',
    ]);
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/exit code 255; it said last: no such host/);
    expect(await outside(at)).toEqual([]);
  });
});

describe('a plugin in a process of its own, as destination', () => {
  it('takes whole machines, or nothing', async () => {
    const at = await place();
    const command = [process.execPath, program, 'plugin-serve', 'local'];
    await at.run(['plugins', 'add', '--process', 'far', '--', ...command]);
    const disk = oddDisk(3_000_000);
    await writeFile(at.path('a.raw'), disk);
    const out = await tempFolder();
    const to = ['--to-env', 'far', '--to-set', `folder=${out}`, '--format', 'raw'];
    expect(await at.run(['convert', 'a.raw', ...to])).toMatchObject({ code: 0 });
    expect(await readdir(out)).toEqual(['a.raw']);
    expect((await readFile(join(out, 'a.raw'))).equals(disk)).toBe(true);
    // It exists now.
    expect((await at.run(['convert', 'a.raw', ...to])).code).toBe(3);
    expect(await readdir(out)).toEqual(['a.raw']);
  });
});

describeWith([...sshdTools, 'ssh'], 'a plugin at the far end of SSH', () => {
  it('gives the images of that host', async () => {
    const at = await place();
    const server = await startSshd();
    const known = at.path('known_hosts');
    await writeFile(known, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    const ssh = ['ssh', '-F', 'none', '-i', server.key, '-p', String(server.port)];
    const options = ['BatchMode=yes', `UserKnownHostsFile=${known}`].flatMap((option) => ['-o', option]);
    const remote = [`${server.user}@127.0.0.1`, process.execPath, program, 'plugin-serve', 'local'];
    const added = await at.run(['plugins', 'add', '--process', 'attic', '--', ...ssh, ...options, ...remote]);
    expect(added).toMatchObject({ code: 0 });
    const images = await tempFolder();
    const disk = oddDisk(3_000_000);
    await writeFile(join(images, 'a.raw'), disk);
    await cp(join(images, 'a.raw'), join(images, 'b.img'));
    const list = await at.run(['list', '--env', 'attic', '--setting', `folders=${images}`, '--json']);
    expect(values(list.stdout)).toHaveLength(2);
    const done = await at.run([
      'convert',
      join(images, 'a.raw'),
      '--env',
      'attic',
      '--to',
      'c.raw',
      '--format',
      'raw',
    ]);
    expect(done).toMatchObject({ code: 0 });
    expect((await readFile(at.path('c.raw'))).equals(disk)).toBe(true);
  });
});
