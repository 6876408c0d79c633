/** The secret store in use: chosen once by preference, unlocked on demand, told to the screens in plain words. */
import { AppError, toFailure } from '../model/errors.ts';
import type { ChosenStore } from './secrets/choose-store.ts';
import type { KeychainStore } from './secrets/keychain-store.ts';
import { type Redactor, redacting } from './secrets/redact.ts';
import { profileAccount, type SecretStore } from './secrets/secret-store.ts';
import type { VaultStore } from './secrets/vault-store.ts';
import type { SecretStoreChoice, SecretStoreInfo } from './state.ts';

export interface SecretStores {
  readonly keychain: KeychainStore;
  readonly vault: VaultStore;
}

export interface SecretKeeperOptions {
  /** Called once, when a secret is first asked for: most conversions here need none. */
  openStores(): Promise<SecretStores>;
  readonly redactor: Redactor;
  /** Somebody can be asked for a passphrase. */
  readonly canAsk: boolean;
  /** By account: secrets that somebody else has opened already. They are looked for here first. */
  readonly handed?: ReadonlyMap<string, string>;
}

export class SecretKeeper {
  readonly #options: SecretKeeperOptions;
  #stores: Promise<SecretStores> | undefined;
  #chosen: Promise<ChosenStore> | undefined;
  #choice: SecretStoreChoice = 'auto';
  /** Choices are numbered: one that takes long, as a keychain may, does not come over a later one. */
  #asked = 0;
  #taken = 0;

  constructor(options: SecretKeeperOptions) {
    this.#options = options;
  }

  /** Looks for the store anew; tells of the one in use then. @throws AppError when the named one can't be used; the former stays. */
  async choose(choice: SecretStoreChoice): Promise<SecretStoreInfo> {
    const number = ++this.#asked;
    const chosen = await this.#look(choice);
    if (number > this.#taken) {
      this.#taken = number;
      this.#choice = choice;
      this.#chosen = Promise.resolve(chosen);
    }
    return this.info();
  }

  async info(): Promise<SecretStoreInfo> {
    const { store, tried, needs } = await this.#current();
    const kind = store.kind === 'none' ? 'memory' : store.kind;
    const locked = kind === 'vault' && (await this.#opened()).vault.locked;
    return {
      kind,
      description: store.describe(),
      status: !locked ? 'ready' : needs === 'new-passphrase' ? 'absent' : 'locked',
      choice: this.#choice,
      tried: tried.map((t) => t.reason),
    };
  }

  /** Opens the vault, or makes it. The failure is part of the answer, so that the form can show it. */
  async unlock(passphrase: string): Promise<SecretStoreInfo> {
    const { vault } = await this.#opened();
    this.#options.redactor.add(passphrase);
    try {
      if (await vault.exists()) await vault.unlock(passphrase);
      else await vault.create(passphrase);
    } catch (error) {
      return { ...(await this.info()), failure: toFailure(error) };
    }
    return this.info();
  }

  async get(profile: string, field: string): Promise<string | undefined> {
    const handed = this.#options.handed?.get(profileAccount(profile, field));
    if (handed === undefined) return (await this.#store()).get(profileAccount(profile, field));
    this.#options.redactor.add(handed);
    return handed;
  }

  async set(profile: string, field: string, secret: string): Promise<void> {
    await (await this.#store()).set(profileAccount(profile, field), secret);
  }

  async delete(profile: string, field: string): Promise<void> {
    await (await this.#store()).delete(profileAccount(profile, field));
  }

  async close(): Promise<void> {
    const stores = await this.#stores;
    stores?.keychain.close();
    stores?.vault.lock();
  }

  #opened(): Promise<SecretStores> {
    this.#stores ??= this.#options.openStores();
    return this.#stores;
  }

  async #look(preference: SecretStoreChoice): Promise<ChosenStore> {
    const [{ keychain, vault }, { chooseStore }] = await Promise.all([
      this.#opened(),
      import('./secrets/choose-store.ts'),
    ]);
    return chooseStore({ preference, keychain, vault, canAsk: this.#options.canAsk });
  }

  #current(): Promise<ChosenStore> {
    this.#chosen ??= this.#look(this.#choice);
    return this.#chosen;
  }

  async #store(): Promise<SecretStore> {
    const { store } = await this.#current();
    if (store.kind === 'vault' && (await this.#opened()).vault.locked) {
      throw new AppError('auth', 'the vault is locked', {
        hint: 'unlock it on the Credentials screen, or give its passphrase with --vault-passphrase env:NAME',
      });
    }
    return redacting(store, this.#options.redactor);
  }
}
