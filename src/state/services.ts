/** What effects work with. Made once by the composition root (`compose.ts`); tests make their own. */
import type { Connector } from '../convert/sessions.ts';
import type { EnvironmentPlugin } from '../env-plugins/plugin.ts';
import type { OwnRun, Runs } from './runs.ts';
import type { SecretKeeper } from './secret-keeper.ts';
import type { Redactor } from './secrets/redact.ts';
import type { Catalog, EnvironmentInfo, LeftOutPlugin } from './state.ts';
import type { History } from './stores/history.ts';
import type { KeptStore } from './stores/kept-store.ts';
import type { PreferencesStore } from './stores/preferences.ts';
import type { ProfileStore } from './stores/profiles.ts';

/** Plugins that do not come along. */
export interface OutsidePlugins {
  /** Loads them, once: they join `Services.plugins`. */
  load(): Promise<LoadedOutside>;
  /**
   * The user's word for one that is left out, by its key: loads it. Resolves to all there are now.
   * @throws AppError `not-found`, `conflict`, and whatever trying it comes to.
   */
  trust(key: string): Promise<LoadedOutside>;
}

export interface LoadedOutside {
  readonly environments: readonly EnvironmentInfo[];
  readonly leftOut: readonly LeftOutPlugin[];
}

export interface Services {
  readonly plugins: readonly EnvironmentPlugin[];
  readonly outside?: OutsidePlugins;
  readonly catalog: Catalog;
  readonly preferences: PreferencesStore;
  readonly profiles: ProfileStore;
  readonly history: History;
  /** Copies of machines that conversions keep. Absent: there is no place for them. */
  readonly kept?: KeptStore;
  readonly secrets: SecretKeeper;
  readonly redactor: Redactor;
  /** Where the user's own rules are, `docs/rules.md`. */
  readonly rulesFolder?: string;
  /** Runs in processes of their own; the full-screen program begins all of its runs there. Absent: none. */
  readonly runs?: Runs;
  /** This process is that of one run. */
  readonly own?: OwnRun;
  /** The full-screen program: what was chosen is offered again next time. */
  readonly interactive: boolean;
  /** Somebody is there who can be asked for a line, such as a one-time code. Default: nobody. */
  readonly canAnswer?: boolean;
  /** Secrets of the command line, by field, over those of the profile. */
  readonly givenSecrets: ReadonlyMap<string, () => Promise<string>>;
}

/** What makes a connector of a plugin list; the context of each connection comes from the dispatcher. */
export type { Connector };
