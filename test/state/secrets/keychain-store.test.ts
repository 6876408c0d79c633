import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { chooseStore } from '../../../src/state/secrets/choose-store.ts';
import { type KeychainOptions, KeychainStore } from '../../../src/state/secrets/keychain-store.ts';
import { VaultStore } from '../../../src/state/secrets/vault-store.ts';
import { tempFolder } from '../../temp.ts';

const works = `
const kept = new Map();
module.exports = {
  setPassword: async (s, a, p) => void kept.set(s + a, p),
  getPassword: async (s, a) => kept.get(s + a) ?? null,
  deletePassword: async (s, a) => kept.delete(s + a),
};`;
const says = (words: string) => `
const fail = async (s, a, p) => { throw new Error(${JSON.stringify(words)}.replace('SECRET', p)); };
module.exports = { setPassword: fail, getPassword: fail, deletePassword: fail };`;
/** Blocks like native code does: no timer of that process runs any more. */
const hangs = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);';
const dies = 'process.abort();';

async function keychain(source: string, options: KeychainOptions = {}): Promise<KeychainStore> {
  const modulePath = join(await tempFolder(), 'keytar.cjs');
  await writeFile(modulePath, source);
  const store = new KeychainStore({ modulePath, ...options });
  onTestFinished(() => store.close());
  return store;
}

describe('the keychain', () => {
  it('keeps, gives, deletes', async () => {
    const store = await keychain(works);
    await store.probe();
    await store.set('a', 'é"\n');
    expect(await store.get('a')).toBe('é"\n');
    await store.delete('a');
    expect(await store.get('a')).toBeUndefined();
    await expect(store.set('a', '')).rejects.toMatchObject({ kind: 'usage' });
  });

  it('that hangs is given up after a time', async () => {
    const store = await keychain(hangs, { timeoutMs: 100, probeTimeoutMs: 100 });
    await expect(store.probe()).rejects.toMatchObject({ kind: 'unreachable', message: /did not answer/ });
    const all = await Promise.allSettled([store.get('a'), store.set('a', 'b')]);
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  it('that crashes, or is not there, is an error', async () => {
    const crashed = await keychain(dies);
    await expect(crashed.get('a')).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(crashed.get('a')).rejects.toMatchObject({ kind: 'unreachable' });
    const missing = new KeychainStore({ modulePath: '/nowhere/keytar' });
    onTestFinished(() => missing.close());
    await expect(missing.probe()).rejects.toMatchObject({
      kind: 'unreachable',
      message: /Cannot find module/,
    });
  });

  it('is quoted, but not when it repeats the secret', async () => {
    const store = await keychain(says('Cannot create an item in a locked collection: SECRET'));
    const error: Error = await store.set('a', 'hunter2').catch((e) => e);
    expect(error).toMatchObject({ kind: 'auth', message: /locked collection: ••••/ });
    expect(JSON.stringify(error) + error.stack).not.toContain('hunter2');
  });

  it('does not keep the program alive', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'keytar.cjs'), works);
    const source = resolve('src/state/secrets/keychain-store.ts');
    const script = `
      import { KeychainStore } from ${JSON.stringify(source)};
      const store = new KeychainStore({ modulePath: './keytar.cjs' });
      await store.set('a', 'b');
      console.log(await store.get('a'));`;
    await writeFile(join(folder, 'program.mts'), script);
    const args = ['--import', resolve('node_modules/tsx/dist/esm/index.mjs'), 'program.mts'];
    const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: folder, timeout: 20_000 });
    expect(stdout).toBe('b\n');
  });
});

describe('the choice', () => {
  const vaultIn = async () =>
    new VaultStore(join(await tempFolder(), 'c', 'vault.json'), { N: 16, r: 1, p: 1 });
  const broken = () => keychain(says('Cannot autolaunch D-Bus without X11 $DISPLAY'));

  it('is the keychain when it works', async () => {
    const store = await keychain(works);
    const chosen = await chooseStore({
      preference: 'auto',
      keychain: store,
      vault: await vaultIn(),
      canAsk: true,
    });
    expect(chosen).toEqual({ store, tried: [] });
  });

  it('is the vault when there is none, and says why', async () => {
    const vault = await vaultIn();
    const choice = { preference: 'auto', keychain: await broken(), vault, canAsk: true } as const;
    const tried = [
      {
        kind: 'keychain',
        reason: 'no keychain: the keychain says: Cannot autolaunch D-Bus without X11 $DISPLAY',
      },
    ];
    expect(await chooseStore(choice)).toEqual({ store: vault, tried, needs: 'new-passphrase' });
    await vault.create('correct horse');
    expect(await chooseStore(choice)).toEqual({ store: vault, tried });
    vault.lock();
    expect(await chooseStore({ ...choice, canAsk: false })).toEqual({
      store: vault,
      tried,
      needs: 'passphrase',
    });
  });

  it('is memory when nobody can be asked, or there is no place for a vault', async () => {
    const vault = await vaultIn();
    const none = { preference: 'auto', keychain: await broken(), vault, canAsk: false } as const;
    expect(await chooseStore(none)).toMatchObject({
      store: { kind: 'memory' },
      tried: [{}, { kind: 'vault' }],
    });
    await writeFile(join(vault.path, '..'), 'a file where the folder should be');
    const { store, tried } = await chooseStore({ ...none, canAsk: true });
    expect(store.kind).toBe('memory');
    expect(tried[1]!.reason).toContain(join(vault.path, '..'));
  });

  it('is what the preference names, or an error', async () => {
    const vault = await vaultIn();
    const choice = { keychain: await broken(), vault, canAsk: true };
    expect(await chooseStore({ ...choice, preference: 'vault' })).toMatchObject({ store: vault, tried: [] });
    const memory = (await chooseStore({ ...choice, preference: 'memory' })).store;
    await memory.set('a', 'b');
    expect(await memory.get('a')).toBe('b');
    await memory.delete('a');
    expect(await memory.get('a')).toBeUndefined();
    await expect(chooseStore({ ...choice, preference: 'keychain' })).rejects.toMatchObject({
      kind: 'unreachable',
    });
    await mkdir(join(vault.path, '..'), { recursive: true });
    await writeFile(vault.path, 'damaged');
    const damaged = await chooseStore({ ...choice, preference: 'auto' });
    expect(damaged).toMatchObject({ store: vault, needs: 'passphrase' });
    expect(await readFile(vault.path, 'utf8')).toBe('damaged');
  });
});
