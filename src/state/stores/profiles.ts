/** Saved connections, in `profiles.json`. Secrets are not here: only the names of the fields that have one. */
import { randomUUID } from 'node:crypto';
import * as z from 'zod';
import { AppError } from '../../model/errors.ts';
import { readPrivateFile, withLock, writePrivateFile } from './private-file.ts';

const profileSchema = z.object({
  id: z.string().min(1),
  name: z.string().min(1),
  /** The plugin's id. */
  environment: z.string().min(1),
  settings: z.record(z.string(), z.string()),
  /** Keys whose value is in the secret store, under `profile:<id>:<key>`. */
  secretFields: z.array(z.string()),
  createdAt: z.iso.datetime(),
});
const fileSchema = z.object({ version: z.literal(1), profiles: z.array(profileSchema) });

export type Profile = Readonly<z.infer<typeof profileSchema>>;

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
    return parse(text, this.path).sort((a, b) => a.name.localeCompare(b.name));
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

/** Never mended by us: it is left as it is for the user to look at. */
function parse(text: string, where: string): Profile[] {
  const hint = 'mend the file, or move it away to start with none';
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch (cause) {
    throw new AppError('corrupt', 'the profiles are not JSON', { where, hint, cause });
  }
  const version = z.object({ version: z.number().min(2) }).safeParse(data);
  if (version.success) {
    throw new AppError('unsupported', `the profiles are of version ${version.data.version}, 1 is known`, {
      where,
      hint: 'use the newer vmferry that wrote them',
    });
  }
  const result = fileSchema.safeParse(data);
  if (!result.success) {
    const issue = result.error.issues[0];
    const place = issue?.path.join('.') || 'the file';
    throw new AppError('corrupt', `the profiles are broken at ${place}: ${issue?.message}`, { where, hint });
  }
  return result.data.profiles;
}
