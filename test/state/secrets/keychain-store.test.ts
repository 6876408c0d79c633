import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KeychainStore } from '../../../src/state/secrets/keychain-store.ts';
import { tempFolder } from '../../temp.ts';
import { dies, hangs, keychain, says, works } from './fake-keychain.ts';

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
