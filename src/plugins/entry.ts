/** Plugins from outside this program: how the preferences name them, and where they are found. */
import type { PluginDescription } from '../env-plugins/shapes.ts';

export type PluginEntry =
  | { readonly kind: 'package'; readonly name: string }
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'process';
      /** The plugin's id here. */
      readonly name: string;
      readonly command: readonly string[];
      /** As it described itself when it was added: nothing is started to list it. */
      readonly described: PluginDescription;
    };

/** The user's word, by the key of a place: the hash of what it was given for. */
export type TrustedPlugins = Readonly<Record<string, string>>;

/** A place where a plugin is, or should be. */
export interface PluginPlace {
  /** What the trust is recorded under: the folder's real path, or `process:NAME`. */
  readonly key: string;
  /** What the user calls it. */
  readonly name: string;
  readonly origin: 'plugin folder' | 'package' | 'folder' | 'process';
  /** The folder, or the command in words. */
  readonly where: string;
  readonly code:
    | { readonly kind: 'folder'; readonly path: string }
    | { readonly kind: 'process'; readonly command: readonly string[]; readonly described: PluginDescription }
    | { readonly kind: 'missing'; readonly reason: string };
}
