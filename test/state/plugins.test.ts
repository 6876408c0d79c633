/** Plugins from outside in the dispatcher: loaded when they are asked for, and told of when they are left out. */
import { expect, it, vi } from 'vitest';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import type { Services } from '../../src/state/services.ts';
import type { LeftOutPlugin } from '../../src/state/state.ts';

const pluginOf = (id: string): EnvironmentPlugin => ({
  id,
  label: id,
  summary: id,
  roles: ['source'],
  fields: [],
  connect: async () => ({ close: async () => undefined }),
});

const stranger: LeftOutPlugin = {
  key: '/p/x',
  name: 'x',
  status: 'untrusted',
  origin: 'plugin folder',
  where: '/p/x',
  reason: 'why',
};

function withOutside(leftOut: readonly LeftOutPlugin[] = []) {
  const plugins = [pluginOf('local')];
  const load = vi.fn(async () => {
    const mine = pluginOf('mine');
    plugins.push(mine);
    return { environments: [mine], leftOut };
  });
  const trust = vi.fn(async () => {
    const late = pluginOf('x');
    plugins.push(late);
    return { environments: [pluginOf('mine'), late], leftOut: [] as LeftOutPlugin[] };
  });
  const services = {
    plugins,
    outside: { load, trust },
    catalog: { environments: [plugins[0]!], products: [], formats: [] },
    redactor: new Redactor(),
    givenSecrets: new Map(),
    secrets: { close: async () => undefined },
  } as unknown as Services;
  return { load, trust, dispatcher: new Dispatcher(services) };
}

it('are not loaded for an environment that is built in', async () => {
  const { load, dispatcher } = withOutside();
  await dispatcher.perform({ type: 'connect', environment: 'local' });
  expect(load).not.toHaveBeenCalled();
});

it('are loaded for one that is not, and shown like the others', async () => {
  const { dispatcher } = withOutside();
  await dispatcher.perform({ type: 'connect', environment: 'mine' });
  const { connection, catalog, notice } = dispatcher.getState();
  expect(connection).toMatchObject({ status: 'connected', environment: 'mine' });
  expect(catalog.environments.map((e) => e.id)).toEqual(['local', 'mine']);
  expect(notice).toBeUndefined();
});

it('that are left out are in a notice, and in the state', async () => {
  const { dispatcher } = withOutside([stranger]);
  await dispatcher.perform({ type: 'load-plugins' });
  const { notice, leftOutPlugins } = dispatcher.getState();
  expect(notice).toEqual({ level: 'warning', text: 'the plugin "x" is left out: untrusted: why' });
  expect(leftOutPlugins).toEqual([stranger]);
});

it('are loaded once they are trusted', async () => {
  const { dispatcher, trust } = withOutside([stranger]);
  await dispatcher.perform({ type: 'load-plugins' });
  await dispatcher.perform({ type: 'trust-plugin', key: '/p/x' });
  const { notice, leftOutPlugins, catalog } = dispatcher.getState();
  expect(trust).toHaveBeenCalledWith('/p/x');
  expect(catalog.environments.map((e) => e.id)).toEqual(['local', 'mine', 'x']);
  expect(leftOutPlugins).toEqual([]);
  expect(notice).toEqual({ level: 'info', text: 'the plugin "x" is trusted and loaded' });
  await expect(dispatcher.perform({ type: 'trust-plugin', key: '/p/x' })).rejects.toMatchObject({
    kind: 'not-found',
  });
});

it('that are broken all the same stay left out, with the reason', async () => {
  const { dispatcher, trust } = withOutside([stranger]);
  trust.mockResolvedValue({ environments: [], leftOut: [{ ...stranger, status: 'broken', reason: 'no' }] });
  await dispatcher.perform({ type: 'load-plugins' });
  await dispatcher.dispatch({ type: 'trust-plugin', key: '/p/x' });
  expect(dispatcher.getState().notice).toMatchObject({
    level: 'error',
    text: 'the plugin "x" is left out: no',
  });
});
