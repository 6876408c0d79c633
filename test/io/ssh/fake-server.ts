/** An SSH server made of ssh2, for what sshd never does: second factors, expired passwords, odd SFTP answers. */
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ssh2, { type AuthContext, type SFTPWrapper } from 'ssh2';
import { onTestFinished } from 'vitest';
import type { SshAuth } from '../../../src/io/ssh/authentication.ts';
import { connectSsh } from '../../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { tempFolder } from '../../temp.ts';

export interface FakeServer {
  authenticate?(context: AuthContext): void;
  sftp?(sftp: SFTPWrapper): void;
}

/** Starts it and connects to it with the password `secret`. */
export async function connectToFake(fake: FakeServer, auth: Partial<SshAuth> = {}): Promise<SshConnection> {
  // Not by ssh2: some of the keys that it makes it can't read.
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: { type: 'spki', format: 'pem' },
  });
  const parsed = ssh2.utils.parseKey(privateKey);
  if (parsed instanceof Error) throw parsed;
  const server = new ssh2.Server({ hostKeys: [privateKey] }, (client) => {
    client.on('error', () => undefined);
    client.on('authentication', (context) => {
      if (fake.authenticate === undefined) context.accept();
      else fake.authenticate(context);
    });
    client.on('session', (accept) => {
      accept().on('sftp', (acceptSftp) => fake.sftp?.(acceptSftp()));
    });
    onTestFinished(() => void client.end());
  });
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const file = join(await tempFolder(), 'known_hosts');
  await writeFile(file, `[127.0.0.1]:${port} ${parsed.type} ${parsed.getPublicSSH().toString('base64')}\n`);
  const connection = await connectSsh(
    { host: '127.0.0.1', port, user: 'me' },
    {
      keyFile: '/nonexistent',
      password: async () => 'secret',
      passphrase: async () => 'secret',
      ...auth,
    },
    { confirm: async () => false, knownHosts: { user: file, system: [] } },
  );
  onTestFinished(() => connection.close());
  return connection;
}
