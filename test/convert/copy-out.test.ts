import { lstat, mkdir, readdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyOut } from '../../src/convert/copy-out.ts';
import type { Files } from '../../src/guest/filesystems/files.ts';
import { memoryFiles } from '../guest/change/memory-files.ts';
import { tempFolder } from '../temp.ts';

const remarks: string[] = [];
const options = (change: { recursive?: boolean; force?: boolean } = {}) => ({
  ...{ recursive: true, force: false, signal: new AbortController().signal, ...change },
  remark: (text: string) => void remarks.push(text),
});

const tree = memoryFiles({
  '/etc/fstab': 'a\n',
  '/etc/sub/empty': '',
  '/etc/link': { link: '../../../../outside' },
  '/etc/zeros': Buffer.alloc(5 * 2 ** 20),
});

describe('copyOut', () => {
  it('copies a folder with its links as links', async () => {
    const folder = await tempFolder();
    const done = await copyOut(tree, '/etc', folder, options());
    expect(done).toMatchObject({ files: 3, folders: 2, links: 1, skipped: 0, bytes: 5 * 2 ** 20 + 2 });
    expect(await readFile(join(folder, 'etc/fstab'), 'utf8')).toBe('a\n');
    expect(await readlink(join(folder, 'etc/link'))).toBe('../../../../outside');
    const zeros = await lstat(join(folder, 'etc/zeros'));
    expect([zeros.size, zeros.mode & 0o777]).toEqual([5 * 2 ** 20, 0o644]);
    expect(zeros.blocks).toBeLessThan(16);
    // The root goes into the folder itself.
    await copyOut(memoryFiles({ '/x': '1' }), '/', folder, options());
    expect((await readdir(folder)).sort()).toEqual(['etc', 'x']);
  });

  it('replaces nothing that is there, unless it is forced to', async () => {
    const folder = await tempFolder();
    const to = join(folder, 'f');
    await writeFile(to, 'mine');
    await expect(copyOut(tree, '/etc/fstab', to, options())).rejects.toMatchObject({ kind: 'conflict' });
    expect(await readFile(to, 'utf8')).toBe('mine');
    await copyOut(tree, '/etc/fstab', to, options({ force: true }));
    expect(await readFile(to, 'utf8')).toBe('a\n');
    await expect(copyOut(tree, '/etc', to, options({ recursive: false }))).rejects.toMatchObject({
      kind: 'usage',
    });
    await expect(copyOut(tree, '/none', to, options())).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('goes through no link, whoever made it', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'outside'));
    await mkdir(join(folder, 'to'));
    await symlink(join(folder, 'outside'), join(folder, 'to', 'etc'));
    await expect(copyOut(tree, '/etc', join(folder, 'to'), options({ force: true }))).rejects.toMatchObject({
      kind: 'conflict',
    });
    await writeFile(join(folder, 'outside/fstab'), 'kept');
    await mkdir(join(folder, 'to2/etc'), { recursive: true });
    await symlink(join(folder, 'outside/fstab'), join(folder, 'to2/etc/fstab'));
    await copyOut(tree, '/etc', join(folder, 'to2'), options({ force: true }));
    expect(await readFile(join(folder, 'outside/fstab'), 'utf8')).toBe('kept');
    expect(await readFile(join(folder, 'to2/etc/fstab'), 'utf8')).toBe('a\n');
  });

  it('refuses names that lead out, and folders without end', async () => {
    const folder = await tempFolder();
    const named = (name: string): Files => ({
      ...tree,
      stat: async () => ({ kind: 'folder', size: 0 }),
      lstat: async (path) => ({ kind: path.endsWith('/again') ? 'folder' : 'file', size: 0 }),
      entries: async () => [{ name }, { name }],
    });
    for (const name of ['..', 'a/b', '', '../x']) {
      const made = copyOut(named(name), '/', join(folder, 'bad'), options({ force: true }));
      await expect(made).rejects.toMatchObject({ kind: 'corrupt' });
    }
    const endless = copyOut(named('again'), '/', join(folder, 'deep'), options());
    await expect(endless).rejects.toMatchObject({ kind: 'corrupt', message: expect.stringMatching(/deep/) });
    expect((await readdir(folder)).sort()).toEqual(['bad', 'deep']);
  });

  it('leaves out devices, and a name that is there twice', async () => {
    const folder = await tempFolder();
    remarks.length = 0;
    const odd: Files = {
      ...tree,
      stat: async () => ({ kind: 'folder', size: 0 }),
      lstat: async () => ({ kind: 'other', size: 0 }),
      entries: async () => [{ name: 'sda' }, { name: 'sda' }],
    };
    expect(await copyOut(odd, '/dev', folder, options())).toMatchObject({ skipped: 2, files: 0 });
    expect(remarks.join('\n')).toMatch(/sda: it is a device[\s\S]*twice/);
  });
});
