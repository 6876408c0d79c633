import { mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { tempFolder } from '../../temp.ts';

async function fresh() {
  const path = join(await tempFolder(), 'config', 'profiles.json');
  return { path, store: new ProfileStore(path) };
}
const draft = (name: string) => ({
  name,
  environment: 'esxi',
  settings: { host: 'h' },
  secretFields: ['password'],
});

it('saves, changes and removes, for the user alone', async () => {
  const { store, path } = await fresh();
  expect(await store.list()).toEqual([]);
  const b = await store.save(draft('  lab b '));
  const a = await store.save(draft('Lab a'));
  expect(await store.list()).toEqual([a, b]);
  const renamed = await store.save({ ...b, name: 'other', settings: { host: 'i' } });
  expect(renamed).toMatchObject({ id: b.id, createdAt: b.createdAt, name: 'other' });
  expect(await store.remove(a.id)).toEqual(a);
  expect(await store.remove(a.id)).toBeUndefined();
  expect(await new ProfileStore(path).list()).toEqual([renamed]);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  expect((await stat(join(path, '..'))).mode & 0o777).toBe(0o700);
});

it('refuses no name, a taken name, a secret in the settings, an id that is gone', async () => {
  const { store } = await fresh();
  await store.save(draft('Lab'));
  await expect(store.save(draft('  '))).rejects.toMatchObject({ kind: 'usage' });
  await expect(store.save(draft(' lab '))).rejects.toMatchObject({ kind: 'conflict' });
  await expect(store.save({ ...draft('x'), settings: { password: 'p' } })).rejects.toMatchObject({
    kind: 'usage',
  });
  await expect(store.save({ ...draft('x'), id: 'gone' })).rejects.toMatchObject({ kind: 'not-found' });
  expect(await store.list()).toHaveLength(1);
});

it.each([
  ['not JSON', 'corrupt'],
  ['{"version":1,"profiles":[{"id":"x"}]}', 'corrupt'],
  ['[]', 'corrupt'],
  ['{"version":2,"profiles":[]}', 'unsupported'],
])('refuses and never overwrites %s', async (text, kind) => {
  const { store, path } = await fresh();
  await store.save(draft('x'));
  await writeFile(path, text);
  await expect(store.list()).rejects.toMatchObject({ kind });
  await expect(store.save(draft('y'))).rejects.toMatchObject({ kind });
  expect(await readFile(path, 'utf8')).toBe(text);
});

it('takes over from a writer that was killed: its lock and its temporary file', async () => {
  const { store, path } = await fresh();
  const saved = await store.save(draft('x'));
  await writeFile(`${path}.1234567`, 'torn');
  await mkdir(`${path}.lock`);
  await utimes(`${path}.lock`, 1, 1);
  const second = await store.save(draft('y'));
  expect(await store.list()).toEqual([saved, second]);
  expect(await readdir(join(path, '..'))).toEqual(['profiles.json']);
});
