/** Files of a real sshd: the same bytes as here, and a clear end when the file, the server or the user gives up. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { open, symlink, truncate, writeFile } from 'node:fs/promises';
import { connect as connectSocket, createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { readBytes } from '../../../src/io/byte-source.ts';
import { connectSsh } from '../../../src/io/ssh/connect.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { sftpSource } from '../../../src/io/ssh/sftp-source.ts';
import { AppError } from '../../../src/model/errors.ts';
import { KiB, MiB } from '../../../src/model/units.ts';
import { randomBytes, randomNumbers } from '../../conformance/random.ts';
import { describeWith } from '../../oracles/requires.ts';
import { kill, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

async function connect(
  server: Pick<Sshd, 'port' | 'user' | 'key' | 'hostKey'>,
  keepAliveMs = 5000,
  timeoutMs = 20_000,
): Promise<SshConnection> {
  const file = join(await tempFolder(), 'known_hosts');
  await writeFile(file, `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  const none = async (): Promise<string> => {
    throw new AppError('auth', 'there is none');
  };
  const connection = await connectSsh(
    { host: '127.0.0.1', port: server.port, user: server.user },
    { keyFile: server.key, password: none, passphrase: none },
    { confirm: async () => false, knownHosts: { user: file, system: [] }, keepAliveMs, timeoutMs },
  );
  onTestFinished(() => connection.close());
  return connection;
}

const failure = (work: Promise<unknown>): Promise<AppError> =>
  work.then(
    () => {
      throw new Error('it should have failed');
    },
    (error) => error,
  );

async function fileOf(bytes: Uint8Array, name = 'disk.raw'): Promise<string> {
  const path = join(await tempFolder(), name);
  await writeFile(path, bytes);
  return path;
}

describeWith(sshdTools, 'a file over SFTP', () => {
  it('reads at random as it does here, also when the keys of the connection change on the way', async () => {
    const server = await startSshd({ config: ['RekeyLimit 1M', 'LogLevel DEBUG1'] });
    const connection = await connect(server);
    const next = randomNumbers(7);
    const bytes = randomBytes(9 * MiB + 12_345, 8);
    const source = await sftpSource(connection, await fileOf(bytes));
    expect(source.size).toBe(bytes.length);
    expect((await readBytes(source, 0, bytes.length)).equals(bytes)).toBe(true);
    const lengths = [0, 1, 511, 4096, 254 * KiB, 254 * KiB + 1, MiB, 3 * MiB + 7];
    const reads = Array.from({ length: 60 }, (_, i) => {
      const length = lengths[i % lengths.length]!;
      return { length, offset: Math.floor(next() * (bytes.length - length)) };
    });
    await Promise.all(
      reads.map(async ({ offset, length }) => {
        const got = await readBytes(source, offset, length);
        if (!got.equals(bytes.subarray(offset, offset + length)))
          throw new Error(`${length} at ${offset} differ`);
      }),
    );
    await source.close();
    await source.close();
    expect(server.log().match(/NEWKEYS received/g)?.length).toBeGreaterThan(5);
  });

  it('tells what is missing, no file, or not to be read', async () => {
    const connection = await connect(await startSshd());
    const folder = await tempFolder();
    expect(await failure(sftpSource(connection, `${folder}/none`))).toMatchObject({
      kind: 'not-found',
      where: `${connection.name}:${folder}/none`,
    });
    expect(await failure(sftpSource(connection, folder))).toMatchObject({ kind: 'unsupported' });
    expect(await failure(sftpSource(connection, '/dev/null'))).toMatchObject({ kind: 'unsupported' });
    spawnSync('mkfifo', [`${folder}/pipe`]);
    expect(await failure(sftpSource(connection, `${folder}/pipe`))).toMatchObject({ kind: 'unsupported' });
    await symlink('loop', join(folder, 'loop'));
    expect((await failure(sftpSource(connection, `${folder}/loop`))).kind).toMatch(/io|not-found/);
    const source = await sftpSource(connection, await fileOf(Buffer.alloc(10)));
    expect(await failure(readBytes(source, 5, 6))).toMatchObject({ kind: 'corrupt' });
  });

  it('that shrinks while it is read is noticed', async () => {
    const connection = await connect(await startSshd());
    const path = await fileOf(Buffer.alloc(MiB, 1));
    const source = await sftpSource(connection, path);
    await truncate(path, 300_000);
    const cut = await failure(readBytes(source, 0, MiB));
    expect(cut).toMatchObject({ kind: 'io', message: expect.stringMatching(/became shorter.*300000/) });
    expect((await readBytes(source, 0, 300_000)).every((byte) => byte === 1)).toBe(true);
  });

  it('is ended by a cancel, after which others still read', async () => {
    const connection = await connect(await startSshd());
    const source = await sftpSource(connection, await fileOf(Buffer.alloc(32 * MiB, 3)));
    for (let round = 0; round < 4; round++) {
      const stop = new AbortController();
      const target = Buffer.alloc(32 * MiB);
      const reading = failure(source.read(target, 0, stop.signal));
      await turns(round * 5);
      stop.abort();
      expect(await reading).toMatchObject({ kind: 'cancelled' });
      target.fill(9);
      expect((await readBytes(source, 0, 8 * MiB)).every((byte) => byte === 3)).toBe(true);
      expect(target.every((byte) => byte === 9)).toBe(true);
    }
  });

  it('whose server is killed in the middle of a read says that the connection was lost', async () => {
    const server = await startSshd();
    const connection = await connect(server);
    const source = await sftpSource(connection, await hole(2 ** 30));
    const target = Buffer.alloc(64 * MiB);
    const reading = failure(source.read(target, 0));
    await turns(20);
    for (const pid of server.sessions()) kill(pid, 'SIGKILL');
    expect(await reading).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/connection was lost/),
    });
    expect(await failure(readBytes(source, 0, 1))).toMatchObject({ kind: 'unreachable' });
    await source.close();
  });

  it('whose server falls silent is given up', async () => {
    const server = await startSshd();
    const connection = await connect(server, 100);
    const source = await sftpSource(connection, await hole(2 ** 30));
    for (const pid of server.sessions()) kill(pid, 'SIGSTOP');
    expect(await failure(readBytes(source, 0, MiB))).toMatchObject({
      kind: 'unreachable',
      message: 'the connection was lost: the host does not answer any more',
    });
    await connection.close();
  });

  it('over a slow link is not given up while anything comes', async () => {
    const server = await startSshd();
    const connection = await connect({ ...server, port: await slowly(server.port) }, 50);
    const bytes = randomBytes(2 * MiB, 3);
    const source = await sftpSource(connection, await fileOf(bytes));
    expect((await readBytes(source, 0, bytes.length)).equals(bytes)).toBe(true);
  });

  it('of a host without SFTP is a clear error', async () => {
    const bare = await connect(await startSshd({ sftp: '/bin/false' }));
    expect(await failure(sftpSource(bare, '/etc/passwd'))).toMatchObject({ kind: 'unsupported' });
    expect((await bare.exec(['true'])).code).toBe(0);
    const mute = await connect(await startSshd({ sftp: '/bin/sleep 1000' }), 5000, 500);
    const late = await failure(sftpSource(mute, '/etc/passwd'));
    expect(late).toMatchObject({
      kind: 'unsupported',
      message: expect.stringMatching(/no answer for 0.5 seconds/),
    });
  });
});

/** A way to `port` on which an answer to a question waits long behind the data: 16 KiB each 10 ms. */
async function slowly(port: number): Promise<number> {
  const proxy = createServer((near) => {
    const far = connectSocket(port, '127.0.0.1');
    near.pipe(far);
    far.on('end', () => near.end());
    far.on('readable', () => undefined);
    const clock = setInterval(() => {
      const chunk = far.read(Math.min(16 * KiB, far.readableLength));
      if (chunk !== null) near.write(chunk);
    }, 10);
    for (const socket of [near, far]) {
      socket.on('error', () => undefined);
      socket.on('close', () => clearInterval(clock));
    }
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void proxy.close());
  await once(proxy, 'listening');
  return (proxy.address() as { port: number }).port;
}

/** Lets some answers come in, by far not all of 32 MiB. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
}

async function hole(size: number): Promise<string> {
  const path = join(await tempFolder(), 'hole.raw');
  const file = await open(path, 'w');
  await file.truncate(size);
  await file.close();
  return path;
}
