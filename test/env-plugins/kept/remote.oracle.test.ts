/** A store on a real host behind SSH: kept there while a conversion runs, and read from there. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { makePlan } from '../../../src/convert/make-plan.ts';
import { openMachineDisk } from '../../../src/convert/open-machine.ts';
import type { ConversionEvent } from '../../../src/convert/run-context.ts';
import { runPlans } from '../../../src/convert/run-plan.ts';
import { connector } from '../../../src/convert/sessions.ts';
import { keptPlugin } from '../../../src/env-plugins/kept/index.ts';
import { localPlugin } from '../../../src/env-plugins/local/index.ts';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import type { Machine } from '../../../src/model/machine.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const run = '20260301-120000-abcd';
const { signal } = new AbortController();

async function host(): Promise<Record<string, string>> {
  const server = await startSshd();
  onTestFinished(() => server.stop());
  const home = await tempFolder();
  await mkdir(join(home, '.ssh'));
  await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
  vi.stubEnv('HOME', home);
  vi.stubEnv('SSH_AUTH_SOCK', '');
  onTestFinished(() => void vi.unstubAllEnvs());
  return { host: '127.0.0.1', port: String(server.port), user: server.user, keyFile: server.key };
}

describeWith(sshdTools, 'a store of kept copies behind SSH', () => {
  it('is written while a conversion runs, and read again without its source', async () => {
    const settings = await host();
    const folder = await tempFolder();
    const store = join(folder, 'kept');
    const disk = join(folder, 'web.raw');
    const content = Buffer.alloc(3 * 1024 * 1024, 'far away ');
    await writeFile(disk, content);
    const imageExtensions = ['raw', 'qcow2'];
    const plugins = [localPlugin({ imageExtensions }), sshPlugin({ imageExtensions })];
    const connect = connector(plugins, (_, abort) => noSecrets(abort));
    const source = { environment: 'local', settings: {}, machine: disk, follow: false };
    const machine = await (await connect(source, signal)).source!.inspect(disk, signal);
    const convert = async (reserveBytes: number) => {
      const place = { environment: 'ssh', settings: { ...settings, folder: store } } as const;
      const plan = makePlan({
        ...{ source, machine, product: 'files', folder: join(folder, 'out'), format: 'qcow2', options: {} },
        ...{ force: true, sync: false, keep: { stages: ['extracted', 'converted'], place, reserveBytes } },
      });
      const events: ConversionEvent[] = [];
      const emit = (event: ConversionEvent) => void events.push(event);
      const [end] = await runPlans([
        { plan, context: { connect, runId: run, signal, gate: async () => undefined, emit } },
      ]);
      expect(end).toHaveProperty('outcome');
      return events.flatMap((event) =>
        event.type === 'log' && event.level === 'warning' ? [event.text] : [],
      );
    };

    // Its own df says how much is free.
    expect(
      (await convert(Number.MAX_SAFE_INTEGER)).filter((text) => text.includes('could not be kept')),
    ).toHaveLength(2);
    expect(await readdir(store).catch(() => [])).toEqual([]);

    expect(await convert(0)).toEqual([]);
    expect((await readdir(store)).sort()).toEqual([`${run}-converted`, `${run}-extracted`]);
    const delivered = await readFile(join(folder, 'out', 'web.qcow2'));
    expect((await readFile(join(store, `${run}-converted`, 'web.qcow2'))).equals(delivered)).toBe(true);

    const kept = keptPlugin({ folder: async () => '/nowhere' });
    const session = await kept.connect({ ...settings, folder: store }, noSecrets());
    onTestFinished(() => session.close());
    const machines: Machine[] = [];
    await session.source!.list({ signal, found: (found) => machines.push(found) });
    expect(machines.map(({ id, name }) => [id, name])).toEqual([
      [`${run}-extracted`, 'web'],
      [`${run}-converted`, 'web'],
    ]);
    for (const one of machines) {
      const from = { machine: one.id, follow: false };
      const image = await openMachineDisk(session, from, one, one.disks[0]!.id, {
        signal,
        runId: run,
        report: () => undefined,
      });
      const bytes = Buffer.alloc(image.size);
      await image.read(bytes, 0, signal);
      expect(bytes.equals(content)).toBe(true);
      await image.close();
    }
  });
});
