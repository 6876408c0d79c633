/** A place for secrets. Nothing here may put a secret into argv, the environment, a log or an error. */
import { AppError } from '../../model/errors.ts';

export interface SecretStore {
  readonly kind: 'keychain' | 'vault' | 'memory' | 'none';
  /** In plain words for the screen: "the system keychain". */
  describe(): string;
  /** Undefined when there is none. @throws AppError `auth` (locked), `unreachable`, `corrupt`. */
  get(account: string): Promise<string | undefined>;
  /** @throws AppError `usage` when the secret is empty; else as `get`. */
  set(account: string, secret: string): Promise<void>;
  /** Deleting what is not there is no error. */
  delete(account: string): Promise<void>;
}

export const SERVICE = 'vmferry';

export function profileAccount(profileId: string, field: string): string {
  return `profile:${profileId}:${field}`;
}

/**
 * What no store can keep without a change: keychains end a text at NUL and take no empty one. The same law for
 * all stores, so that a secret can go from one to another.
 */
export function checkSecret(secret: string): void {
  if (secret === '') throw new AppError('usage', 'an empty secret can not be kept');
  if (Buffer.from(secret).toString() !== secret)
    throw new AppError('usage', 'the secret is not valid Unicode');
  if (secret.includes('\0')) throw new AppError('usage', 'a secret with a NUL character can not be kept');
}
