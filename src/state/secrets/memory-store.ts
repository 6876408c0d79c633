import { checkSecret, type SecretStore } from './secret-store.ts';

export class MemoryStore implements SecretStore {
  readonly kind = 'memory';
  readonly #secrets = new Map<string, string>();

  describe(): string {
    return 'memory only: forgotten when vmferry ends';
  }

  async get(account: string): Promise<string | undefined> {
    return this.#secrets.get(account);
  }

  async set(account: string, secret: string): Promise<void> {
    checkSecret(secret);
    this.#secrets.set(account, secret);
  }

  async delete(account: string): Promise<void> {
    this.#secrets.delete(account);
  }
}
