/** A dispatcher between two environments in memory, `a` and `b`. */
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { products } from '../../src/convert/products.ts';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import type { Event } from '../../src/state/events.ts';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { KeychainStore } from '../../src/state/secrets/keychain-store.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import type { Services } from '../../src/state/services.ts';
import { History } from '../../src/state/stores/history.ts';
import { PreferencesStore } from '../../src/state/stores/preferences.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { tempFolder } from '../temp.ts';
import { type Memory, memoryPlugin } from './memory-plugin.ts';

export async function between(
  from: Memory,
  to: Memory,
  given: Record<string, string> = {},
  canAnswer = false,
) {
  const home = await tempFolder();
  const redactor = new Redactor();
  const plugins = [localPlugin({ imageExtensions: ['raw'] }), memoryPlugin('a', from), memoryPlugin('b', to)];
  const profiles = new ProfileStore(join(home, 'profiles.json'));
  const services: Services = {
    interactive: false,
    canAnswer,
    plugins,
    catalog: { environments: plugins, products, formats: [] },
    preferences: new PreferencesStore(join(home, 'preferences.json'), () => undefined),
    profiles,
    history: new History(join(home, 'runs'), {
      onFailure: () => undefined,
      redact: (text) => redactor.redact(text),
    }),
    secrets: new SecretKeeper({
      openStores: async () => ({
        keychain: new KeychainStore(),
        vault: new VaultStore(join(home, 'vault.json')),
      }),
      redactor,
      canAsk: false,
    }),
    redactor,
    givenSecrets: new Map(Object.entries(given).map(([key, value]) => [key, async () => value])),
  };
  const dispatcher = new Dispatcher(services);
  onTestFinished(() => dispatcher.perform({ type: 'terminate' }));
  const events: Event[] = [];
  dispatcher.watch((event) => events.push(event));
  const state = () => dispatcher.getState();
  const choose = async (settings: Record<string, string> = {}) => {
    await dispatcher.perform({ type: 'connect', environment: 'a', settings: { host: 'here', ...settings } });
    await dispatcher.perform({ type: 'add-machine', id: 'web', select: true, byName: true });
  };
  const deliver = (settings: Record<string, string> = {}) =>
    dispatcher.perform({
      type: 'connect-destination',
      environment: 'b',
      settings: { host: 'there', ...settings },
    });
  const run = () => dispatcher.perform({ type: 'run', plans: state().planned.plans });
  const log = () => state().run?.log.map((line) => `${line.level}: ${line.text}`) ?? [];
  // The disks of these tests are empty: that nothing is changed in them is said each time.
  const rules = () =>
    state()
      .planned.findings.filter((f) => f.rule !== 'guest.not-changed')
      .map((f) => `${f.severity} ${f.rule}`);
  return { dispatcher, services, events, state, choose, deliver, run, log, rules, profiles };
}
