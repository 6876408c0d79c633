/** Saved connections, in `profiles.json`. Secrets are not here: only the names of the fields that have one. */
import { randomUUID } from 'node:crypto';
import { AppError } from '../../model/errors.ts';
import { readPrivateFile, withLock, writePrivateFile } from './private-file.ts';
import type { Profile } from './profile-file.ts';

export type { Profile } from './profile-file.ts';

/** What a user gives; without an id it is a new profile. */
export interface ProfileDraft {
  readonly id?: string | undefined;
  readonly name: string;
  readonly environment: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly secretFields: readonly string[];
}

export class ProfileStore {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** All profiles by name. @throws AppError `corrupt`, `unsupported` (written by a later vmferry), `auth`, `io`. */
  async list(): Promise<Profile[]> {
    const text = await readPrivateFile(this.path);
    if (text === undefined) return [];
    const { parseProfiles } = await import('./profile-file.ts');
    return parseProfiles(text, this.path).sort((a, b) => a.name.localeCompare(b.name));
  }

  /**
   * Adds the profile or replaces the one with its id; resolves to what was saved.
   * @throws AppError `usage` (no name, a secret among the settings), `conflict` (the name is taken),
   * `not-found` (the id is gone).
   */
  async save(draft: ProfileDraft): Promise<Profile> {
    const name = draft.name.trim();
    if (name === '') throw new AppError('usage', 'a profile needs a name');
    const open = draft.secretFields.find((key) => Object.hasOwn(draft.settings, key));
    if (open !== undefined) {
      throw new AppError('usage', `"${open}" is secret and must not be among the settings of a profile`);
    }
    return this.#change((profiles) => {
      const at = profiles.findIndex((profile) => profile.id === draft.id);
      if (draft.id !== undefined && at < 0) {
        throw new AppError('not-found', `the profile "${name}" is gone`, { hint: 'save it as a new one' });
      }
      if (profiles.some((profile, index) => index !== at && sameName(profile.name, name))) {
        throw new AppError('conflict', `there is a profile "${name}" already`, {
          hint: 'give it another name',
        });
      }
      const saved: Profile = {
        id: draft.id ?? randomUUID(),
        name,
        environment: draft.environment,
        settings: { ...draft.settings },
        secretFields: [...draft.secretFields],
        createdAt: profiles[at]?.createdAt ?? new Date().toISOString(),
      };
      if (at < 0) profiles.push(saved);
      else profiles[at] = saved;
      return saved;
    });
  }

  /**
   * Resolves to the removed profile, so that its secrets can be deleted too; to undefined when it was gone
   * already.
   */
  async remove(id: string): Promise<Profile | undefined> {
    return this.#change((profiles) => {
      const at = profiles.findIndex((profile) => profile.id === id);
      return at < 0 ? undefined : profiles.splice(at, 1)[0];
    });
  }

  /** Reads again under the lock, so that what another vmferry saved meanwhile is kept. */
  async #change<T>(edit: (profiles: Profile[]) => T): Promise<T> {
    return withLock(this.path, async (stillOurs) => {
      const profiles = await this.list();
      const result = edit(profiles);
      stillOurs();
      await writePrivateFile(this.path, `${JSON.stringify({ version: 1, profiles }, null, 2)}\n`);
      return result;
    });
  }
}

/** Two names that look alike on the screen are the same. */
function sameName(a: string, b: string): boolean {
  return a.normalize('NFKC').toLowerCase() === b.normalize('NFKC').toLowerCase();
}
