import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { defaultPreferences, PreferencesStore } from '../../../src/state/stores/preferences.ts';
import { tempFolder } from '../../temp.ts';

async function fresh() {
  const folder = await tempFolder();
  const said: string[] = [];
  const path = join(folder, 'config', 'preferences.json');
  return { said, path, store: new PreferencesStore(path, (message) => said.push(message)) };
}

it('has defaults without a file and creates none by reading', async () => {
  const { store, path } = await fresh();
  expect(await store.load()).toEqual(defaultPreferences);
  await expect(stat(join(path, '..'))).rejects.toThrow();
});

it('keeps what was changed, for the user alone, and what it does not know', async () => {
  const { store, path } = await fresh();
  await store.update({ imageFolders: ['/a'], lastDestination: { product: 'kvm', folder: '/out' } });
  const mine = JSON.parse(await readFile(path, 'utf8'));
  await writeFile(path, JSON.stringify({ ...mine, ofTomorrow: 1 }));
  const next = await store.update({ theme: 'plain', lastDestination: undefined });
  expect(next).toEqual({ ...defaultPreferences, imageFolders: ['/a'], theme: 'plain' });
  expect(await store.load()).toEqual(next);
  expect(JSON.parse(await readFile(path, 'utf8')).ofTomorrow).toBe(1);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
});

it('refuses an impossible value and changes nothing', async () => {
  const { store } = await fresh();
  await store.update({ theme: 'plain' });
  await expect(store.update({ theme: 'pink' as 'plain' })).rejects.toMatchObject({ kind: 'usage' });
  expect((await store.load()).theme).toBe('plain');
});

it.each([
  ['{"theme": "plain", "imageFolders', [], 'the defaults are used'],
  ['{"theme": "pink", "imageFolders": ["/a"]}', ['/a'], 'its good values were taken over'],
])('keeps a broken file aside and says so: %s', async (text, imageFolders, words) => {
  const { store, path, said } = await fresh();
  await store.update({});
  await writeFile(path, text);
  expect(await store.load()).toEqual({ ...defaultPreferences, imageFolders });
  const aside = (await readdir(join(path, '..'))).find((name) => name.includes('.broken-'))!;
  expect(await readFile(join(path, '..', aside), 'utf8')).toBe(text);
  expect(said).toHaveLength(1);
  expect(said[0]).toContain(aside);
  expect(said[0]).toContain(words);
});

it('loses no change of two that write at once', async () => {
  const { store, path } = await fresh();
  const other = new PreferencesStore(path, () => undefined);
  await Promise.all([store.update({ theme: 'plain' }), other.update({ confirmQuit: false })]);
  expect(await store.load()).toEqual({ ...defaultPreferences, theme: 'plain', confirmQuit: false });
});
