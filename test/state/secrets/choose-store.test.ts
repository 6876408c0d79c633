import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { chooseStore } from '../../../src/state/secrets/choose-store.ts';
import { VaultStore } from '../../../src/state/secrets/vault-store.ts';
import { tempFolder } from '../../temp.ts';
import { keychain, says, works } from './fake-keychain.ts';

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
