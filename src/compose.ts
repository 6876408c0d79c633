/** The composition root: every service made once, and handed to the dispatcher. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { codecs } from './codecs/registry.ts';
import { products } from './convert/products.ts';
import { hypervPlugin } from './env-plugins/hyperv/index.ts';
import { keptPlugin } from './env-plugins/kept/index.ts';
import { libvirtPlugin } from './env-plugins/libvirt/index.ts';
import { localPlugin } from './env-plugins/local/index.ts';
import { openvzPlugin } from './env-plugins/openvz/index.ts';
import type { EnvironmentPlugin } from './env-plugins/plugin.ts';
import { sshPlugin } from './env-plugins/ssh/index.ts';
import { umlPlugin } from './env-plugins/uml/index.ts';
import { virtualboxPlugin } from './env-plugins/virtualbox/index.ts';
import { vmwareFilesPlugin } from './env-plugins/vmware-files/index.ts';
import { vspherePlugin } from './env-plugins/vsphere/index.ts';
import { xapiPlugin } from './env-plugins/xapi/index.ts';
import { type OutsideOptions, outsidePlugins } from './outside-plugins.ts';
import { packageRoot, packageVersion } from './package-root.ts';
import { Strays } from './plugins/strays.ts';
import { Dispatcher } from './state/dispatcher.ts';
import type { OwnRun, RunSecrets, Runs } from './state/runs.ts';
import { SecretKeeper } from './state/secret-keeper.ts';
import { Redactor } from './state/secrets/redact.ts';
import { ScriptSecrets } from './state/secrets/script-secrets.ts';
import type { Services } from './state/services.ts';
import type { Catalog, Profile } from './state/state.ts';
import { History } from './state/stores/history.ts';
import { KeptStore } from './state/stores/kept-store.ts';
import { type StorePaths, storePaths } from './state/stores/paths.ts';
import { PreferencesStore } from './state/stores/preferences.ts';
import { ProfileStore } from './state/stores/profiles.ts';

export interface ComposeOptions {
  /** Somebody is there to be asked for a passphrase. */
  readonly canAsk: boolean;
  /** Somebody is there to be asked for a line. Default `canAsk`. */
  readonly canAnswer?: boolean;
  /** Told in words when something was set right or can't be kept. */
  say(message: string): void;
  /** Secrets for scripts: field → reference, see `script-secrets.ts`. */
  readonly secretReferences?: ReadonlyMap<string, string>;
  /** This process is that of one run, and these secrets were handed to it. */
  readonly own?: OwnRun & { readonly secrets: RunSecrets; readonly profiles: readonly Profile[] };
  /** Reference to the vault's passphrase. */
  readonly vaultPassphrase?: string | undefined;
}

export interface Composed {
  readonly dispatcher: Dispatcher;
  readonly services: Services;
  /** What `vmferry plugins` looks at. */
  readonly outside: OutsideOptions;
}

export async function compose(options: ComposeOptions): Promise<Composed> {
  const { own } = options;
  const paths = storePaths();
  const redactor = new Redactor();
  const scripts = new ScriptSecrets({ env: process.env });
  const preferences = new PreferencesStore(paths.preferences, options.say);
  const kept = new KeptStore(paths.kept, async () => (await preferences.load()).keptFolder);
  const plugins = environmentPlugins(paths, kept);
  const outside: OutsideOptions = { paths, preferences, plugins, strays: new Strays(options.say) };
  const services: Services = {
    plugins,
    outside: outsidePlugins(outside),
    catalog: catalogOf(plugins),
    preferences,
    profiles: new ProfileStore(paths.profiles),
    history: new History(paths.runs, {
      ...(own === undefined ? {} : { firstId: own.id }),
      onFailure: (error) => options.say(`the journal can't be written: ${error.message}`),
      redact: (text) => redactor.redact(text),
      program: packageVersion(),
    }),
    kept,
    secrets: new SecretKeeper({
      async openStores() {
        const [{ KeychainStore }, { VaultStore }] = await Promise.all([
          import('./state/secrets/keychain-store.ts'),
          import('./state/secrets/vault-store.ts'),
        ]);
        return { keychain: new KeychainStore(), vault: new VaultStore(paths.vault) };
      },
      redactor,
      canAsk: options.canAsk,
      ...(own === undefined ? {} : { handed: new Map(Object.entries(own.secrets.kept)) }),
    }),
    redactor,
    rulesFolder: paths.rules,
    interactive: options.canAsk,
    canAnswer: options.canAnswer ?? options.canAsk,
    givenSecrets: new Map([
      ...[...(options.secretReferences ?? [])].map(
        ([field, reference]) => [field, () => scripts.read(reference)] as const,
      ),
      ...Object.entries(own?.secrets.given ?? {}).map(
        ([field, secret]) => [field, async () => secret] as const,
      ),
    ]),
    ...(own === undefined ? { runs: runsOf(paths) } : { own }),
  };
  if (options.vaultPassphrase !== undefined) {
    await services.secrets.unlock(await scripts.read(options.vaultPassphrase));
  }
  const dispatcher = new Dispatcher(services, own === undefined ? {} : { profiles: own.profiles });
  return { dispatcher, services, outside };
}

/** Begun by this very program. Loaded when there is something to begin or to look at. */
function runsOf(paths: StorePaths): Runs {
  const made = async () => {
    const { awayRuns, runProcessCommand } = await import('./away/away-runs.ts');
    const program = [process.execPath, ...process.execArgv, process.argv[1]!, runProcessCommand] as const;
    return awayRuns({ folder: paths.runs, program });
  };
  return {
    start: async (...args) => (await made()).start(...args),
    attach: async (...args) => (await made()).attach(...args),
    list: async () => (await made()).list(),
  };
}

function environmentPlugins(paths: StorePaths, kept: KeptStore): EnvironmentPlugin[] {
  const imageExtensions = codecs.flatMap((codec) => codec.extensions);
  return [
    localPlugin({ imageExtensions }),
    sshPlugin({ imageExtensions }),
    libvirtPlugin(),
    umlPlugin(),
    openvzPlugin(),
    vspherePlugin({ certificates: join(paths.config, 'known_certificates') }),
    vmwareFilesPlugin(),
    virtualboxPlugin(),
    xapiPlugin({ certificates: join(paths.config, 'known_certificates') }),
    hypervPlugin({ certificates: join(paths.config, 'known_certificates') }),
    keptPlugin({ folder: () => kept.folder() }),
  ];
}

function catalogOf(plugins: readonly EnvironmentPlugin[]): Catalog {
  const sample = join(packageRoot(), 'samples', 'vmferry-sample.ova');
  return {
    environments: plugins.map(({ id, label, summary, roles, fields }) => ({
      id,
      label,
      summary,
      roles,
      fields,
    })),
    products,
    formats: codecs.flatMap(({ id, label, extensions, encoder }) =>
      encoder === undefined
        ? []
        : [
            {
              ...{ id, label, extension: extensions[0]!, options: encoder.options },
              ...(encoder.backing === true ? { backing: true as const } : {}),
            },
          ],
    ),
    ...(existsSync(sample) ? { sample } : {}),
  };
}
