/** The suite of all plugins, against a real sshd. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { onTestFinished, vi } from 'vitest';
import type { PluginContext } from '../../../src/env-plugins/plugin.ts';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import { noSecrets, testSource } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { overStreams } from '../../plugin-process/over-streams.ts';
import { addUser, canAddUsers, freePort, kill, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

async function images(): Promise<string> {
  const folder = await tempFolder();
  await writeFile(join(folder, 'a.raw'), Buffer.alloc(100_000, 1));
  await writeFile(join(folder, "odd 'name' $(x).raw"), Buffer.alloc(100, 2));
  await writeFile(join(folder, 'long.raw'), Buffer.alloc(3_000_000, 3));
  return folder;
}

/** A home in which the host is known, and no agent: what this user has is no business of the test. */
async function atHome(server: Pick<Sshd, 'port' | 'hostKey'> | undefined): Promise<void> {
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  if (server !== undefined)
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
}

for (const [name, behind] of [
  ['files over SSH', (plugin: ReturnType<typeof sshPlugin>) => plugin],
  ['files over SSH, behind the protocol', overStreams],
] as const) {
  const plugin = behind(sshPlugin({ imageExtensions: ['raw'] }));
  const connect = async (settings: Record<string, string>, context: PluginContext = noSecrets()) => {
    const session = await plugin.connect(settings, context);
    onTestFinished(() => session.close());
    return session;
  };
  const withKey = ({ port, user, key }: Sshd, folders: string) => ({
    host: '127.0.0.1',
    port: String(port),
    user,
    keyFile: key,
    folders,
  });

  describeWith(sshdTools, name, () => {
    testSource(
      name,
      async () => {
        const server = await startSshd();
        await atHome(server);
        return connect(withKey(server, await images()));
      },
      {
        async again() {
          const server = await startSshd();
          await atHome(server);
          const settings = withKey(server, await images());
          return { connect: () => connect(settings) };
        },
        ...(canAddUsers
          ? {
              wrongSecret: {
                secret: 'not-the-password',
                async connect() {
                  const server = await startSshd({ config: ['PasswordAuthentication yes', 'UsePAM no'] });
                  await atHome(server);
                  const { name: user } = addUser(await tempFolder());
                  return connect(
                    { host: '127.0.0.1', port: String(server.port), user, folders: '/' },
                    { ...noSecrets(), secret: async () => 'not-the-password' },
                  );
                },
              },
            }
          : {}),
        async noHost() {
          await atHome(undefined);
          return connect({ host: '127.0.0.1', port: String(await freePort()), user: 'x', folders: '/' });
        },
        async slowConnect(signal) {
          // Takes the connection, and never says a word.
          const silent = createServer().listen(0, '127.0.0.1');
          await new Promise((resolve) => silent.once('listening', resolve));
          onTestFinished(() => void silent.close());
          silent.on('connection', (socket) => {
            socket.on('error', () => undefined);
            onTestFinished(() => void socket.destroy());
          });
          await atHome(undefined);
          const { port } = silent.address() as { port: number };
          return connect(
            { host: '127.0.0.1', port: String(port), user: 'x', folders: '/' },
            noSecrets(signal),
          );
        },
        async breakable() {
          const server = await startSshd();
          await atHome(server);
          return {
            session: await connect(withKey(server, await images())),
            async break() {
              for (const pid of server.sessions()) kill(pid, 'SIGKILL');
              await server.stop();
            },
            breaks: 'reading',
            waits: true,
          };
        },
      },
    );
  });
}
