/** Environments from outside this program: loaded when one is asked for, and when the full-screen program starts. */
import type { Effect, EffectContext } from '../dispatcher.ts';

export const load: Effect<'load-plugins'> = async (_, { services, emit, getState }) => {
  const outside = await services.outside?.load();
  if (outside === undefined) return;
  const { catalog } = getState();
  const known = new Set(catalog.environments.map((e) => e.id));
  const more = outside.environments.filter((e) => !known.has(e.id));
  if (more.length > 0)
    emit({ type: 'catalog', catalog: { ...catalog, environments: [...catalog.environments, ...more] } });
  if (outside.leftOut.length === 0) return;
  const text = services.redactor.redact(outside.leftOut.join('; '));
  emit({ type: 'notice', notice: { level: 'warning', text } });
};

/** What is built in is known at once; for any other one the plugins from outside are looked at first. */
export async function knowEnvironment(context: EffectContext, id: string): Promise<void> {
  const { plugins } = context.services;
  if (!plugins.some((plugin) => plugin.id === id)) await context.perform({ type: 'load-plugins' });
}
