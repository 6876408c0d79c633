/** The example plugin: built with the types that are published, loaded as the user's, against a real server. */
import { execFileSync } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { emitTypes } from '../../scripts/emit-types.ts';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { AppError } from '../../src/model/errors.ts';
import { placeHash } from '../../src/plugins/content-hash.ts';
import { findPlugins } from '../../src/plugins/find.ts';
import { loadPlugins } from '../../src/plugins/load.ts';
import { Strays } from '../../src/plugins/strays.ts';
import { noSecrets, testSource } from '../conformance/test-plugin.ts';
import { overStreams } from '../plugin-process/over-streams.ts';
import { startHttpFolder } from '../servers/http-folder.ts';
import { tempFolder } from '../temp.ts';

const require = createRequire(import.meta.url);
let plugins: string;
let plugin: EnvironmentPlugin;

beforeAll(async () => {
  const work = await mkdtemp(join(tmpdir(), 'vmferry-test-'));
  plugins = work;
  // As an author has it: the example, and our package among its modules with nothing but types in it.
  const source = join(work, 'node_modules', 'http-folder-source');
  await cp(resolve('examples/http-folder'), source, {
    recursive: true,
    filter: (path) => !/http-folder\/(dist|node_modules)/.test(path),
  });
  const ours = join(source, 'node_modules', 'vmferry');
  await mkdir(join(ours, 'dist'), { recursive: true });
  await cp(resolve('package.json'), join(ours, 'package.json'));
  emitTypes(join(ours, 'dist', 'types'));
  await mkdir(join(source, 'node_modules', '@types'));
  await symlink(resolve('node_modules/@types/node'), join(source, 'node_modules/@types/node'));
  await symlink(resolve('node_modules/undici-types'), join(source, 'node_modules/undici-types'));
  const tsc = join(require.resolve('typescript/package.json'), '..', 'bin', 'tsc');
  execFileSync(process.execPath, [tsc, '-p', source, '--outDir', join(work, 'http-folder', 'dist')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  await cp(join(source, 'package.json'), join(work, 'http-folder', 'package.json'));
  const found = { folder: work, entries: [], programFolder: work };
  const [place] = await findPlugins(found);
  const [loaded] = await loadPlugins({
    ...found,
    trusted: { [place!.key]: await placeHash(place!) },
    builtIn: [],
    strays: new Strays(() => undefined),
  });
  expect(loaded).toMatchObject({ status: 'loaded', version: '1.0.0' });
  plugin = loaded!.plugin!;
});
afterAll(() => rm(plugins, { recursive: true, force: true }));

const withPassword = (password: string) => ({ ...noSecrets(), secret: async () => password });
const signal = new AbortController().signal;

async function images(): Promise<string> {
  const folder = await tempFolder();
  await writeFile(join(folder, 'a.raw'), Buffer.alloc(100_000, 1));
  await writeFile(join(folder, "odd 'name' $(x) ü%41#.qcow2"), Buffer.alloc(100, 2));
  await writeFile(join(folder, 'long.img'), Buffer.alloc(3_000_000, 3));
  await writeFile(join(folder, 'readme.txt'), 'no image');
  return folder;
}

for (const [name, behind] of [
  ['the example', (p: EnvironmentPlugin) => p],
  ['the example, behind the protocol', overStreams],
] as const) {
  const connect = (url: string, context = noSecrets()) => behind(plugin).connect({ url }, context);
  testSource(name, async () => connect((await startHttpFolder(await images())).url), {
    async again() {
      const { url } = await startHttpFolder(await images(), { listing: 'html' });
      return { connect: () => connect(url) };
    },
    wrongSecret: {
      secret: 'not-the-password',
      async connect() {
        const { url } = await startHttpFolder(await images(), { login: 'me:right' });
        return behind(plugin).connect({ url, user: 'me' }, withPassword('not-the-password'));
      },
    },
    noHost: async () => {
      const server = await startHttpFolder(await images());
      await server.stop();
      return connect(server.url);
    },
    async slowConnect(during) {
      const { url } = await startHttpFolder(await images(), { silent: true });
      return connect(url, noSecrets(during));
    },
    async breakable() {
      const server = await startHttpFolder(await images());
      return { session: await connect(server.url), break: server.stop, breaks: 'reading' };
    },
  });
}

describe('the example', () => {
  const open = async (url: string, name: string) => {
    const session = await plugin.connect({ url }, noSecrets());
    const machine = await session.source!.inspect(new URL(name, url).href, signal);
    return session.source!.open(machine, 'disk0', signal);
  };

  it('fetches what is asked for, and no more', async () => {
    const server = await startHttpFolder(await images());
    const { source } = await open(server.url, 'long.img');
    await source.read(Buffer.alloc(1000), 2_000_000);
    expect(server.sent()).toBe(1000);
  });

  it('logs in with the secret', async () => {
    const { url } = await startHttpFolder(await images(), { login: 'me:right' });
    const session = await plugin.connect({ url, user: 'me' }, withPassword('right'));
    const names: string[] = [];
    await session.source!.list({ signal, found: (machine) => names.push(machine.name) });
    expect(names.sort()).toEqual(['a', 'long', "odd 'name' $(x) ü%41#"]);
  });

  it('refuses a server without ranges, an image that changes, and names that lead out', async () => {
    const folder = await images();
    const plain = await open((await startHttpFolder(folder, { noRanges: true })).url, 'a.raw');
    await expect(plain.source.read(Buffer.alloc(10), 5)).rejects.toMatchObject({ kind: 'unsupported' });
    const { url } = await startHttpFolder(folder);
    const disk = await open(url, 'a.raw');
    await utimes(join(folder, 'a.raw'), 1, 1);
    await expect(disk.source.read(Buffer.alloc(10), 5)).rejects.toMatchObject({ kind: 'corrupt' });
    for (const name of [
      '../other/a.raw',
      '/etc/passwd',
      'http://elsewhere.invalid/a.raw',
      '//elsewhere.invalid/images/a',
    ])
      await expect(disk.sibling(name)).rejects.toMatchObject({ kind: 'unsupported' });
    await expect(disk.sibling('none.raw')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(plugin.connect({ url: 'file:///etc/' }, noSecrets())).rejects.toBeInstanceOf(AppError);
  });
});
