/** Secrets in the system's keychain: Secret Service, macOS Keychain, Windows Credential Manager; through keytar. */
import { randomBytes } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { KeychainChild, type KeychainChildOptions, KeychainRefusal } from './keychain-child.ts';
import { checkSecret, SERVICE, type SecretStore } from './secret-store.ts';

export interface KeychainOptions extends KeychainChildOptions {
  readonly timeoutMs?: number;
  /** Shorter: at the start the user looks at an empty screen meanwhile. */
  readonly probeTimeoutMs?: number;
}

export class KeychainStore implements SecretStore {
  readonly kind = 'keychain';
  readonly #options: KeychainChildOptions;
  #child: KeychainChild;
  readonly #timeoutMs: number;
  readonly #probeTimeoutMs: number;

  constructor({ timeoutMs = 5000, probeTimeoutMs = 3000, ...child }: KeychainOptions = {}) {
    this.#options = child;
    this.#child = new KeychainChild(child);
    this.#timeoutMs = timeoutMs;
    this.#probeTimeoutMs = probeTimeoutMs;
  }

  describe(): string {
    return 'the system keychain';
  }

  /**
   * Writes, reads and deletes a throw-away secret: a keychain that can be read may still be locked for writing.
   * @throws AppError `unreachable`, `auth`, in words that say why there is no keychain.
   */
  async probe(limit = this.#probeTimeoutMs): Promise<void> {
    const account = `probe:${randomBytes(8).toString('hex')}`;
    const secret = randomBytes(8).toString('hex');
    await this.#call('setPassword', [SERVICE, account, secret], limit);
    const found = await this.#call('getPassword', [SERVICE, account], limit);
    await this.#call('deletePassword', [SERVICE, account], limit);
    if (found !== secret) {
      throw new AppError('unreachable', 'the keychain took a test secret and did not give it back');
    }
  }

  async get(account: string): Promise<string | undefined> {
    const found = await this.#call('getPassword', [SERVICE, account], this.#timeoutMs);
    return typeof found === 'string' ? found : undefined;
  }

  async set(account: string, secret: string): Promise<void> {
    checkSecret(secret);
    await this.#call('setPassword', [SERVICE, account, secret], this.#timeoutMs);
  }

  async delete(account: string): Promise<void> {
    await this.#call('deletePassword', [SERVICE, account], this.#timeoutMs);
  }

  /** Ends the helper process; it would also end with this one. */
  close(): void {
    this.#child.close();
  }

  async #call(...[method, args, limit]: Parameters<KeychainChild['call']>): Promise<unknown> {
    const child = this.#child;
    const { used } = child;
    try {
      return await child.call(method, args, limit);
    } catch (error) {
      if (!(error instanceof KeychainRefusal)) throw error;
      const explained = explain(error, args[2]);
      if (!used || explained.kind !== 'unreachable') throw explained;
      // libsecret stays with the service that it once found, also when that was restarted: ask in a new process.
      child.retire();
      if (this.#child === child) this.#child = new KeychainChild(this.#options);
      return this.#call(method, args, limit);
    }
  }
}

/** The libraries' own words are kept (a user can look them up), with what to do. */
function explain(refusal: KeychainRefusal, secret: string | undefined): AppError {
  // No library repeats the secret, as far as is known; that it never does is not promised anywhere.
  const said = secret ? refusal.message.replaceAll(secret, '••••') : refusal.message;
  const message = `the keychain says: ${said.trim().slice(0, 300)}`;
  if (/lock|prompt|dismiss|denied|not allowed|user interaction/i.test(said)) {
    return new AppError('auth', message, { hint: 'unlock the keychain, or choose the vault' });
  }
  return new AppError('unreachable', message, {
    hint: 'over SSH there often is none; choose the vault, or start a D-Bus session with a secret service',
  });
}
