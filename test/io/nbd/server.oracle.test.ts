/** Our server, judged by qemu, libnbd and nbdkit. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { copyOnWrite, memoryStore } from '../../../src/io/writable-disk.ts';
import { MiB } from '../../../src/model/units.ts';
import { rawContent } from '../../conformance/images.ts';
import { compareImages, qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { nbdkit } from '../../servers/nbd-servers.ts';
import { tempFolder } from '../../temp.ts';
import { served, sparseDisk } from './disks.ts';

const run = promisify(execFile);

describeWith(['qemu-img', 'qemu-io', 'nbdinfo', 'nbdcopy', 'nbdkit'], 'our NBD server', () => {
  // qemu counts in sectors: the odd size is libnbd's to judge.
  it('is read by qemu-img: compare, convert, map', async () => {
    const folder = await tempFolder();
    const content = rawContent('scrambled');
    const path = join(folder, 'disk.raw');
    await writeFile(path, content);
    const server = await served({ exports: [{ name: 'the disk', disk: sparseDisk(content) }] });
    await compareImages(server.uri(), 'raw', path, 'raw');
    await qemuImg('convert', '-f', 'raw', '-O', 'qcow2', server.uri(), join(folder, 'copy.qcow2'));
    await compareImages(join(folder, 'copy.qcow2'), 'qcow2', path, 'raw');
    const map = JSON.parse(await qemuImg('map', '--output=json', '-f', 'raw', server.uri()));
    const found = map.map((e: { start: number; length: number; data: boolean }) => ({
      kind: e.data ? 'data' : 'zero',
      offset: e.start,
      length: e.length,
    }));
    expect(found).toEqual(await sparseDisk(content).extents(0, content.length));
  });

  it('is understood by nbdinfo, copied by nbdcopy over several connections, and passed on by nbdkit', async () => {
    const folder = await tempFolder();
    const content = rawContent('odd');
    const server = await served({
      exports: [
        { name: 'one', description: 'the first', disk: sparseDisk(content) },
        { name: 'two', disk: sparseDisk(Buffer.alloc(MiB)) },
      ],
    });
    const { stdout } = await run('nbdinfo', ['--json', '--list', server.uri('')]);
    const { exports } = JSON.parse(stdout);
    expect(exports).toMatchObject([
      {
        ...{ 'export-name': 'one', description: 'the first', 'export-size': content.length },
        ...{ is_read_only: true, can_multi_conn: true, contexts: ['base:allocation'] },
      },
      { 'export-name': 'two', 'export-size': MiB },
    ]);
    const map = JSON.parse((await run('nbdinfo', ['--json', '--map', server.uri('one')])).stdout);
    expect(map.at(-1).offset + map.at(-1).length).toBe(content.length);
    await run('nbdcopy', ['--connections=4', server.uri('one'), join(folder, 'copy')]);
    expect((await readFile(join(folder, 'copy'))).equals(content)).toBe(true);
    const socket = await nbdkit('--no-sr', '-r', 'nbd', server.uri('one'));
    await run('nbdcopy', [`nbd+unix:///?socket=${socket}`, join(folder, 'again')]);
    expect((await readFile(join(folder, 'again'))).equals(content)).toBe(true);
  });

  it('takes the writes of qemu-io', async () => {
    const folder = await tempFolder();
    const content = rawContent('scrambled');
    const path = join(folder, 'disk.raw');
    await writeFile(path, content);
    const writable = copyOnWrite(sparseDisk(content), memoryStore(64 * MiB));
    const server = await served({ exports: [{ name: '', disk: writable, writable }] });
    const commands = [
      ...['write -P 0x5a 1000000 300000', 'write -z 2000000 1000000', 'write -P 7 4M 512', 'discard 0 64k'],
      ...['aio_write -P 1 3000000 70000', 'aio_write -P 2 3200000 70000', 'aio_flush', 'flush'],
    ];
    await qemuIo('raw', server.uri(), ...commands);
    // What is discarded reads as zeros with us; qemu leaves a file as it was.
    await qemuIo('raw', path, ...commands.map((c) => c.replace('discard', 'write -z')));
    await compareImages(server.uri(), 'raw', path, 'raw');
    expect((await rawContent('scrambled')).equals(content)).toBe(true);
  });
});
