/** Files that only the host's commands may read, as with sudo: by dd. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { Libvirt } from '../../../src/env-plugins/libvirt/connect.ts';
import { readNvram } from '../../../src/env-plugins/libvirt/nvram.ts';
import { openDomainDisk } from '../../../src/env-plugins/libvirt/storage.ts';
import { localHost } from '../../../src/io/host/local-host.ts';
import { AppError } from '../../../src/model/errors.ts';
import { describeWith } from '../../oracles/requires.ts';
import { tempFolder } from '../../temp.ts';
import { bytesOf, signal } from './fixtures/session.ts';

/** Its files are not the user's, its commands run as somebody else. */
function elevated(): Libvirt {
  const host = localHost();
  const refused = async (path: string): Promise<never> => {
    throw new AppError('auth', 'permission denied', { where: path });
  };
  return {
    host: { ...host, files: { ...host.files, open: refused } },
    uri: 'x',
    async virsh([name]) {
      if (name === 'pool-list') return '';
      throw new AppError('not-found', 'no such volume');
    },
  };
}

const reading = { signal, report: () => undefined };
const opened = (path: string, kind: 'file' | 'block' = 'file', slice?: { offset: number; size: number }) =>
  openDomainDisk(
    elevated(),
    {
      disk: { id: 'vda', name: 'x', format: 'raw', files: [path] },
      place: { kind, path },
      ...(slice === undefined ? {} : { slice }),
    },
    reading,
  );

const tools = [
  'dd',
  'stat',
  'blockdev',
  'losetup',
  process.getuid?.() === 0 ? 'sh' : 'root-for-a-loop-device',
];
describeWith(tools, 'a disk that only commands may read', () => {
  it('is read to the byte: a file, a part of it, a device, an odd name, an empty one', async () => {
    const folder = await tempFolder();
    const path = join(folder, "if=it's $(id)\nx.raw");
    const bytes = randomBytes(9_000_003);
    await writeFile(path, bytes);
    const disk = await opened(path);
    expect(disk.source.size).toBe(bytes.length);
    for (const [offset, length] of [
      [0, 1],
      [300_001, 5_000_000],
      [9_000_000, 3],
      [0, bytes.length],
    ] as const) {
      expect((await bytesOf(disk, offset, length)).equals(bytes.subarray(offset, offset + length))).toBe(
        true,
      );
    }
    await disk.source.close();
    const part = await opened(path, 'file', { offset: 1000, size: 5000 });
    expect(part.source.size).toBe(5000);
    expect((await bytesOf(part, 1, 4999)).equals(bytes.subarray(1001, 6000))).toBe(true);
    await expect(opened(path, 'file', { offset: 1000, size: bytes.length })).rejects.toMatchObject({
      kind: 'corrupt',
    });
    await writeFile(join(folder, 'even.raw'), bytes.subarray(0, 1024 * 1024));
    const device = execFileSync('losetup', ['--find', '--show', join(folder, 'even.raw')])
      .toString()
      .trim();
    onTestFinished(() => void execFileSync('losetup', ['--detach', device]));
    const block = await opened(device, 'block');
    expect(block.source.size).toBe(1024 * 1024);
    expect((await bytesOf(block, 500_000, 500_000)).equals(bytes.subarray(500_000, 1_000_000))).toBe(true);
    await writeFile(join(folder, 'empty.raw'), '');
    expect((await opened(join(folder, 'empty.raw'))).source.size).toBe(0);
    expect(
      await readNvram(elevated(), { path: join(folder, 'even.raw'), format: 'raw' }, signal),
    ).toHaveLength(1024 * 1024);
    await expect(readNvram(elevated(), { path, format: 'qcow2' }, signal)).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });

  it('is an error when it became shorter, is gone, or is a folder', async () => {
    const folder = await tempFolder();
    const path = join(folder, 'a.raw');
    await writeFile(path, Buffer.alloc(1_000_000));
    const disk = await opened(path);
    await writeFile(path, Buffer.alloc(1000));
    await expect(bytesOf(disk, 0, 4096)).rejects.toMatchObject({ kind: 'io' });
    for (const odd of [join(folder, 'gone'), folder]) {
      await expect(opened(odd)).rejects.toMatchObject({ kind: 'auth' });
    }
  });
});
