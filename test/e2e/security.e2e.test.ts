/** Images that name files they should not, and secrets that should not be seen. */
import { readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qemuImg } from '../oracles/qemu-img.ts';
import { describeWith } from '../oracles/requires.ts';
import { tempFolder } from '../temp.ts';
import { oddDisk, place } from './program.ts';

describeWith(['qemu-img'], 'names in images that lead out', () => {
  it.each([
    ['the layer below is /etc/passwd', '/etc/passwd'],
    ['… through ..', '../../../../../../../../etc/passwd'],
    ['… through a link beside the image', 'link'],
    ['… as a URI', 'file:/etc/passwd'],
  ])('%s: refused without --follow', async (_, name) => {
    const { run, path, folder } = await place();
    await symlink('/etc/passwd', path('link'));
    await qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', name, '-F', 'raw', path('bad.qcow2'), '1M');
    const { code, stderr, stdout } = await run(['convert', 'bad.qcow2', '--to', 'out.raw']);
    expect(stderr).toMatch(/outside its own folder.*--follow/);
    expect(code).toBe(1);
    expect(stdout + stderr).not.toContain('root:');
    expect((await readdir(folder)).sort()).toEqual(['bad.qcow2', 'link']);
    expect((await run(['convert', 'bad.qcow2', '--to', 'out.raw', '--follow', '-q'])).code).toBe(0);
    expect(await readFile(path('out.raw'), 'utf8')).toContain('root:');
  });

  it('a layer below on another host is refused', async () => {
    const { run, path } = await place();
    for (const [i, name] of [
      'nbd://example.org/x',
      'json:{"driver":"null-co"}',
      'https://example.org/x',
    ].entries()) {
      await qemuImg('create', '-q', '-f', 'qcow2', '-u', '-b', name, '-F', 'raw', path(`${i}.qcow2`), '1M');
      const { code, stderr } = await run(['convert', `${i}.qcow2`, '--to', 'out.raw', '--follow']);
      expect(stderr).toMatch(/not a file on this computer|only the name of a file/);
      expect(code).toBe(1);
    }
  });

  it('an image with a mark may be below from elsewhere; a chain that bites its tail is refused', async () => {
    const { run, path } = await place();
    const elsewhere = await tempFolder();
    await writeFile(path('disk.raw'), oddDisk(2 ** 20));
    const base = join(elsewhere, 'base.qcow2');
    await qemuImg('convert', '-q', '-f', 'raw', '-O', 'qcow2', path('disk.raw'), base);
    await qemuImg('create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', path('top.qcow2'));
    expect(await run(['convert', 'top.qcow2', '--to', 'out.raw', '-q'])).toMatchObject({ code: 0 });
    expect((await readFile(path('out.raw'))).equals(oddDisk(2 ** 20))).toBe(true);
    await qemuImg('rebase', '-u', '-f', 'qcow2', '-b', path('top.qcow2'), '-F', 'qcow2', base);
    const { code, stderr } = await run(['convert', 'top.qcow2', '--to', 'x.raw']);
    expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringMatching(/back to itself/) });
  });
});

describe('a VMDK descriptor', () => {
  it.each(['/etc/passwd', '../../../../../../../etc/passwd', 'link'])('whose extent is %s', async (name) => {
    const { run, path } = await place();
    await symlink('/etc/passwd', path('link'));
    const { size } = await import('node:fs').then((fs) => fs.statSync('/etc/passwd'));
    const text = [
      '# Disk DescriptorFile',
      'version=1',
      'CID=12345678',
      'parentCID=ffffffff',
      'createType="monolithicFlat"',
      `RW ${Math.floor(size / 512)} FLAT "${name}" 0`,
      '',
    ].join('\n');
    await writeFile(path('bad.vmdk'), text);
    const { code, stderr } = await run(['convert', 'bad.vmdk', '--to', 'out.raw']);
    expect(stderr).toMatch(/outside its own folder.*--follow/);
    expect(code).toBe(1);
  });
});

describe('a secret', () => {
  it('of a variable, a command or a file is in no output and no journal', async () => {
    const secret = 'hunter2-Ünique&"secret"';
    const here = await place();
    await writeFile(here.path('disk.raw'), oddDisk(2 ** 20));
    await writeFile(here.path('passphrase'), secret);
    let seen = '';
    for (const reference of ['env:MY_SECRET', 'cmd:cat passphrase', 'file:passphrase']) {
      const secrets = ['--secret', `password=${reference}`];
      // Once: scrypt takes its time.
      if (reference.startsWith('env:')) secrets.push('--vault-passphrase', reference);
      for (const args of [
        ['convert', 'disk.raw', '--to', 'o.qcow2', '--force', '--json'],
        ['convert', 'nowhere.raw', '--to', 'o.qcow2', '--json'],
        ['list', '.'],
        ['inspect', 'disk.raw'],
      ]) {
        const ended = await here.run([...args, ...secrets], {
          env: { MY_SECRET: secret, VMFERRY_DEBUG: '1' },
        });
        seen += ended.stdout + ended.stderr;
      }
    }
    seen += await here.journals();
    const json = JSON.stringify(secret).slice(1, -1);
    for (const form of [secret, json, Buffer.from(secret).toString('base64'), encodeURIComponent(secret)])
      expect(seen).not.toContain(form);
    expect(seen).toContain('"type":"place"');
  });
});
