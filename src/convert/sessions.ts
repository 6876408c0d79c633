/** Environments by id, and how a session with one is opened. */
import type { EnvironmentPlugin, PluginContext, Session, Settings } from '../env-plugins/plugin.ts';
import { AppError } from '../model/errors.ts';

export interface ConnectRequest {
  readonly environment: string;
  readonly profile?: string | undefined;
  readonly settings: Settings;
  /** The source where it is absent: the secrets of the one are never given to the other. */
  readonly role?: 'destination';
}

/** What a session needs of the outside: secrets at the moment of use, a question, a line for the screen. */
export type Connector = (request: ConnectRequest, signal: AbortSignal) => Promise<Session>;

export function connector(
  plugins: readonly EnvironmentPlugin[],
  contextOf: (request: ConnectRequest, signal: AbortSignal) => PluginContext,
): Connector {
  return (request, signal) =>
    pluginById(plugins, request.environment).connect(request.settings, contextOf(request, signal));
}

/** @throws AppError `usage` listing what there is. */
export function pluginById(plugins: readonly EnvironmentPlugin[], id: string): EnvironmentPlugin {
  const plugin = plugins.find((p) => p.id === id);
  if (plugin !== undefined) return plugin;
  throw new AppError('usage', `"${id}" is not an environment known here`, {
    hint: `known are: ${plugins.map((p) => p.id).join(', ')}`,
  });
}
