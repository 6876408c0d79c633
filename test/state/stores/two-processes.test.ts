/** Real processes, for a lock that holds only within one would pass every other test. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { VaultStore } from '../../../src/state/secrets/vault-store.ts';
import { ProfileStore } from '../../../src/state/stores/profiles.ts';
import { tempFolder } from '../../temp.ts';

const cost = { N: 16, r: 1, p: 1 };
const passphrase = 'correct horse';

/** Saves profiles and secrets `<name>0`, `<name>1`… and prints each name once both are said to be saved. */
const PROGRAM = `
import { VaultStore } from ${JSON.stringify(resolve('src/state/secrets/vault-store.ts'))};
import { ProfileStore } from ${JSON.stringify(resolve('src/state/stores/profiles.ts'))};
const [name, count] = process.argv.slice(2);
const profiles = new ProfileStore('profiles.json');
const vault = new VaultStore('vault.json', ${JSON.stringify(cost)});
await vault.unlock(${JSON.stringify(passphrase)});
for (let n = 0; n < Number(count); n++) {
  await profiles.save({ name: name + n, environment: 'e', settings: {}, secretFields: [] });
  await vault.set(name + n, 'secret');
  process.stdout.write(name + n + '\\n');
}`;

async function stores() {
  const folder = await tempFolder();
  const vault = new VaultStore(join(folder, 'vault.json'), cost);
  await vault.create(passphrase);
  await writeFile(join(folder, 'program.mts'), PROGRAM);
  return { folder, vault, profiles: new ProfileStore(join(folder, 'profiles.json')) };
}

function start(
  folder: string,
  name: string,
  count: number,
): { child: ChildProcess; printed: () => string[] } {
  const args = [
    '--import',
    resolve('node_modules/tsx/dist/esm/index.mjs'),
    'program.mts',
    name,
    String(count),
  ];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  let text = '';
  child.stdout.on('data', (chunk) => {
    text += chunk;
  });
  return { child, printed: () => text.split('\n').slice(0, -1) };
}

it('two that write at once lose nothing', async () => {
  const { folder, vault, profiles } = await stores();
  const runs = [start(folder, 'a', 4), start(folder, 'b', 4)];
  const codes = await Promise.all(runs.map(({ child }) => once(child, 'close')));
  expect(codes.map(([code]) => code)).toEqual([0, 0]);
  const names = runs.flatMap(({ printed }) => printed()).sort();
  expect(names).toHaveLength(8);
  expect((await profiles.list()).map(({ name }) => name)).toEqual(names);
  for (const name of names) expect(await vault.get(name)).toBe('secret');
});

it('one that is killed while it writes loses nothing that it said was saved', async () => {
  const { folder, vault, profiles } = await stores();
  const { child, printed } = start(folder, 'a', 1_000_000);
  const closed = once(child, 'close');
  // In the middle of the work, at no particular point of it.
  for await (const _ of child.stdout!) if (printed().length > 5) break;
  child.kill('SIGKILL');
  await closed;
  const saved = (await profiles.list()).map(({ name }) => name);
  for (const name of printed()) {
    expect(saved).toContain(name);
    expect(await vault.get(name)).toBe('secret');
  }
});
