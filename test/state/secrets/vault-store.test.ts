import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { VaultStore } from '../../../src/state/secrets/vault-store.ts';
import { tempFolder } from '../../temp.ts';

const cheap = { N: 16, r: 1, p: 1 };
const passphrase = 'correct horse';

async function fresh() {
  const path = join(await tempFolder(), 'config', 'vault.json');
  const vault = new VaultStore(path, cheap);
  await vault.create(passphrase);
  return { path, vault };
}
async function reopened(path: string, words = passphrase): Promise<VaultStore> {
  const vault = new VaultStore(path, cheap);
  await vault.unlock(words);
  return vault;
}

describe('the vault', () => {
  it('keeps secrets behind a passphrase, for the user alone, with no trace in the file', async () => {
    const { path, vault } = await fresh();
    await vault.set('profile:1:password', 'hunter2 é ☃ "\n');
    await vault.set('__proto__', 'odd');
    await vault.set('gone', 'x');
    await vault.delete('gone');
    await vault.delete('never');
    const other = await reopened(path);
    expect(await other.get('profile:1:password')).toBe('hunter2 é ☃ "\n');
    expect(await other.get('__proto__')).toBe('odd');
    expect(await other.get('gone')).toBeUndefined();
    expect(await other.get('toString')).toBeUndefined();
    const text = await readFile(path, 'utf8');
    expect(text).not.toMatch(/hunter2|profile/);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(path, '..'))).toEqual(['vault.json']);
    expect(vault.describe()).toBe(`an encrypted file (vault), ${path}`);
  });

  it('takes a new nonce for each write', async () => {
    const { path, vault } = await fresh();
    const nonces = new Set<string>();
    for (let n = 0; n < 5; n++) {
      await vault.set('a', 'same');
      nonces.add(JSON.parse(await readFile(path, 'utf8')).nonce);
    }
    expect(nonces.size).toBe(5);
  });

  it('says locked, wrong passphrase, none, there already, too short', async () => {
    const { path, vault } = await fresh();
    const other = new VaultStore(path, cheap);
    await expect(other.get('a')).rejects.toMatchObject({ kind: 'auth', message: 'the vault is locked' });
    await expect(other.unlock('wrong horse')).rejects.toMatchObject({
      kind: 'auth',
      message: 'the passphrase does not open the vault',
    });
    expect(other.locked).toBe(true);
    await expect(other.create(passphrase)).rejects.toMatchObject({ kind: 'conflict' });
    await expect(other.create('short')).rejects.toMatchObject({ kind: 'usage' });
    await expect(new VaultStore(`${path}x`, cheap).unlock(passphrase)).rejects.toMatchObject({
      kind: 'not-found',
    });
    vault.lock();
    await expect(vault.set('a', 'b')).rejects.toMatchObject({ kind: 'auth' });
    for (const secret of ['', 'a\0b', '\ud800']) {
      await expect(other.set('a', secret)).rejects.toMatchObject({ kind: 'usage' });
    }
  });

  it('costs a guess 128 MiB', async () => {
    const path = join(await tempFolder(), 'vault.json');
    await new VaultStore(path).create(passphrase);
    expect((await reopened(path)).locked).toBe(false);
    expect(JSON.parse(await readFile(path, 'utf8')).kdf).toMatchObject({ N: 131072, r: 8, p: 1 });
  });

  it('opens with the same characters composed otherwise', async () => {
    const path = join(await tempFolder(), 'vault.json');
    await new VaultStore(path, cheap).create('caf\u00e9 au lait');
    expect((await reopened(path, 'cafe\u0301 au lait')).locked).toBe(false);
  });

  it('changes its passphrase; one who has the old key is asked again and destroys nothing', async () => {
    const { path, vault } = await fresh();
    await vault.set('a', 'secret');
    const other = await reopened(path);
    await expect(vault.changePassphrase('wrong horse', 'battery staple')).rejects.toMatchObject({
      kind: 'auth',
    });
    await vault.changePassphrase(passphrase, 'battery staple');
    await vault.set('b', 'more');
    await expect(other.set('c', 'x')).rejects.toMatchObject({ kind: 'auth', message: /was changed/ });
    expect(other.locked).toBe(true);
    await expect(reopened(path)).rejects.toMatchObject({ kind: 'auth' });
    const again = await reopened(path, 'battery staple');
    expect([await again.get('a'), await again.get('b')]).toEqual(['secret', 'more']);
  });

  it('loses nothing when many write at once', async () => {
    const { path, vault } = await fresh();
    const other = await reopened(path);
    const names = Array.from({ length: 6 }, (_, n) => `n${n}`);
    await Promise.all(names.map((name, n) => (n % 2 ? vault : other).set(name, name)));
    for (const name of names) expect(await vault.get(name)).toBe(name);
  });
});

describe('a damaged vault', () => {
  it('is told at every field, never overwritten, and never taken for a wrong passphrase', async () => {
    const { path, vault } = await fresh();
    await vault.set('a', 'secret');
    const good = JSON.parse(await readFile(path, 'utf8'));
    for (const key of ['verifier', 'nonce', 'content', 'tag', 'checksum']) {
      const bytes = Buffer.from(good[key], 'base64');
      bytes[0]! ^= 1;
      const text = JSON.stringify({ ...good, [key]: bytes.toString('base64') });
      await writeFile(path, text);
      await expect(reopened(path), key).rejects.toMatchObject({ kind: 'corrupt' });
      await expect(vault.set('b', 'x'), key).rejects.toMatchObject({ kind: 'corrupt' });
      await expect(vault.create(passphrase), key).rejects.toMatchObject({ kind: 'conflict' });
      expect(await readFile(path, 'utf8')).toBe(text);
    }
  });

  it.each([
    ['', 'corrupt'],
    ['{"format":"vmferry vault"', 'corrupt'],
    ['null', 'corrupt'],
    ['{"format":"vmferry vault","version":2}', 'unsupported'],
  ])('%j is refused', async (text, kind) => {
    const { path } = await fresh();
    await writeFile(path, text);
    await expect(reopened(path)).rejects.toMatchObject({ kind });
  });

  it('may not ask for more memory or time than the bound', async () => {
    const { path } = await fresh();
    const good = JSON.parse(await readFile(path, 'utf8'));
    for (const cost of [
      { N: 2 ** 30 },
      { N: 2 ** 20, r: 32 },
      { p: 1e6 },
      { N: 15 },
      { N: 1e300 },
      { r: 0 },
    ]) {
      await writeFile(path, JSON.stringify({ ...good, kdf: { ...good.kdf, ...cost } }));
      await expect(reopened(path), JSON.stringify(cost)).rejects.toMatchObject({ kind: 'corrupt' });
    }
  });
});
