/** Environments from outside this program: loaded when one is asked for, and when the full-screen program starts. */
import { AppError } from '../../model/errors.ts';
import type { Effect, EffectContext } from '../dispatcher.ts';
import type { LoadedOutside } from '../services.ts';

export const load: Effect<'load-plugins'> = async (_, context) => {
  const { services, emit } = context;
  const outside = await services.outside?.load();
  if (outside === undefined) return;
  show(outside, context);
  if (outside.leftOut.length === 0) return;
  const told = outside.leftOut.map(
    ({ name, status, reason }) => `the plugin "${name}" is left out: ${status}: ${reason}`,
  );
  const text = services.redactor.redact(told.join('; '));
  emit({ type: 'notice', notice: { level: 'warning', text } });
};

export const trust: Effect<'trust-plugin'> = async ({ key }, context) => {
  const { services, emit, getState } = context;
  const plugin = getState().leftOutPlugins.find((one) => one.key === key);
  if (services.outside === undefined || plugin === undefined)
    throw new AppError('not-found', 'this plugin is not there any more');
  const outside = await services.outside.trust(key);
  show(outside, context);
  const still = outside.leftOut.find((one) => one.key === key);
  if (still !== undefined)
    throw new AppError('bug', `the plugin "${still.name}" is left out: ${still.reason}`);
  emit({
    type: 'notice',
    notice: { level: 'info', text: `the plugin "${plugin.name}" is trusted and loaded` },
  });
};

function show({ environments, leftOut }: LoadedOutside, { services, emit, getState }: EffectContext): void {
  const { catalog, leftOutPlugins } = getState();
  const known = new Set(catalog.environments.map((e) => e.id));
  const more = environments.filter((e) => !known.has(e.id));
  if (more.length > 0)
    emit({ type: 'catalog', catalog: { ...catalog, environments: [...catalog.environments, ...more] } });
  if (leftOut.length > 0 || leftOutPlugins.length > 0)
    emit({ type: 'plugins-left-out', plugins: services.redactor.redactData(leftOut) });
}

/** What is built in is known at once; for any other one the plugins from outside are looked at first. */
export async function knowEnvironment(context: EffectContext, id: string): Promise<void> {
  const { plugins } = context.services;
  if (!plugins.some((plugin) => plugin.id === id)) await context.perform({ type: 'load-plugins' });
}
