/** The event loop with a made-up environment: lanes, the end, what is said and what is not. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { localPlugin } from '../../src/env-plugins/local/index.ts';
import type { EnvironmentPlugin, PluginContext, Session } from '../../src/env-plugins/plugin.ts';
import { AppError } from '../../src/model/errors.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import type { Event } from '../../src/state/events.ts';
import { SecretKeeper } from '../../src/state/secret-keeper.ts';
import { KeychainStore } from '../../src/state/secrets/keychain-store.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import { VaultStore } from '../../src/state/secrets/vault-store.ts';
import { History } from '../../src/state/stores/history.ts';
import { PreferencesStore } from '../../src/state/stores/preferences.ts';
import { ProfileStore } from '../../src/state/stores/profiles.ts';
import { tempFolder } from '../temp.ts';

const secret = 'hunter2-secret';
const field = { label: 'x', help: 'x', kind: 'text', required: false } as const;

type Connect = (context: PluginContext) => Promise<Session>;
const plugin = (id: string, connect: Connect): EnvironmentPlugin => ({
  id,
  label: id,
  summary: '',
  roles: ['source'],
  fields: [{ ...field, key: 'password', kind: 'secret' }],
  connect: (_, context) => connect(context),
});

const until = (signal: AbortSignal): Promise<never> =>
  new Promise((_, stop) => {
    if (signal.aborted) stop(new AppError('cancelled', 'cancelled'));
    signal.addEventListener('abort', () => stop(new AppError('cancelled', 'cancelled')), { once: true });
  });

async function dispatcherWith(...plugins: EnvironmentPlugin[]) {
  const home = await tempFolder();
  const redactor = new Redactor();
  const dispatcher = new Dispatcher({
    interactive: false,
    plugins: [...plugins, localPlugin({ imageExtensions: ['raw'] })],
    catalog: { environments: [], products: [], formats: [] },
    preferences: new PreferencesStore(join(home, 'preferences.json'), () => undefined),
    profiles: new ProfileStore(join(home, 'profiles.json')),
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
    givenSecrets: new Map([['password', async () => secret]]),
  });
  const events: Event[] = [];
  dispatcher.watch((event) => events.push(event));
  return { dispatcher, events, home };
}

describe('a lane', () => {
  it('has one command at a time: the latest wins, the session of the other is closed', async () => {
    const closed: string[] = [];
    let let1: (session: Session) => void = () => undefined;
    const slow = plugin(
      'slow',
      () =>
        new Promise((done) => {
          let1 = done;
        }),
    );
    const quick = plugin('quick', async () => ({ close: async () => void closed.push('quick') }));
    const { dispatcher } = await dispatcherWith(slow, quick);
    const first = dispatcher.perform({ type: 'connect', environment: 'slow' }).catch((error) => error);
    await new Promise(setImmediate);
    await dispatcher.perform({ type: 'connect', environment: 'quick' });
    let1({ close: async () => void closed.push('slow') });
    expect(await first).toMatchObject({ kind: 'cancelled' });
    expect(closed).toEqual(['slow']);
    expect(dispatcher.getState().connection).toMatchObject({ status: 'connected', environment: 'quick' });
    await dispatcher.perform({ type: 'terminate' });
    expect(closed).toEqual(['slow', 'quick']);
  });

  it('is given up by cancel-connect', async () => {
    const { dispatcher } = await dispatcherWith(plugin('never', ({ signal }) => until(signal)));
    const connecting = dispatcher.dispatch({ type: 'connect', environment: 'never' });
    await new Promise(setImmediate);
    await dispatcher.dispatch({ type: 'cancel-connect' });
    await connecting;
    expect(dispatcher.getState()).toMatchObject({ connection: { status: 'none' } });
    expect(dispatcher.getState().notice).toBeUndefined();
  });
});

describe('terminate', () => {
  it('ends what connects, asks or lists, and takes no more commands', async () => {
    const asking = plugin('asking', async ({ confirm, signal }) => {
      expect(await confirm('known host?')).toBe(false);
      return until(signal);
    });
    const { dispatcher } = await dispatcherWith(asking);
    const connecting = dispatcher.perform({ type: 'connect', environment: 'asking' }).catch((error) => error);
    await new Promise((asked) =>
      dispatcher.subscribe(() => dispatcher.getState().question && asked(undefined)),
    );
    await Promise.all([dispatcher.perform({ type: 'terminate' }), dispatcher.perform({ type: 'terminate' })]);
    expect(await connecting).toMatchObject({ kind: 'cancelled' });
    await expect(dispatcher.perform({ type: 'history' })).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('cancels a listing and closes the session behind it', async () => {
    const order: string[] = [];
    const listing = plugin('listing', async () => ({
      source: {
        list: ({ signal }) => until(signal).finally(() => order.push('list')),
        inspect: async () => Promise.reject(new AppError('not-found', 'none')),
        open: async () => Promise.reject(new AppError('not-found', 'none')),
      },
      close: async () => void order.push('close'),
    }));
    const { dispatcher } = await dispatcherWith(listing);
    await dispatcher.perform({ type: 'connect', environment: 'listing' });
    const list = dispatcher.dispatch({ type: 'list' });
    await new Promise(setImmediate);
    await dispatcher.perform({ type: 'terminate' });
    await list;
    expect(order).toEqual(['list', 'close']);
  });
});

describe('secrets', () => {
  it('that an environment babbles out are in no event, no state and no error', async () => {
    const babbling = plugin('babbling', async ({ secret: read, report, confirm, signal }) => {
      const password = await read('password');
      report(`trying ${password}`);
      const asked = confirm(`is ${password} right?`);
      await Promise.race([asked, until(signal)]);
      throw new AppError('auth', `wrong: ${password}`, { where: password, hint: password });
    });
    const { dispatcher, events } = await dispatcherWith(babbling);
    const failed = dispatcher.perform({ type: 'connect', environment: 'babbling' }).catch((error) => error);
    await new Promise((asked) =>
      dispatcher.subscribe(() => dispatcher.getState().question && asked(undefined)),
    );
    await dispatcher.perform({ type: 'answer', id: dispatcher.getState().question!.id, yes: true });
    const error = await failed;
    expect(error).toMatchObject({ kind: 'auth' });
    const { message, where, hint, cause } = error as AppError;
    expect(
      JSON.stringify([events, dispatcher.getState(), message, where, hint, String(cause)]),
    ).not.toContain(secret);
    await dispatcher.dispatch({ type: 'connect', environment: 'nowhere' });
    expect(dispatcher.getState().notice).toMatchObject({
      level: 'error',
      text: expect.stringContaining('nowhere'),
    });
    await dispatcher.dispatch({ type: 'status' });
    expect(dispatcher.getState().notice).toBeUndefined();
    expect(events.at(-1)).toEqual({ type: 'status', text: 'not connected; nothing runs' });
  });
});

describe('a run', () => {
  it('from the list to the history', async () => {
    const { dispatcher, events, home } = await dispatcherWith();
    await writeFile(join(home, 'disk.raw'), Buffer.alloc(4096, 1));
    await dispatcher.perform({ type: 'connect', environment: 'local', settings: { folders: home } });
    await dispatcher.perform({ type: 'list' });
    const id = join(home, 'disk.raw');
    expect(dispatcher.getState().machines.items.map((i) => i.machine.id)).toEqual([id]);
    await dispatcher.perform({
      type: 'draft',
      change: { folder: join(home, 'out'), container: 'disks', format: 'raw' },
    });
    await dispatcher.perform({ type: 'select', ids: [id] });
    const { planned } = dispatcher.getState();
    expect(planned).toMatchObject({ status: 'ready', bytes: 4096 });
    await dispatcher.perform({ type: 'run', plans: planned.plans });
    const { run } = dispatcher.getState();
    expect(run).toMatchObject({
      status: 'done',
      bytesDone: 4096,
      items: [{ places: [join(home, 'out', 'disk.raw')] }],
    });
    await dispatcher.perform({ type: 'history' });
    expect(dispatcher.getState().history).toMatchObject([{ outcome: 'done', bytes: 4096 }]);
    await expect(dispatcher.perform({ type: 'run', plans: [] })).rejects.toMatchObject({ kind: 'usage' });
    expect(events.filter((event) => event.type === 'run-status')).toMatchObject([{ status: 'done' }]);
    await dispatcher.perform({ type: 'another' });
    expect(dispatcher.getState().run).toBeUndefined();
    await dispatcher.perform({ type: 'terminate' });
  });
});
