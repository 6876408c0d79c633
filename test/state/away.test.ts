/** Runs in processes of their own, as the dispatcher sees them: what is handed over, told here, asked, left and lost. */
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import { AppError } from '../../src/model/errors.ts';
import type { Plan } from '../../src/model/plan.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import type { Event } from '../../src/state/events.ts';
import type { RunLink, RunRequest, Runs, RunWish } from '../../src/state/runs.ts';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { KeychainStore } from '../../src/state/secrets/keychain-store.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import { History } from '../../src/state/stores/history.ts';
import { PreferencesStore } from '../../src/state/stores/preferences.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { run as sample } from '../screens/states.ts';
import { tempFolder } from '../temp.ts';

const id = '20260101-000000-0001';
const plan: Plan = sample.items[0]!.plan;

/** One process, which does what the test says. */
function madeUpRuns(refuses?: AppError) {
  const sent: RunWish[] = [];
  const requests: RunRequest[] = [];
  let tell: (event: Event) => void = () => undefined;
  let end: (error?: Error) => void = () => undefined;
  const open = (hear: (event: Event) => void): RunLink => {
    tell = hear;
    const ended = new Promise<void>((done, lost) => {
      end = (error) => (error === undefined ? done() : lost(error));
    });
    hear({ type: 'run-entered', run: { ...sample, id, status: 'running', away: id } });
    return { id, ended, send: (wish) => sent.push(wish), close: () => end() };
  };
  const runs: Runs = {
    async start(request, hear) {
      requests.push(request);
      if (refuses !== undefined) throw refuses;
      return open(hear);
    },
    attach: async (_, hear) => open(hear),
    list: async () => [],
  };
  return { runs, sent, requests, tell: (event: Event) => tell(event), end: (error?: Error) => end(error) };
}

async function dispatcherWith(runs: Runs) {
  const home = await tempFolder();
  const redactor = new Redactor();
  const keychain = new KeychainStore();
  const secrets = new SecretKeeper({
    openStores: async () => ({ keychain, vault: new VaultStore(join(home, 'vault.json')) }),
    redactor,
    canAsk: false,
  });
  await secrets.choose('memory');
  const profiles = new ProfileStore(join(home, 'profiles.json'));
  const dispatcher = new Dispatcher({
    ...{ interactive: true, canAnswer: true, runs, redactor, secrets, profiles },
    plugins: [localPlugin({ imageExtensions: ['raw'] })],
    catalog: { environments: [], products: [], formats: [] },
    preferences: new PreferencesStore(join(home, 'preferences.json'), () => undefined),
    history: new History(join(home, 'runs'), { onFailure: () => undefined, redact: (text) => text }),
    givenSecrets: new Map([['identity', async () => 'AGE-SECRET-KEY-1']]),
  });
  onTestFinished(() => dispatcher.perform({ type: 'terminate' }));
  return { dispatcher, secrets, profiles, state: () => dispatcher.getState() };
}

const settled = (work: Promise<void>) =>
  work.then(
    () => undefined,
    (error) => error,
  );

it('hands over the secrets of the profiles that a plan names, and tells here what the run tells', async () => {
  const there = madeUpRuns();
  const { dispatcher, secrets, profiles, state } = await dispatcherWith(there.runs);
  const save = (name: string) =>
    profiles.save({ name, environment: 'vsphere', settings: {}, secretFields: ['password'] });
  const [named, other] = [await save('lab'), await save('other')];
  for (const profile of [named, other]) await secrets.set(profile.id, 'password', `of ${profile.name}`);
  const plans = [{ ...plan, source: { ...plan.source, profile: named.id } }];
  const done = settled(dispatcher.perform({ type: 'run', plans, when: { at: 5 } }));
  expect(state().run).toMatchObject({ status: 'running', items: [{ status: 'waiting' }] });
  await expect.poll(() => state().run?.id).toBe(id);
  expect(there.requests).toMatchObject([
    {
      ...{ plans, when: { at: 5 }, profiles: [{ name: 'lab' }] },
      secrets: {
        given: { identity: 'AGE-SECRET-KEY-1' },
        kept: { [`profile:${named.id}:password`]: 'of lab' },
      },
    },
  ]);
  expect(JSON.stringify(there.requests)).not.toContain('of other');
  await dispatcher.perform({ type: 'pause' });
  await dispatcher.perform({ type: 'rate', bytesPerSecond: 7 });
  expect(there.sent).toEqual([{ type: 'pause' }, { type: 'rate', bytesPerSecond: 7 }]);
  there.tell({ type: 'run-limit', bytesPerSecond: 7 });
  expect(state().run?.limit).toBe(7);
  there.tell({ type: 'run-status', status: 'cancelled', at: 9 });
  there.end();
  expect(await done).toMatchObject({ kind: 'cancelled' });
});

it('puts its questions here, and gives back the answers that were given here alone', async () => {
  const there = madeUpRuns();
  const { dispatcher, state } = await dispatcherWith(there.runs);
  const done = settled(dispatcher.perform({ type: 'attach', id }));
  await expect.poll(() => state().run?.away).toBe(id);
  const ask = (number: number) =>
    there.tell({
      type: 'question',
      question: { id: number, text: 'Code:', from: 'a host', entry: 'hidden' },
    });
  ask(41);
  await dispatcher.perform({ type: 'answer', id: state().question!.id, yes: true, text: 'code-1' });
  await expect.poll(() => there.sent).toEqual([{ type: 'answer', id: 41, yes: true, text: 'code-1' }]);
  ask(42);
  expect(state().question).toMatchObject({ text: 'Code:', from: 'a host' });
  // Somebody else has answered.
  there.tell({ type: 'question' });
  expect(state().question).toBeUndefined();
  ask(43);
  await dispatcher.perform({ type: 'terminate' });
  await done;
  expect(there.sent).toHaveLength(1);
});

it('is left, and begun again elsewhere; to stop is a wish, too', async () => {
  const there = madeUpRuns();
  const { dispatcher, state } = await dispatcherWith(there.runs);
  const first = settled(dispatcher.perform({ type: 'attach', id }));
  await expect.poll(() => state().run?.away).toBe(id);
  await dispatcher.perform({ type: 'detach' });
  expect(await first).toBeUndefined();
  expect(state().run).toBeUndefined();
  expect(state().notice?.text).toContain(`vmferry attach ${id}`);
  const second = settled(dispatcher.perform({ type: 'attach', id }));
  await expect.poll(() => state().run?.away).toBe(id);
  const ended = dispatcher.perform({ type: 'terminate', stop: true });
  await expect.poll(() => there.sent).toEqual([{ type: 'cancel' }]);
  there.tell({ type: 'run-status', status: 'cancelled', at: 9 });
  there.end();
  await Promise.all([ended, second]);
});

it('a process that is lost ends its run here', async () => {
  const there = madeUpRuns();
  const { dispatcher, state } = await dispatcherWith(there.runs);
  const done = settled(dispatcher.perform({ type: 'attach', id }));
  await expect.poll(() => state().run?.away).toBe(id);
  there.end(new AppError('io', 'it has ended without a word'));
  expect(await done).toMatchObject({ kind: 'io' });
  expect(state().run?.status).toBe('failed');
  expect(state().run?.items.some(({ failure }) => failure?.message.includes('without a word'))).toBe(true);
});

it('where there can be no process, it runs inside of the program and says so', async () => {
  const { runs } = madeUpRuns(new AppError('io', 'no space for a socket'));
  const { dispatcher, state } = await dispatcherWith(runs);
  await settled(dispatcher.perform({ type: 'run', plans: [plan] }));
  expect(
    state()
      .run?.log.map(({ text }) => text)
      .join(),
  ).toContain('no space for a socket');
  expect(state().run).toMatchObject({ status: 'failed' });
  expect(state().run?.away).toBeUndefined();
});
