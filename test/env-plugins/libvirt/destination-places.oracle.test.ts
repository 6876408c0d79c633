/** The same delivery by other ways: behind SSH, as a plain user, into the user's own libvirt, onto a full disk. */
import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { libvirtOn } from '../../../src/env-plugins/libvirt/connect.ts';
import { destinationRole } from '../../../src/env-plugins/libvirt/destination.ts';
import { libvirtPlugin } from '../../../src/env-plugins/libvirt/index.ts';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { AppError } from '../../../src/model/errors.ts';
import { rawContent } from '../../conformance/images.ts';
import { compareImages } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type Libvirtd, libvirtdTools, startLibvirtd, useLibvirtd } from '../../servers/libvirtd.ts';
import { addUser, type Sshd, sshdTools, startSshd, type TestUser } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';
import { plainUserHost, testPool } from './destination-pool.ts';
import { convertInto, machineOf, requestOf } from './destination-run.ts';

const run = promisify(execFile);

async function rawDisk(content: Parameters<typeof rawContent>[0] = 'scrambled'): Promise<string> {
  const path = join(await tempFolder(), 'source.raw');
  await writeFile(path, rawContent(content));
  return path;
}

async function overSsh(server: Sshd, uri: string, user?: TestUser): Promise<Session> {
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const way = user === undefined ? { user: server.user, keyFile: server.key } : { user: user.name };
  return libvirtPlugin().connect(
    { host: '127.0.0.1', port: String(server.port), uri, ...way },
    {
      signal: new AbortController().signal,
      secret: async (key) => {
        if (key === 'password' && user !== undefined) return user.password;
        throw new AppError('auth', `no ${key}`);
      },
      report: () => undefined,
      confirm: async () => false,
    },
  );
}

describeWith([...libvirtdTools, ...sshdTools], 'a libvirt behind SSH as destination', () => {
  const libvirtd = useLibvirtd();
  for (const who of ['root', 'a plain user'] as const) {
    for (const format of ['qcow2', 'raw'] as const) {
      it(`gets every byte from ${who}: ${format}`, async () => {
        const server = await startSshd({ config: ['PasswordAuthentication yes'] });
        const user = who === 'root' ? undefined : addUser('/nonexistent');
        const pool = {
          ...(await testPool(libvirtd())),
          session: await overSsh(server, libvirtd().uri, user),
        };
        const disk = await rawDisk('sparse');
        const name = `it's "m" $(id)`;
        const { places } = await convertInto(pool, disk, name, { format });
        expect(await pool.domains()).toEqual([name]);
        await compareImages(disk, 'raw', places[1]!, format);
        expect(await pool.names()).toHaveLength(1);
      });
    }
    it(`leaves nothing when it is cancelled: ${who}`, async () => {
      const server = await startSshd({ config: ['PasswordAuthentication yes'] });
      const user = who === 'root' ? undefined : addUser('/nonexistent');
      const pool = { ...(await testPool(libvirtd())), session: await overSsh(server, libvirtd().uri, user) };
      const cancel = new AbortController();
      const converted = convertInto(pool, await rawDisk('full'), 'm', {
        format: 'raw',
        signal: cancel.signal,
        on: (event) =>
          event.type === 'step' && event.text.startsWith('writing') && setTimeout(() => cancel.abort(), 50),
      });
      await expect(converted).rejects.toMatchObject({ kind: 'cancelled' });
      expect(await pool.names()).toEqual([]);
      expect(await pool.domains()).toEqual([]);
    });
  }
});

describeWith([...libvirtdTools, 'setpriv', 'mount'], 'a pool that is full', () => {
  // What libvirtd is to see must be mounted before it starts: it has a view of its own.
  let folder: string;
  let libvirtd: Libvirtd;
  beforeAll(async () => {
    folder = (await run('mktemp', ['-d', join('/tmp', 'vmferry-full-XXXXXX')])).stdout.trim();
    await run('mount', ['-t', 'tmpfs', '-o', 'size=1m,mode=755', 'none', folder]);
    libvirtd = await startLibvirtd();
    await libvirtd.virsh('pool-define-as', '--name=tiny', '--type=dir', `--target=${folder}`);
    await libvirtd.virsh('pool-start', 'tiny');
  }, 60_000);
  afterAll(async () => {
    await libvirtd.stop();
    await run('umount', [folder]);
    await run('rmdir', [folder]);
  });

  for (const [how, host] of [
    ['directly', localHost],
    ['through libvirt', plainUserHost],
  ] as const) {
    for (const format of ['raw', 'qcow2'] as const) {
      it(`says so, and leaves nothing: ${format}, written ${how}`, async () => {
        const session: Session = {
          destination: destinationRole(libvirtOn(host(), libvirtd.uri)),
          close: async () => undefined,
        };
        const pool = {
          name: 'tiny',
          folder,
          session,
          settings: { pool: 'tiny', acceleration: 'none', network: 'user' },
          names: async () => (await run('ls', ['-A', folder])).stdout.split('\n').filter((n) => n !== ''),
          domains: async () => [],
        };
        const warnings: string[] = [];
        const converted = convertInto(pool, await rawDisk('full'), 'm', {
          format,
          on: (event) => event.type === 'log' && event.level === 'warning' && warnings.push(event.text),
        });
        await expect(converted).rejects.toMatchObject({ kind: 'no-space' });
        expect(warnings.join()).toContain('are free');
        expect(await pool.names()).toEqual([]);
        expect((await libvirtd.virsh('list', '--all', '--name')).trim()).toBe('');
      });
    }
  }
});

/** All commands in the name of a user with a home of its own, so that libvirt starts the user's own daemon. */
function userHost(home: string): Host {
  const host = localHost();
  const asUser = (args: readonly string[]) => [
    ...['env', '-u', 'XDG_CONFIG_HOME', '-u', 'XDG_CACHE_HOME', '-u', 'XDG_DATA_HOME'],
    `HOME=${home}`,
    `XDG_RUNTIME_DIR=${home}/run`,
    ...['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
    ...args,
  ];
  const create: Host['files']['create'] = async (path, options) => {
    const sink = await host.files.create(path, options);
    await chown(path, 65534, 65534);
    return sink;
  };
  return {
    ...host,
    files: { ...host.files, create },
    run: (args, options) => host.run(asUser(args), options),
    spawn: (args, options) => host.spawn(asUser(args), options),
  };
}

describeWith([...libvirtdTools, 'setpriv'], "a user's own libvirt", () => {
  it('takes a machine, into a folder of the user', async () => {
    const home = await tempFolder();
    await chmod(home, 0o755);
    for (const name of ['run', 'pool']) {
      await mkdir(join(home, name), { mode: 0o700 });
      await chown(join(home, name), 65534, 65534);
    }
    await chown(home, 65534, 65534);
    const libvirt = libvirtOn(userHost(home), 'qemu:///session');
    onTestFinished(async () => {
      const pid = Number(await readFile(join(home, 'run/libvirt/libvirtd.pid'), 'utf8').catch(() => ''));
      if (pid > 0) process.kill(pid, 'SIGTERM');
      while (pid > 0 && (await run('kill', ['-0', String(pid)]).catch(() => undefined)) !== undefined) {
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    });
    await libvirt.virsh(['pool-define-as', '--name=own', '--type=dir', `--target=${home}/pool`]);
    await libvirt.virsh(['pool-start', 'own']);
    const session: Session = { destination: destinationRole(libvirt), close: async () => undefined };
    const destination = session.destination!;
    const networks = await destination.networks!(new AbortController().signal);
    expect(networks[0]).toBe('user');
    const disk = await rawDisk();
    const pool = {
      name: 'own',
      folder: join(home, 'pool'),
      session,
      settings: { acceleration: 'none' },
      names: async () => [],
      domains: async () => [],
    };
    const machine = machineOf('m', { nics: [{ model: 'e1000' }] });
    expect(await destination.check(requestOf(pool, machine), ['m.qcow2'], 1)).toEqual([]);
    const { places } = await convertInto(pool, disk, 'm', { machine: { nics: [{ model: 'e1000' }] } });
    expect(places).toEqual(['qemu:///session domain m', join(home, 'pool/m.qcow2')]);
    await compareImages(disk, 'raw', places[1]!, 'qcow2');
    expect(await libvirt.virsh(['dumpxml', 'm'])).toContain("<interface type='user'>");
  });
});
