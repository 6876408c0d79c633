/** Plugins from outside: found, trusted, loaded; whatever one does, the others are there. */
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { placeHash } from '../../src/plugins/content-hash.ts';
import type { PluginEntry, TrustedPlugins } from '../../src/plugins/entry.ts';
import { findPlugins, isPackageName } from '../../src/plugins/find.ts';
import { tryPlugin } from '../../src/plugins/import-plugin.ts';
import { loadPlugins } from '../../src/plugins/load.ts';
import { readManifest } from '../../src/plugins/manifest.ts';
import { Strays } from '../../src/plugins/strays.ts';
import { noSecrets } from '../conformance/test-plugin.ts';
import { tempFolder } from '../temp.ts';
import { brokenPlugins, goodPlugin } from './broken-plugins.ts';

async function write(folder: string, code: string, manifest: object = {}): Promise<string> {
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ type: 'module', version: '1.2.3', main: './index.js', ...manifest }),
  );
  await writeFile(join(folder, 'index.js'), code);
  return folder;
}

/** It listens to the process: one for all. */
const strays = new Strays(() => undefined);

interface Setting {
  readonly folder: string;
  readonly entries?: readonly PluginEntry[];
  readonly trusted?: TrustedPlugins;
}

const sources = ({ folder, entries = [] }: Setting) => ({ folder, entries, programFolder: folder });

/** All that are there, as trusted. */
async function trustedAll(setting: Setting): Promise<TrustedPlugins> {
  const places = (await findPlugins(sources(setting))).filter((p) => p.code.kind !== 'missing');
  return Object.fromEntries(await Promise.all(places.map(async (p) => [p.key, await placeHash(p)] as const)));
}

async function load(setting: Setting) {
  const trusted = setting.trusted ?? (await trustedAll(setting));
  const all = await loadPlugins({
    ...sources(setting),
    trusted,
    builtIn: ['local'],
    strays,
    patience: 200,
  });
  return all.map(({ place, status, version, plugin, reason }) => ({
    name: place.name,
    origin: place.origin,
    status,
    ...(version === undefined ? {} : { version }),
    ...(plugin === undefined ? {} : { id: plugin.id }),
    ...(reason === undefined ? {} : { reason }),
  }));
}

describe('plugins from outside', () => {
  it('are none where there is no folder', async () => {
    expect(await load({ folder: join(await tempFolder(), 'none') })).toEqual([]);
  });

  it('are found in the plugin folder, as packages beside it, and where the preferences say', async () => {
    const folder = await tempFolder();
    await write(join(folder, 'a'), goodPlugin('a'));
    await write(join(folder, 'node_modules', '@some', 'b'), 'export default 1', {
      name: '@some/b',
      exports: { '.': { import: './esm.js' } },
    });
    await writeFile(join(folder, 'node_modules/@some/b/esm.js'), goodPlugin('b'));
    const c = await write(
      join(await tempFolder(), 'c'),
      goodPlugin('c').replace('const plugin =', 'default'),
    );
    const entries: PluginEntry[] = [
      { kind: 'package', name: '@some/b' },
      { kind: 'folder', path: c },
      { kind: 'folder', path: join(folder, 'a') },
      { kind: 'package', name: 'missing' },
    ];
    expect(await load({ folder, entries })).toEqual([
      { name: 'a', origin: 'plugin folder', status: 'loaded', version: '1.2.3', id: 'a' },
      { name: '@some/b', origin: 'package', status: 'loaded', version: '1.2.3', id: 'b' },
      { name: 'c', origin: 'folder', status: 'loaded', version: '1.2.3', id: 'c' },
      {
        name: 'missing',
        origin: 'package',
        status: 'broken',
        reason: expect.stringContaining('npm install'),
      },
    ]);
  });

  it('are not imported before they are trusted, nor after they have changed', async () => {
    const folder = await tempFolder();
    const mark = '__vmferryPluginRan';
    const a = await write(join(folder, 'a'), `globalThis.${mark} = true; ${goodPlugin('a')}`);
    expect(await load({ folder, trusted: {} })).toMatchObject([{ status: 'untrusted', version: '1.2.3' }]);
    const trusted = await trustedAll({ folder });
    await writeFile(join(a, 'data.txt'), 'x');
    expect(await load({ folder, trusted })).toMatchObject([
      { status: 'changed', reason: expect.stringContaining('has changed') },
    ]);
    expect(mark in globalThis).toBe(false);
    await rm(join(a, 'data.txt'));
    expect(await load({ folder, trusted })).toMatchObject([{ status: 'loaded' }]);
    expect(mark in globalThis).toBe(true);
  });

  it('are asked about again when a package that they import has changed', async () => {
    const folder = await tempFolder();
    const a = await write(join(folder, 'node_modules', 'a'), `import 'b'; ${goodPlugin('a')}`, {
      dependencies: { b: '1' },
    });
    await write(join(folder, 'node_modules', 'b'), 'export {}', { dependencies: { a: '1' } });
    const setting: Setting = { folder, entries: [{ kind: 'package', name: 'a' }] };
    const trusted = await trustedAll(setting);
    expect(await load({ ...setting, trusted })).toMatchObject([{ status: 'loaded' }]);
    await writeFile(join(folder, 'node_modules/b/index.js'), 'export const x = 1');
    expect(await load({ ...setting, trusted })).toMatchObject([{ status: 'changed' }]);
    expect(a).toBeTruthy();
  });

  it.each(Object.entries(brokenPlugins))(
    'that are broken are told and left out: %s',
    async (name, { code, says }) => {
      const folder = await tempFolder();
      const path = await write(join(folder, name), code);
      await write(join(folder, 'zz-good'), goodPlugin(`good-${name}`));
      expect(await load({ folder })).toMatchObject([
        { name, status: 'broken', reason: expect.stringMatching(says) },
        { status: 'loaded' },
      ]);
      // The trial before the user's word is recorded finds the same.
      const { entry } = await readManifest(path);
      await expect(tryPlugin(name, entry, { patience: 1000 })).rejects.toThrow(says);
    },
  );

  it('with an id that is taken are left out', async () => {
    const folder = await tempFolder();
    await write(join(folder, 'a'), goodPlugin('same'));
    await write(join(folder, 'b'), goodPlugin('same'));
    await write(join(folder, 'c'), goodPlugin('local'));
    expect(await load({ folder })).toMatchObject([
      { name: 'a', status: 'loaded' },
      { name: 'b', status: 'broken', reason: expect.stringContaining('"same"') },
      { name: 'c', status: 'broken', reason: expect.stringContaining('"local"') },
    ]);
  });

  it.each([
    ['for another contract', { vmferry: { contract: 2 } }, /version 2 of the plugin contract/],
    [
      'without its entry file',
      { vmferry: { plugin: './dist/x.js' } },
      /entry file "\.\/dist\/x\.js" is missing/,
    ],
    ['whose entry file lies elsewhere', { main: '../other.js' }, /outside of its folder/],
  ])('%s are left out', async (_, manifest, says) => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'other.js'), goodPlugin('x'));
    await write(join(folder, 'a'), goodPlugin('a'), manifest);
    expect(await load({ folder })).toMatchObject([{ status: 'broken', reason: expect.stringMatching(says) }]);
  });

  it('with a package.json that is no JSON are left out', async () => {
    const folder = await tempFolder();
    const a = await write(join(folder, 'a'), goodPlugin('a'));
    await writeFile(join(a, 'package.json'), '{');
    expect(await load({ folder, trusted: {} })).toMatchObject([
      { status: 'broken', reason: expect.stringMatching(/not JSON/) },
    ]);
  });

  it('with a link that leads out of them can not be trusted', async () => {
    const folder = await tempFolder();
    const a = await write(join(folder, 'a'), goodPlugin('a'));
    const out = await tempFolder();
    await symlink(out, join(a, 'lib'));
    await expect(trustedAll({ folder })).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it('fail in our words: by the shape of what they throw', async () => {
    const folder = await tempFolder();
    await write(join(folder, 'a'), goodPlugin('a'));
    const [one] = await loadPlugins({
      ...sources({ folder }),
      trusted: await trustedAll({ folder }),
      builtIn: [],
      strays,
    });
    await expect(one!.plugin!.connect({}, noSecrets())).rejects.toMatchObject({
      name: 'AppError',
      kind: 'auth',
      message: 'no',
    });
  });
});

describe('a trial', () => {
  it('tells what the plugin is, and ends one that loops or ends the program', async () => {
    const folder = await tempFolder();
    const at = async (name: string, code: string) => join(await write(join(folder, name), code), 'index.js');
    expect(await tryPlugin('a', await at('a', goodPlugin('a')))).toMatchObject({
      id: 'a',
      roles: ['source'],
    });
    await expect(tryPlugin('b', await at('b', 'for (;;);'), { patience: 200 })).rejects.toMatchObject({
      kind: 'io',
    });
    await expect(tryPlugin('c', await at('c', 'process.exit(0)'))).rejects.toThrow(/ends the program/);
    await expect(
      tryPlugin('d', await at('d', `Promise.reject(new Error('aside')); ${goodPlugin('d')}`)),
    ).rejects.toThrow(/aside/);
  });
});

it.each([
  ['a', true],
  ['@a/b', true],
  ['../a', false],
  ['a/b', false],
  ['@a/../b', false],
  ['', false],
])('a name of a package: "%s" %s', (name, is) => expect(isPackageName(name)).toBe(is));
