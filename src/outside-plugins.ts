/** Plugins from outside, put together with what is built in; nothing of it is imported before it is needed. */
import type { EnvironmentPlugin } from './env-plugins/plugin.ts';
import { packageRoot } from './package-root.ts';
import type { OutsidePlugin } from './plugins/load.ts';
import type { Strays } from './plugins/strays.ts';
import type { OutsidePlugins } from './state/services.ts';
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
  let loading: ReturnType<OutsidePlugins['load']> | undefined;
  return {
    load() {
      loading ??= loadOnce(options);
      return loading;
    },
  };
}

async function loadOnce(options: OutsideOptions): ReturnType<OutsidePlugins['load']> {
  const { plugins } = options;
  const found = await loadOutside(options);
  const loaded = found.flatMap(({ plugin }) => (plugin === undefined ? [] : [plugin]));
  plugins.push(...loaded);
  return {
    environments: loaded.map(environmentInfo),
    leftOut: found
      .filter((one) => one.status !== 'loaded')
      .map(
        ({ place, status, reason }) => `the plugin "${place.name}" is left out: ${status}: ${reason ?? ''}`,
      ),
  };
}

/** Everything there is, also what is left out. */
export async function loadOutside(options: OutsideOptions): Promise<OutsidePlugin[]> {
  const { paths, preferences, plugins, strays } = options;
  const { plugins: entries, trustedPlugins: trusted } = await preferences.load();
  const { loadPlugins } = await import('./plugins/load.ts');
  return loadPlugins({
    folder: paths.plugins,
    entries,
    programFolder: packageRoot(),
    trusted,
    builtIn: plugins.map((plugin) => plugin.id),
    strays,
  });
}

export const environmentInfo = ({
  id,
  label,
  summary,
  roles,
  fields,
}: EnvironmentPlugin): EnvironmentInfo => ({ id, label, summary, roles, fields });
