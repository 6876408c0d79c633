/** A connection to a test's own sshd, by its key, closed with the test. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { connectSsh, type SshOptions } from '../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../src/io/ssh/connection.ts';
import { AppError } from '../../src/model/errors.ts';
import { tempFolder } from '../temp.ts';
import type { Sshd } from './sshd.ts';

export async function connectTo(
  server: Pick<Sshd, 'port' | 'user' | 'key' | 'hostKey'>,
  options: Partial<SshOptions> & { port?: number } = {},
): Promise<SshConnection> {
  const { port = server.port, ...rest } = options;
  const file = join(await tempFolder(), 'known_hosts');
  await writeFile(file, `[127.0.0.1]:${port} ${server.hostKey()}\n`);
  const none = async (): Promise<string> => {
    throw new AppError('auth', 'there is none');
  };
  const connection = await connectSsh(
    { host: '127.0.0.1', port, user: server.user },
    { keyFile: server.key, password: none, passphrase: none },
    { confirm: async () => false, knownHosts: { user: file, system: [] }, ...rest },
  );
  onTestFinished(() => connection.close());
  return connection;
}
