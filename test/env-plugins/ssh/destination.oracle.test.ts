/** A folder of a real host as destination. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { DeliveryRequest, Session } from '../../../src/env-plugins/plugin.ts';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import { noSecrets, testDestination } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

async function connect(): Promise<Session> {
  const server = await startSshd();
  onTestFinished(() => server.stop());
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  const session = await sshPlugin({ imageExtensions: [] }).connect(
    { host: '127.0.0.1', port: String(server.port), user: server.user, keyFile: server.key },
    noSecrets(),
  );
  onTestFinished(() => session.close());
  return session;
}

describeWith(sshdTools, 'a folder over SSH', () => {
  testDestination('a folder over SSH', async () => {
    const folder = join(await tempFolder(), "it's $(odd)");
    await mkdir(folder);
    const names = () => readdir(folder);
    const visible = async () => {
      const shown = (await names()).filter((name) => !name.startsWith('.'));
      return Object.fromEntries(
        await Promise.all(
          shown.map(async (name) => [name, await readFile(join(folder, name), 'utf8')] as const),
        ),
      );
    };
    return { session: await connect(), settings: { folder }, names, visible };
  });

  it('says beforehand what stands in the way', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'there.raw'), 'x');
    const session = await connect();
    const request = (settings: Record<string, string>): DeliveryRequest => ({
      name: 'm',
      machine: { id: 'm', name: 'm', state: 'off', disks: [], nics: [], findings: [] },
      settings,
      force: false,
      sync: false,
      runId: 'r',
      signal: new AbortController().signal,
    });
    const check = (where: string, bytes: number) =>
      session.destination!.check(request({ folder: where }), ['there.raw'], bytes);
    expect(await check(folder, 1)).toMatchObject([{ rule: 'file.exists', severity: 'blocker' }]);
    expect(await check(join(folder, 'new', 'deep'), 1)).toEqual([]);
    expect(await check(join(folder, 'new'), 2 ** 52)).toMatchObject([{ rule: 'folder.no-space' }]);
    expect(await check(join(folder, 'there.raw'), 1)).toMatchObject([{ rule: 'folder.not-a-folder' }]);
    const deep = await session.destination!.begin(request({ folder: join(folder, 'new', 'deep') }));
    expect(await readdir(join(folder, 'new'))).toEqual(['deep']);
    await deep.rollback();
    expect(await readdir(folder)).toEqual(['there.raw']);
    const own = { ...request({ folder }), force: true, reading: [join(folder, 'there.raw')] };
    expect(await session.destination!.check(own, ['there.raw'], 1)).toMatchObject([
      { rule: 'file.is-source' },
    ]);
    const delivery = await session.destination!.begin(own);
    await expect(delivery.sink({ name: 'there.raw' })).rejects.toMatchObject({ kind: 'conflict' });
    await delivery.rollback();
    await expect(check('', 1)).rejects.toThrow(/folder is missing/);
  });
});
