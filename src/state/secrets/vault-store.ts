/** Secrets in an encrypted file, for where there is no keychain. Only the key is in memory while it is open. */
import { AppError } from '../../model/errors.ts';
import { exists, readPrivateFile, withLock, writePrivateFile } from '../stores/private-file.ts';
import { checkSecret, type SecretStore } from './secret-store.ts';
import type { Cost, Secrets, VaultFile, VaultKey } from './vault-file.ts';
import { DEFAULT_COST, fits, keyFor, newKey, parseVault, seal, unseal } from './vault-file.ts';

const SHORTEST_PASSPHRASE = 8;

export class VaultStore implements SecretStore {
  readonly kind = 'vault';
  readonly path: string;
  readonly #cost: Cost;
  #key: VaultKey | undefined;

  /** `cost`: what scrypt takes for a new passphrase; a test makes it cheap. */
  constructor(path: string, cost: Cost = DEFAULT_COST) {
    this.path = path;
    this.#cost = cost;
  }

  describe(): string {
    return `an encrypted file (vault), ${this.path}`;
  }

  get locked(): boolean {
    return this.#key === undefined;
  }

  exists(): Promise<boolean> {
    return exists(this.path);
  }

  /** A new, empty vault, open. @throws AppError `conflict` when there is one, `usage` (passphrase too short). */
  async create(passphrase: string): Promise<void> {
    checkPassphrase(passphrase);
    const key = await newKey(passphrase, this.#cost);
    await withLock(this.path, async (stillOurs) => {
      if (await this.exists()) {
        throw new AppError('conflict', 'there is a vault already', {
          where: this.path,
          hint: 'give its passphrase',
        });
      }
      stillOurs();
      await writePrivateFile(this.path, seal(new Map(), key));
    });
    this.#key = key;
  }

  /** @throws AppError `auth` (wrong passphrase), `not-found`, `corrupt`, `unsupported`. */
  async unlock(passphrase: string): Promise<void> {
    const file = await this.#read();
    const key = await keyFor(passphrase, file, this.path);
    unseal(file, key, this.path);
    this.#key = key;
  }

  /** Forgets the key. It is not overwritten: a write under way still needs it. */
  lock(): void {
    this.#key = undefined;
  }

  /** @throws AppError `auth` when the old one is wrong, `usage` when the new one is too short. */
  async changePassphrase(old: string, next: string): Promise<void> {
    checkPassphrase(next);
    const oldKey = await keyFor(old, await this.#read(), this.path);
    const key = await newKey(next, this.#cost);
    await withLock(this.path, async (stillOurs) => {
      const secrets = await this.#open(oldKey);
      stillOurs();
      await writePrivateFile(this.path, seal(secrets, key));
    });
    this.#key = key;
  }

  async get(account: string): Promise<string | undefined> {
    return (await this.#open(this.#unlocked())).get(account);
  }

  async set(account: string, secret: string): Promise<void> {
    checkSecret(secret);
    await this.#change((secrets) => {
      secrets.set(account, secret);
      return true;
    });
  }

  async delete(account: string): Promise<void> {
    await this.#change((secrets) => secrets.delete(account));
  }

  /** Reads again under the lock, so that what another vmferry wrote meanwhile is kept. */
  async #change(edit: (secrets: Secrets) => boolean): Promise<void> {
    const key = this.#unlocked();
    await withLock(this.path, async (stillOurs) => {
      const secrets = await this.#open(key);
      if (!edit(secrets)) return;
      stillOurs();
      await writePrivateFile(this.path, seal(secrets, key));
    });
  }

  async #open(key: VaultKey): Promise<Secrets> {
    const file = await this.#read();
    if (!fits(key, file)) {
      this.#key = undefined;
      throw new AppError('auth', 'the passphrase of the vault was changed', {
        where: this.path,
        hint: 'give the new one',
      });
    }
    return unseal(file, key, this.path);
  }

  async #read(): Promise<VaultFile> {
    const text = await readPrivateFile(this.path);
    if (text === undefined) {
      throw new AppError('not-found', 'there is no vault', { where: this.path, hint: 'create one' });
    }
    return parseVault(text, this.path);
  }

  #unlocked(): VaultKey {
    if (this.#key) return this.#key;
    throw new AppError('auth', 'the vault is locked', { where: this.path, hint: 'give its passphrase' });
  }
}

function checkPassphrase(passphrase: string): void {
  if ([...passphrase].length < SHORTEST_PASSPHRASE) {
    throw new AppError('usage', `the passphrase of a vault has at least ${SHORTEST_PASSPHRASE} characters`);
  }
}
