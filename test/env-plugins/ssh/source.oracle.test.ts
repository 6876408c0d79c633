/** Images below folders of a real host: found whatever they are called, opened with their neighbours. */
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { Session } from '../../../src/env-plugins/plugin.ts';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { AppError } from '../../../src/model/errors.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

/** Logs in with the test's key; the host is known in a home of the test's own. */
async function connect(server: Sshd, settings: Record<string, string>, config = ''): Promise<Session> {
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  await writeFile(join(home, '.ssh', 'config'), config, { mode: 0o600 });
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const session = await sshPlugin({ imageExtensions: ['qcow2', 'raw', 'img'] }).connect(
    { host: '127.0.0.1', port: String(server.port), user: server.user, keyFile: server.key, ...settings },
    {
      signal: new AbortController().signal,
      secret: async (key) => {
        throw new AppError('auth', `${key} was not to be asked for`);
      },
      report: () => undefined,
      confirm: async () => false,
    },
  );
  onTestFinished(() => session.close());
  return session;
}

async function listed(session: Session, signal = new AbortController().signal): Promise<Machine[]> {
  const found: Machine[] = [];
  await session.source!.list({ signal, found: (machine) => found.push(machine) });
  return found;
}

const oddNames = [
  "it's.qcow2",
  '-rf.qcow2',
  '$(touch owned).qcow2',
  '`id`;x.img',
  'two  words.RAW',
  'line\nbreak.raw',
  '"quoted".raw',
  'ünïcode ☃.qcow2',
];
const signal = new AbortController().signal;

describeWith(sshdTools, 'images over SSH', () => {
  it('are reached by an alias of ~/.ssh/config, which says the rest', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'a.raw'), 'a');
    const server = await startSshd();
    const settings = { host: 'box', port: '', user: '', keyFile: '', folders: folder };
    const config = `Host box\nHostName 127.0.0.1\nPort ${server.port}\nUser ${server.user}\nIdentityFile ${server.key}\n`;
    const session = await connect(server, settings, config);
    expect((await listed(session)).map((m) => m.id)).toEqual([join(folder, 'a.raw')]);
  });

  it('are found below the folders, also with odd names, and opened by what they are called', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'a', 'b'), { recursive: true });
    for (const name of oddNames) await writeFile(join(folder, 'a', name), name);
    await writeFile(join(folder, 'a', 'b', 'deep.qcow2'), 'deep');
    await writeFile(join(folder, 'readme.txt'), '');
    await writeFile(join(folder, '.hidden.raw'), '');
    await mkdir(join(folder, 'folder.qcow2'));
    await symlink(join(folder, 'a', 'b', 'deep.qcow2'), join(folder, 'link.qcow2'));
    await symlink('nowhere', join(folder, 'broken.qcow2'));
    const { source, ...session } = await connect(await startSshd(), { folders: `/nonexistent:${folder}` });
    const machines = await listed({ source: source!, ...session });
    const wanted = ['link.qcow2', ...oddNames.map((n) => `a/${n}`), 'a/b/deep.qcow2'].map((n) =>
      join(folder, n),
    );
    expect(machines.map((m) => m.id).sort()).toEqual(wanted.sort());
    for (const machine of machines) {
      const again = await source!.inspect(machine.id, signal);
      expect(again.id).toBe(machine.id);
      if (!machine.id.startsWith(join(folder, 'a/'))) continue;
      const disk = await source!.open(machine, 'disk0', signal);
      const text = (await readBytes(disk.source, 0, disk.source.size)).toString();
      expect(`${text}${machine.id}`).toContain(machine.id.endsWith('deep.qcow2') ? 'deep' : text);
      expect(text === 'deep' || machine.id.endsWith(`/${text}`)).toBe(true);
      await disk.source.close();
    }
  });

  it('whose name is not UTF-8 are shown with the reason why not', async () => {
    const folder = await tempFolder();
    await writeFile(
      Buffer.concat([Buffer.from(`${folder}/latin`), Buffer.from([0xe9]), Buffer.from('.raw')]),
      'x',
    );
    const [machine] = await listed(await connect(await startSshd(), { folders: folder }));
    expect(machine).toMatchObject({
      disks: [],
      findings: [{ rule: 'file.name-not-utf8', severity: 'blocker' }],
    });
  });

  it('open their neighbours at the far end, and tell of one outside the folder', async () => {
    const folder = await tempFolder();
    await mkdir(join(folder, 'in', 'sub'), { recursive: true });
    for (const name of ['in/top.qcow2', 'in/base.raw', 'in/sub/base.raw', 'out.raw']) {
      await writeFile(join(folder, name), name);
    }
    const { source } = await connect(await startSshd(), { folders: folder });
    const machine = await source!.inspect(join(folder, 'in/top.qcow2'), signal);
    const top = await source!.open(machine, 'disk0', signal);
    const beside = await top.sibling('sub/base.raw');
    expect(beside.source.name).toBe(join(folder, 'in/sub/base.raw'));
    expect(beside.outside).toBeUndefined();
    expect((await (await beside.sibling('../base.raw')).sibling(join(folder, 'out.raw'))).outside).toBe(true);
    await expect(top.sibling('missing.raw')).rejects.toMatchObject({ kind: 'not-found' });
    await expect(top.sibling('nbd://host/x')).rejects.toThrow(/not a file on 127\.0\.0\.1/);
    await expect(top.sibling('')).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('in folders that are all missing are a clear error; so are a folder and a package with nothing in it', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'x.ova'), '');
    const session = await connect(await startSshd(), { folders: '/nonexistent/a:/nonexistent/b' });
    await expect(listed(session)).rejects.toMatchObject({
      kind: 'not-found',
      where: expect.stringContaining('/nonexistent/a'),
    });
    await expect(session.source!.inspect(folder, signal)).rejects.toThrow(/this is a folder/);
    await expect(session.source!.inspect(`${folder}/x.ova`, signal)).rejects.toThrow(
      /the archive holds no file/,
    );
    await expect(session.source!.inspect(`${folder}/none.raw`, signal)).rejects.toMatchObject({
      kind: 'not-found',
    });
    await expect(listed(session, AbortSignal.abort())).rejects.toMatchObject({ kind: 'cancelled' });
  });
});
