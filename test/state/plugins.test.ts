/** Plugins from outside in the dispatcher: loaded when they are asked for, and told of when they are left out. */
import { expect, it, vi } from 'vitest';
import type { EnvironmentPlugin } from '../../src/env-plugins/plugin.ts';
import { Dispatcher } from '../../src/state/dispatcher.ts';
import { Redactor } from '../../src/state/secrets/redact.ts';
import type { Services } from '../../src/state/services.ts';

const pluginOf = (id: string): EnvironmentPlugin => ({
  id,
  label: id,
  summary: id,
  roles: ['source'],
  fields: [],
  connect: async () => ({ close: async () => undefined }),
});

function withOutside(leftOut: readonly string[] = []) {
  const plugins = [pluginOf('local')];
  const load = vi.fn(async () => {
    const mine = pluginOf('mine');
    plugins.push(mine);
    return { environments: [mine], leftOut };
  });
  const services = {
    plugins,
    outside: { load },
    catalog: { environments: [plugins[0]!], products: [], formats: [] },
    redactor: new Redactor(),
    givenSecrets: new Map(),
    secrets: { close: async () => undefined },
  } as unknown as Services;
  return { load, dispatcher: new Dispatcher(services) };
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

it('that are left out are in a notice', async () => {
  const { dispatcher } = withOutside(['the plugin "x" is left out: broken: why']);
  await dispatcher.perform({ type: 'load-plugins' });
  expect(dispatcher.getState().notice).toEqual({
    level: 'warning',
    text: 'the plugin "x" is left out: broken: why',
  });
});
