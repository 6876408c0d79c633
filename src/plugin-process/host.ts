/** The host's side of the first messages, and what a plugin may ask of it; whatever carries the streams. */
import type { PluginContext, Session, Settings } from '../env-plugins/plugin.ts';
import { checkedDescription, type PluginDescription } from '../env-plugins/shapes.ts';
import { AppError } from '../model/errors.ts';
import type { Channel, Handler } from './channel.ts';
import { protocolName, protocolVersion } from './frames.ts';
import { type Roles, remoteSession } from './remote-session.ts';

export type Asked = Pick<PluginContext, 'secret' | 'report' | 'confirm'> & { readonly signal?: AbortSignal };

/** Nobody is there to be asked. */
export const nobody: Asked = {
  secret: async () => {
    throw new AppError('auth', 'no secret is given before a session is opened');
  },
  report: () => undefined,
  confirm: async () => false,
};

/** What the plugin may ask of us. */
export const answerTo =
  (context: Asked): Handler =>
  async (method, params) => {
    const { key, step, question } = (params ?? {}) as Record<string, unknown>;
    if (method === 'secret') return context.secret(String(key));
    if (method === 'confirm') return context.confirm(String(question).slice(0, 2000));
    if (method === 'report') return context.report(String(step).slice(0, 500));
    throw new AppError('unsupported', `there is no method "${method}" here`);
  };

/** Says who we are and hears who they are. @throws AppError `corrupt`, `unsupported`, `unreachable`. */
export async function greet(channel: Channel, who: string): Promise<PluginDescription> {
  const hello = channel.hello();
  channel.say({ type: 'hello', protocol: protocolName, versions: [protocolVersion] });
  const { protocol, version, versions, plugin } = await hello;
  if (protocol !== protocolName) throw new AppError('corrupt', `${who} speaks another protocol`);
  if (version !== protocolVersion) {
    const theirs = JSON.stringify(version ?? versions) ?? 'none';
    throw new AppError(
      'unsupported',
      `${who} speaks version ${theirs.slice(0, 40)} of the plugin protocol, ${protocolVersion} is known`,
      { hint: 'bring both ends to one version of vmferry' },
    );
  }
  return checkedDescription(plugin, who);
}

/** Connects the plugin at the other end. @throws AppError what it answers. */
export async function openSession(
  channel: Channel,
  settings: Settings,
  of: { readonly who: string; readonly signal: AbortSignal; readonly close: () => Promise<void> },
): Promise<Session> {
  const roles = (await channel.call('connect', { settings }, { signal: of.signal })) as Roles | null;
  return { ...remoteSession(channel, roles ?? {}, of.who), close: of.close };
}
