/** Plugins from outside, put together with what is built in; nothing of it is imported before it is needed. */
import type { EnvironmentPlugin } from './env-plugins/plugin.ts';
import type { PluginDescription } from './env-plugins/shapes.ts';
import { AppError } from './model/errors.ts';
import { packageRoot } from './package-root.ts';
import type { PluginPlace } from './plugins/entry.ts';
import type { PluginSources } from './plugins/find.ts';
import type { OutsidePlugin } from './plugins/load.ts';
import type { Strays } from './plugins/strays.ts';
import type { LoadedOutside, OutsidePlugins } from './state/services.ts';
import type { EnvironmentInfo } from './state/state.ts';
import type { StorePaths } from './state/stores/paths.ts';
import type { PreferencesStore } from './state/stores/preferences.ts';

export interface OutsideOptions {
  readonly paths: StorePaths;
  readonly preferences: PreferencesStore;
  /** The built-in ones; those that are loaded join them. */
  readonly plugins: EnvironmentPlugin[];
  readonly strays: Strays;
}

export function outsidePlugins(options: OutsideOptions): OutsidePlugins {
  let loading: Promise<LoadedOutside> | undefined;
  const load = () => {
    loading ??= loadOutside(options).then((found) => joined(options, found));
    return loading;
  };
  return {
    load,
    async trust(key) {
      const before = await load();
      const { findPlugins } = await import('./plugins/find.ts');
      const place = (await findPlugins(await sourcesOf(options))).find((one) => one.key === key);
      if (place === undefined) throw new AppError('not-found', 'this plugin is not there any more');
      await trustPlace(options, place);
      const { environments, leftOut } = joined(options, await loadOutside(options, key));
      loading = Promise.resolve({
        environments: [...before.environments, ...environments],
        leftOut: [...before.leftOut.filter((one) => one.key !== key), ...leftOut],
      });
      return loading;
    },
  };
}

/** What is loaded joins the others. */
function joined({ plugins }: OutsideOptions, found: readonly OutsidePlugin[]): LoadedOutside {
  const loaded = found.flatMap(({ plugin }) => (plugin === undefined ? [] : [plugin]));
  plugins.push(...loaded);
  return {
    environments: loaded.map(environmentInfo),
    leftOut: found.flatMap(({ place: { key, name, origin, where }, status, version, reason = '' }) =>
      status === 'loaded'
        ? []
        : [{ key, name, origin, where, status, reason, ...(version === undefined ? {} : { version }) }],
    ),
  };
}

const sourcesOf = async ({ paths, preferences }: OutsideOptions): Promise<PluginSources> => ({
  folder: paths.plugins,
  entries: (await preferences.load()).plugins,
  programFolder: packageRoot(),
});

/** Everything there is, also what is left out; with `only` the one with this key. */
export async function loadOutside(options: OutsideOptions, only?: string): Promise<OutsidePlugin[]> {
  const { preferences, plugins, strays } = options;
  const { trustedPlugins: trusted } = await preferences.load();
  const { loadPlugins } = await import('./plugins/load.ts');
  return loadPlugins({
    ...(await sourcesOf(options)),
    ...(only === undefined ? {} : { only }),
    trusted,
    builtIn: plugins.map((plugin) => plugin.id),
    strays,
  });
}

/**
 * Tries it, and records the user's word for it as it is now. Resolves to what it says of itself, and its hash.
 * @throws AppError `not-found`, `conflict`, and whatever trying it comes to.
 */
export async function trustPlace(
  { plugins, preferences }: Pick<OutsideOptions, 'plugins' | 'preferences'>,
  place: PluginPlace,
): Promise<{ readonly described: PluginDescription; readonly hash: string }> {
  const { code, name, where } = place;
  if (code.kind === 'missing') throw new AppError('not-found', `${name}: ${code.reason}`, { where });
  const [{ placeHash }, { tryPlugin }, { readManifest }] = await Promise.all([
    import('./plugins/content-hash.ts'),
    import('./plugins/import-plugin.ts'),
    import('./plugins/manifest.ts'),
  ]);
  const before = await placeHash(place);
  const described =
    code.kind === 'process' ? code.described : await tryPlugin(name, (await readManifest(code.path)).entry);
  if (plugins.some((plugin) => plugin.id === described.id)) {
    throw new AppError(
      'conflict',
      `its id "${described.id}" is that of an environment that is built in or loaded already`,
      {
        where,
        hint: 'a plugin needs an id of its own',
      },
    );
  }
  // What was tried is what is trusted.
  const hash = await placeHash(place);
  if (hash !== before) throw new AppError('conflict', 'it changes while it is looked at', { where });
  await preferences.update(({ trustedPlugins }) => ({
    trustedPlugins: { ...trustedPlugins, [place.key]: hash },
  }));
  return { described, hash };
}

export const environmentInfo = ({
  id,
  label,
  summary,
  roles,
  fields,
}: EnvironmentPlugin): EnvironmentInfo => ({ id, label, summary, roles, fields });
