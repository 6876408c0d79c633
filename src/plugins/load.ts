/** All plugins from outside: which of them are trusted, and what loading them came to. */
import type { EnvironmentPlugin } from '../env-plugins/plugin.ts';
import { type AppError, describeFailure, toAppError, toFailure } from '../model/errors.ts';
import { processPlugin } from '../plugin-process/connect-process.ts';
import { placeHash } from './content-hash.ts';
import type { PluginPlace, TrustedPlugins } from './entry.ts';
import { findPlugins, type PluginSources } from './find.ts';
import { type ImportOptions, importPlugin } from './import-plugin.ts';
import { readManifest } from './manifest.ts';
import type { Strays } from './strays.ts';

export type PluginStatus = 'loaded' | 'untrusted' | 'changed' | 'broken';

export interface OutsidePlugin {
  readonly place: PluginPlace;
  readonly status: PluginStatus;
  readonly version?: string;
  /** There when it is loaded. */
  readonly plugin?: EnvironmentPlugin;
  /** Why it is left out, in words. */
  readonly reason?: string;
}

export interface LoadOptions extends PluginSources, ImportOptions {
  readonly trusted: TrustedPlugins;
  /** Ids that are taken already. */
  readonly builtIn: readonly string[];
  readonly strays: Strays;
  /** The key of the one that is wanted; absent: all. */
  readonly only?: string;
}

/** One after the other: what one does while it is loaded can be told from what another does. Never throws for one. */
export async function loadPlugins(options: LoadOptions): Promise<OutsidePlugin[]> {
  const taken = new Set(options.builtIn);
  const all: OutsidePlugin[] = [];
  const { only } = options;
  for (const place of await findPlugins(options)) {
    if (only !== undefined && place.key !== only) continue;
    const one = await loadOne(place, options);
    const id = one.plugin?.id;
    if (id !== undefined && taken.has(id)) {
      all.push(leftOut(one, `another plugin has its id "${id}" already`));
      continue;
    }
    if (id !== undefined) taken.add(id);
    all.push(one);
  }
  return all;
}

function leftOut({ plugin: _, ...one }: OutsidePlugin, reason: string): OutsidePlugin {
  return { ...one, status: 'broken', reason };
}

async function loadOne(place: PluginPlace, options: LoadOptions): Promise<OutsidePlugin> {
  const { code, key } = place;
  if (code.kind === 'missing') return { place, status: 'broken', reason: code.reason };
  let version: { readonly version?: string } = {};
  try {
    const manifest = code.kind === 'folder' ? await readManifest(code.path) : undefined;
    if (manifest?.version !== undefined) version = { version: manifest.version };
    const word = options.trusted[key];
    if (word === undefined) {
      return {
        place,
        ...version,
        status: 'untrusted',
        reason: `"vmferry plugins trust ${place.name}" loads it`,
      };
    }
    if (word !== (await placeHash(place))) {
      const reason = `it has changed since it was trusted; "vmferry plugins trust ${place.name}" loads it as it is now`;
      return { place, ...version, status: 'changed', reason };
    }
    if (code.kind === 'process') {
      return { place, status: 'loaded', plugin: processPlugin(code.command, code.described) };
    }
    const plugin = await importWatched(place.name, code.path, manifest!.entry, options);
    return { place, ...version, status: 'loaded', plugin };
  } catch (error) {
    return { place, ...version, status: 'broken', reason: inWords(toAppError(error)) };
  }
}

async function importWatched(
  name: string,
  folder: string,
  entry: string,
  { strays, ...options }: LoadOptions,
): Promise<EnvironmentPlugin> {
  strays.watch(name, folder);
  strays.loading(name);
  try {
    const plugin = await importPlugin(name, entry, options);
    // A rejection that nobody handles is told after the current turn.
    await new Promise((resolve) => setTimeout(resolve));
    const stray = strays.of(name);
    if (stray === undefined) return plugin;
    throw new Error(`it fails aside while it is loaded: ${stray}`);
  } finally {
    strays.loading(undefined);
  }
}

const inWords = (error: AppError): string => {
  const { hint: _, ...failure } = toFailure(error);
  return describeFailure(failure);
};
