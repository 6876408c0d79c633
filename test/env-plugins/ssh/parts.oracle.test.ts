/** Parts written to a folder of another host, and joined there again. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { joinParts } from '../../../src/convert/join-parts.ts';
import { splitDelivery } from '../../../src/convert/pieces/split-delivery.ts';
import type { DeliveryRequest } from '../../../src/env-plugins/plugin.ts';
import { sshPlugin } from '../../../src/env-plugins/ssh/index.ts';
import { noSecrets } from '../../conformance/test-plugin.ts';
import { describeWith } from '../../oracles/requires.ts';
import { sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

const signal = new AbortController().signal;
const partBytes = 2 ** 20;

describeWith(sshdTools, 'parts over SSH', () => {
  it('are written while they stream, and joined by their list', async () => {
    const server = await startSshd();
    const home = await tempFolder();
    await mkdir(join(home, '.ssh'));
    await writeFile(join(home, '.ssh', 'known_hosts'), `[127.0.0.1]:${server.port} ${server.hostKey()}\n`);
    vi.stubEnv('HOME', home);
    vi.stubEnv('SSH_AUTH_SOCK', '');
    onTestFinished(() => void vi.unstubAllEnvs());
    const folder = await tempFolder();
    const { port, user, key } = server;
    const settings = { host: '127.0.0.1', port: `${port}`, user, keyFile: key, folder, folders: folder };
    const session = await sshPlugin({ imageExtensions: ['raw'] }).connect(settings, noSecrets());
    onTestFinished(() => session.close());
    const machine = { id: '', name: 'm', state: 'off', disks: [], nics: [], findings: [] } as const;
    const request: DeliveryRequest = {
      ...{ name: 'm', machine, settings, force: false, sync: false, runId: 'parts', signal },
    };
    const bytes = Buffer.from(
      Array.from({ length: 3 * partBytes + 77 }, (_, i) => (i * 31 + (i >> 20)) & 0xff),
    );
    const delivery = splitDelivery(await session.destination!.begin(request), partBytes);
    const sink = await delivery.sink({ name: 'd.raw' });
    await sink.write(bytes.subarray(10), 10);
    await sink.write(bytes.subarray(0, 10), 0);
    await sink.finish(bytes.length);
    await delivery.commit();
    const list = await readFile(join(folder, 'd.raw.parts'), 'utf8');
    expect(list).toMatch(/^# no checksum: d\.raw\.001$/m);
    expect(list).toMatch(/^[0-9a-f]{64} {2}d\.raw\.004$/m);

    const path = join(folder, 'd.raw.parts');
    const found = await session.source!.inspect(path, signal);
    const open = () => session.source!.open(found, found.disks[0]!.id, signal);
    const { disk, verify } = await joinParts(await open(), { follow: false, signal });
    const back = Buffer.alloc(disk.source.size);
    await disk.source.read(back, 0, signal);
    expect(back.equals(bytes)).toBe(true);
    await verify!(signal);
    await disk.source.close();

    await writeFile(join(folder, 'd.raw.003'), await readFile(join(folder, 'd.raw.002')));
    const wrong = await joinParts(await open(), { follow: false, signal });
    onTestFinished(() => wrong.disk.source.close());
    await expect(wrong.verify!(signal)).rejects.toThrow(/part 3 of 4 has the bytes of part 2/);
  });
});
