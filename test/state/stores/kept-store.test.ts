import { lstat, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { copyFileName } from '../../../src/env-plugins/kept-copy.ts';
import { KeptStore } from '../../../src/state/stores/kept-store.ts';
import { copyOf, putCopy, run } from '../../env-plugins/kept/fixtures.ts';
import { tempFolder } from '../../temp.ts';

const made = async () => {
  const folder = join(await tempFolder(), 'kept');
  return { folder, store: new KeptStore(folder) };
};
const id = `${run}-extracted`;
const part = `.web.qcow2.vmferry-${run}.part`;

async function halfMade(folder: string, name = `${run}-changed`): Promise<string> {
  await mkdir(join(folder, name), { recursive: true });
  await writeFile(join(folder, name, part), Buffer.alloc(8192, 1));
  return join(folder, name);
}

describe('the store of kept copies', () => {
  it('is empty, with the room that there will be, before anything was kept', async () => {
    const { folder, store } = await made();
    const list = await store.list();
    expect(list).toMatchObject({ folder, entries: [], bytes: 0 });
    expect(list.freeBytes).toBeGreaterThan(0);
    expect(await readdir(join(folder, '..'))).toEqual([]);
  });

  it('is where the user prefers it', async () => {
    expect(await new KeptStore('/usual').folder()).toBe('/usual');
    expect(await new KeptStore('/usual', async () => '/mine').folder()).toBe('/mine');
    expect(await new KeptStore('/usual', async () => 'relative').folder()).toBe('/usual');
  });

  it('tells whole copies, the latest first, with what they take; half made ones as such', async () => {
    const { folder, store } = await made();
    await putCopy(folder, copyOf());
    await putCopy(folder, copyOf({ run: '20260302-120000-abcd' }));
    await halfMade(folder);
    const { entries, bytes } = await store.list();
    expect(entries.map(({ id, status }) => [id, status])).toEqual([
      ['20260302-120000-abcd-extracted', 'whole'],
      [id, 'whole'],
      [`${run}-changed`, 'half-made'],
    ]);
    expect(entries[1]?.copy?.machine.name).toBe('web');
    expect(entries[1]?.bytes).toBeGreaterThanOrEqual(100_000);
    expect(bytes).toBe(entries.reduce((sum, entry) => sum + entry.bytes, 0));
  });

  it('removes a copy of any kind, whole, and tells nothing of it afterwards', async () => {
    const { folder, store } = await made();
    await putCopy(folder, copyOf());
    await halfMade(folder);
    await putCopy(folder, '{', `${run}-converted`);
    expect((await store.list()).entries.map((entry) => entry.status)).toContain('broken');
    for (const stage of ['extracted', 'changed', 'converted'])
      expect(await store.remove(`${run}-${stage}`)).toMatchObject({ stage });
    expect(await readdir(folder)).toEqual([]);
    await expect(store.remove(id)).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('neither tells nor touches what is not its own', async () => {
    const { folder, store } = await made();
    await putCopy(folder, copyOf(), 'photos');
    await mkdir(join(folder, `${run}-changed`));
    await writeFile(join(folder, `${run}-changed`, 'mine.txt'), 'mine');
    await writeFile(join(folder, `${run}-converted`), 'a file');
    expect((await store.list()).entries).toEqual([]);
    for (const name of ['photos', '../kept', '..', `${run}-changed`, `${run}-converted`, `${run}-x`])
      await expect(store.remove(name)).rejects.toMatchObject({ kind: 'not-found' });
    expect((await readdir(folder)).sort()).toEqual([`${run}-changed`, `${run}-converted`, 'photos']);
  });

  it('removes nothing where something else lies in the folder of a copy', async () => {
    const { folder, store } = await made();
    const place = await putCopy(folder, copyOf());
    await writeFile(join(place, 'mine'), 'mine');
    await expect(store.remove(id)).rejects.toMatchObject({ kind: 'conflict' });
    expect((await readdir(place)).sort()).toEqual([copyFileName, 'mine', 'web.raw']);
    const broken = await putCopy(folder, '{', `${run}-changed`);
    await mkdir(join(broken, 'mine'));
    await expect(store.remove(`${run}-changed`)).rejects.toMatchObject({ kind: 'conflict' });
    expect(await readdir(broken)).toContain(copyFileName);
  });

  it('follows no link: neither one in a copy nor one that stands for it', async () => {
    const { folder, store } = await made();
    const elsewhere = await tempFolder();
    await writeFile(join(elsewhere, 'precious'), 'precious');
    const place = await putCopy(folder, '{', id);
    await symlink(join(elsewhere, 'precious'), join(place, 'link'));
    await symlink(elsewhere, join(place, 'folder'));
    await symlink(await putCopy(elsewhere, copyOf({ stage: 'changed' })), join(folder, `${run}-changed`));
    expect((await store.list()).entries.map((entry) => entry.id)).toEqual([id]);
    await expect(store.remove(`${run}-changed`)).rejects.toMatchObject({ kind: 'not-found' });
    await store.remove(id);
    expect(await readFile(join(elsewhere, 'precious'), 'utf8')).toBe('precious');
    expect((await lstat(join(folder, `${run}-changed`))).isSymbolicLink()).toBe(true);
  });

  it('takes a description that is a link, or too long, for broken', async () => {
    const { folder, store } = await made();
    await mkdir(join(folder, id), { recursive: true });
    await symlink('/etc/hostname', join(folder, id, copyFileName));
    expect((await store.list()).entries).toMatchObject([{ id, status: 'broken' }]);
  });
});
