/** A session with a host: the settings checked, the connection opened, the folders found. */
import { connectSsh } from '../../io/ssh/connect.ts';
import type { PluginContext, Session, Settings } from '../plugin.ts';
import type { SshPluginOptions } from './index.ts';
import { foldersOf, keyFileOf, remotePath, targetOf } from './settings.ts';
import { sourceRole } from './source.ts';

/** @throws AppError `usage`, `unreachable`, `auth`, `cancelled`. */
export async function connect(
  settings: Settings,
  context: PluginContext,
  options: SshPluginOptions,
): Promise<Session> {
  const { signal, report, confirm } = context;
  const connection = await connectSsh(
    targetOf(settings),
    {
      keyFile: keyFileOf(settings),
      agent: process.env.SSH_AUTH_SOCK,
      password: () => context.secret('password'),
      passphrase: () => context.secret('keyPassphrase'),
    },
    { signal, report, confirm },
  );
  try {
    const home = await (await connection.sftp(signal)).realpath('.', signal);
    const folders = foldersOf(settings).map((folder) => remotePath(folder, home));
    return {
      source: sourceRole(connection, { home, folders, imageExtensions: options.imageExtensions }),
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}
