/** What the user prefers, in `preferences.json`, kept by the package conf (atomic, checked by a schema). */

import { basename, dirname, extname } from 'node:path';
import type { Schema } from 'conf';
import { AppError, toAppError } from '../../model/errors.ts';
import type { PluginEntry, TrustedPlugins } from '../../plugins/entry.ts';
import { exists, keepAside, readPrivateFile, withLock } from './private-file.ts';

export interface Preferences {
  /** Folders whose images are offered as machines. */
  readonly imageFolders: readonly string[];
  readonly secretStore: 'auto' | 'keychain' | 'vault' | 'memory';
  readonly lastDestination?: { readonly product: string; readonly folder: string };
  readonly theme: 'auto' | 'plain';
  readonly confirmQuit: boolean;
  /** Where copies are kept that a plan wants (--keep). */
  readonly keptFolder?: string;
  /** Bytes that stay free there. Default: a twentieth of the filesystem, at most 1 GiB. */
  readonly keptReserveBytes?: number;
  /** Runs in processes of their own that go on at once; more wait for their turn. */
  readonly runsAtOnce: number;
  /** Plugins from outside, besides those in the plugin folder. */
  readonly plugins: readonly PluginEntry[];
  /** Which plugins from outside may be loaded. */
  readonly trustedPlugins: TrustedPlugins;
}

export const defaultPreferences: Preferences = {
  imageFolders: [],
  secretStore: 'auto',
  theme: 'auto',
  confirmQuit: true,
  runsAtOnce: 2,
  plugins: [],
  trustedPlugins: {},
};

// Keys of a later vmferry are let through and kept.
const schema: Schema<Preferences> = {
  imageFolders: { type: 'array', items: { type: 'string', minLength: 1 } },
  secretStore: { enum: ['auto', 'keychain', 'vault', 'memory'] },
  lastDestination: {
    type: 'object',
    properties: { product: { type: 'string' }, folder: { type: 'string' } },
    required: ['product', 'folder'],
  },
  theme: { enum: ['auto', 'plain'] },
  confirmQuit: { type: 'boolean' },
  keptFolder: { type: 'string', minLength: 1 },
  keptReserveBytes: { type: 'integer', minimum: 0 },
  runsAtOnce: { type: 'integer', minimum: 1 },
  plugins: {
    type: 'array',
    items: {
      oneOf: [
        {
          type: 'object',
          properties: { kind: { const: 'package' }, name: { type: 'string', minLength: 1 } },
          required: ['kind', 'name'],
        },
        {
          type: 'object',
          properties: { kind: { const: 'folder' }, path: { type: 'string', minLength: 1 } },
          required: ['kind', 'path'],
        },
        {
          type: 'object',
          properties: {
            kind: { const: 'process' },
            name: { type: 'string', minLength: 1 },
            command: { type: 'array', items: { type: 'string' }, minItems: 1 },
            described: { type: 'object' },
          },
          required: ['kind', 'name', 'command', 'described'],
        },
      ],
    },
  } as Schema<Preferences>['plugins'],
  trustedPlugins: { type: 'object', additionalProperties: { type: 'string' } },
};

export type PreferenceChanges = { readonly [K in keyof Preferences]?: Preferences[K] | undefined };

export class PreferencesStore {
  readonly path: string;
  readonly #say: (message: string) => void;

  /** `say` is told, in words for the user, when a broken file was kept aside. */
  constructor(path: string, say: (message: string) => void) {
    this.path = path;
    this.#say = say;
  }

  /** @throws AppError `auth`, `io`. A broken file is kept aside; its good values are taken over. */
  async load(): Promise<Preferences> {
    // conf would create the folder: without a file there is nothing to ask it, and a home may be read-only.
    if (!(await exists(this.path))) return defaultPreferences;
    try {
      return known((await this.#conf()).store);
    } catch (error) {
      if (!isBroken(error)) throw toAppError(error);
      return withLock(this.path, async () => known((await this.#mended()).store));
    }
  }

  /**
   * Changes the named values, keeps all others, also those written by another vmferry since; `undefined` sets
   * one back to its default.
   * @throws AppError `usage` (not a possible value), `auth`, `io`, `conflict`.
   */
  async update(changes: PreferenceChanges | ((now: Preferences) => PreferenceChanges)): Promise<Preferences> {
    return withLock(this.path, async (stillOurs) => {
      const conf = await this.#mended();
      const wanted = typeof changes === 'function' ? changes(known(conf.store)) : changes;
      const next: Partial<Record<string, unknown>> = { ...conf.store };
      for (const [key, value] of Object.entries(wanted)) {
        if (value === undefined) delete next[key];
        else next[key] = value;
      }
      stillOurs();
      try {
        conf.store = next as unknown as Preferences;
      } catch (error) {
        if (!isBroken(error)) throw toAppError(error);
        throw new AppError('usage', 'not a possible preference', { where: this.path, cause: error });
      }
      return known(conf.store);
    });
  }

  /** Under the lock: the file as it is, or, when it is broken, a new one with the values that are good. */
  async #mended() {
    try {
      return await this.#conf();
    } catch (error) {
      if (!isBroken(error)) throw toAppError(error);
    }
    const values = parsed(await readPrivateFile(this.path));
    const aside = await keepAside(this.path);
    const conf = await this.#conf();
    let kept = 0;
    for (const [key, value] of Object.entries(values)) {
      try {
        conf.set({ [key]: value } as unknown as Preferences);
        kept++;
      } catch (error) {
        if (!isBroken(error)) throw toAppError(error);
      }
    }
    const rest = kept === 0 ? 'the defaults are used' : 'its good values were taken over';
    this.#say(`the preferences were broken; the file was kept as ${aside}, ${rest}`);
    return conf;
  }

  async #conf() {
    const { default: Conf } = await import('conf');
    const extension = extname(this.path);
    return new Conf<Preferences>({
      cwd: dirname(this.path),
      configName: basename(this.path, extension),
      fileExtension: extension.slice(1),
      schema,
      accessPropertiesByDotNotation: false,
      configFileMode: 0o600,
    });
  }
}

/** conf throws plain errors: bad JSON is a SyntaxError, a bad value is told by its message only. */
function isBroken(error: unknown): boolean {
  return (
    error instanceof SyntaxError || (error instanceof Error && error.message.startsWith('Config schema'))
  );
}

function parsed(text: string | undefined): object {
  try {
    const value: unknown = JSON.parse(text ?? '');
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {};
  } catch (error) {
    if (error instanceof SyntaxError) return {};
    throw error;
  }
}

function known(store: Partial<Preferences>): Preferences {
  const picked = Object.keys(schema).filter((key) => key in store);
  return {
    ...defaultPreferences,
    ...Object.fromEntries(picked.map((key) => [key, store[key as keyof Preferences]])),
  };
}
