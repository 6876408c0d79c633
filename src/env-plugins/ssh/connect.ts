/** A session with a host: the connection opened, the folders found. */
import { sshHost } from '../../io/host/ssh-host.ts';
import type { PluginContext, Session, Settings } from '../plugin.ts';
import { connectHost } from '../ssh-host/connect.ts';
import { destinationRole } from './destination.ts';
import type { SshPluginOptions } from './index.ts';
import { foldersOf, remotePath } from './settings.ts';
import { sourceRole } from './source.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export async function connect(
  settings: Settings,
  context: PluginContext,
  options: SshPluginOptions,
): Promise<Session> {
  const { signal } = context;
  const connection = await connectHost(settings, context);
  try {
    const home = await (await connection.sftp(signal)).realpath('.', signal);
    const host = sshHost(connection, { tell: context.note });
    const folders = foldersOf(settings).map((folder) => remotePath(folder, home));
    return {
      source: sourceRole(connection, { home, folders, imageExtensions: options.imageExtensions }, host),
      destination: destinationRole(host, home),
      close: () => host.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
