/** Which store keeps the secrets, and why not a better one. */
import { access, constants } from 'node:fs/promises';
import { dirname } from 'node:path';
import { toAppError, toFailure } from '../../model/errors.ts';
import { ensurePrivateFolder } from '../stores/paths.ts';
import type { KeychainStore } from './keychain-store.ts';
import { MemoryStore } from './memory-store.ts';
import type { SecretStore } from './secret-store.ts';
import type { VaultStore } from './vault-store.ts';

export interface Tried {
  readonly kind: SecretStore['kind'];
  /** For the screen: "no keychain: the keychain says: Cannot autolaunch D-Bus without X11 $DISPLAY". */
  readonly reason: string;
}

export interface ChosenStore {
  readonly store: SecretStore;
  readonly tried: readonly Tried[];
  /** The vault is chosen and locked: its passphrase is needed, or one for a vault that is yet to be created. */
  readonly needs?: 'passphrase' | 'new-passphrase';
}

export interface StoreChoice {
  readonly preference: 'auto' | 'keychain' | 'vault' | 'memory';
  readonly keychain: KeychainStore;
  readonly vault: VaultStore;
  /** Somebody can be asked for a passphrase; else `auto` creates no vault. */
  readonly canAsk: boolean;
}

/** Who asks for the keychain gets time to answer its unlock dialog. */
const UNLOCK_MS = 60_000;

/**
 * `auto` never throws: the last resort is memory.
 * @throws AppError when the one store that the preference names can't be used.
 */
export async function chooseStore({
  preference,
  keychain,
  vault,
  canAsk,
}: StoreChoice): Promise<ChosenStore> {
  if (preference === 'memory') return { store: new MemoryStore(), tried: [] };
  if (preference === 'keychain') {
    await keychain.probe(UNLOCK_MS);
    return { store: keychain, tried: [] };
  }
  if (preference === 'vault') {
    return withVault(vault, []).catch((error) => {
      throw toAppError(error);
    });
  }

  const tried: Tried[] = [];
  try {
    await keychain.probe();
    return { store: keychain, tried };
  } catch (error) {
    keychain.close();
    tried.push({ kind: 'keychain', reason: `no keychain: ${toFailure(error).message}` });
  }
  try {
    if (canAsk || (await vault.exists())) return await withVault(vault, tried);
    tried.push({ kind: 'vault', reason: 'no vault: there is none, and nobody to be asked for a passphrase' });
  } catch (error) {
    const { message, where } = toFailure(error);
    tried.push({ kind: 'vault', reason: `no vault: ${message} (${where ?? vault.path})` });
  }
  return { store: new MemoryStore(), tried };
}

/** A damaged vault is chosen too: opening it says so. To go on in memory would hide that secrets are lost. */
async function withVault(vault: VaultStore, tried: readonly Tried[]): Promise<ChosenStore> {
  if (!vault.locked) return { store: vault, tried };
  if (await vault.exists()) return { store: vault, tried, needs: 'passphrase' };
  const folder = dirname(vault.path);
  await ensurePrivateFolder(folder);
  await access(folder, constants.W_OK);
  return { store: vault, tried, needs: 'new-passphrase' };
}
