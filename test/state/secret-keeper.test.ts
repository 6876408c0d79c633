import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import { tempFolder } from '../temp.ts';
import { keychain, works } from './secrets/fake-keychain.ts';

it('keeps secrets where it was said last, however long the look before takes', async () => {
  const slow = await keychain(works);
  const waiting: (() => void)[] = [];
  slow.probe = () => new Promise((resolve) => void waiting.push(resolve));
  const vault = new VaultStore(join(await tempFolder(), 'vault.json'), { N: 16, r: 1, p: 1 });
  const keeper = new SecretKeeper({
    openStores: async () => ({ keychain: slow, vault }),
    redactor: new Redactor(),
    canAsk: true,
  });
  const before = keeper.choose('auto');
  expect(await keeper.choose('memory')).toMatchObject({ kind: 'memory' });
  for (const found of waiting) found();
  expect(await before).toMatchObject({ kind: 'memory', choice: 'memory' });
  expect(await keeper.choose('vault')).toMatchObject({ kind: 'vault', status: 'absent' });
});
