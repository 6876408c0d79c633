/** Our client, with nbdkit and qemu-nbd as servers. */
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { NbdDisk } from '../../../src/io/nbd/client.ts';
import { GiB, MiB } from '../../../src/model/units.ts';
import { rawContent, writeRaw } from '../../conformance/images.ts';
import { qemuImg, qemuIo } from '../../oracles/qemu-img.ts';
import { describeWith } from '../../oracles/requires.ts';
import { nbdkit, qemuNbd } from '../../servers/nbd-servers.ts';
import { tempFolder } from '../../temp.ts';
import { opened } from './disks.ts';

const run = promisify(execFile);

async function contentOf(disk: NbdDisk): Promise<Buffer> {
  const bytes = Buffer.alloc(disk.size);
  await disk.read(bytes, 0);
  return bytes;
}

async function rawFile(): Promise<{ path: string; content: Buffer }> {
  const content = rawContent('scrambled');
  return { path: await writeRaw(join(await tempFolder(), 'disk.raw'), content), content };
}

describeWith(['nbdkit'], 'nbdkit', () => {
  it('of a file: bytes, and zeros known for it', async () => {
    const { path, content } = await rawFile();
    const disk = await opened({ path: await nbdkit('-r', 'file', path) });
    expect((await contentOf(disk)).equals(content)).toBe(true);
    const extents = await disk.extents(0, content.length);
    expect(extents.map((e) => e.kind)).toContain('zero');
    for (const e of extents) {
      if (e.kind === 'zero') {
        expect(content.subarray(e.offset, e.offset + e.length).every((byte) => byte === 0)).toBe(true);
      }
    }
    expect(extents.reduce((sum, e) => sum + e.length, 0)).toBe(content.length);
  });

  it.each([['--no-sr'], ['--filter=noextents'], ['--filter=delay', 'rdelay=20ms'], ['--filter=noparallel']])(
    'with %s %s',
    async (...how) => {
      const { path, content } = await rawFile();
      const flags = how.filter((word) => word.startsWith('-'));
      const disk = await opened({
        path: await nbdkit('-r', ...flags, 'file', path, ...how.slice(flags.length)),
      });
      expect((await contentOf(disk)).equals(content)).toBe(true);
      const [first] = await disk.extents(0, disk.size);
      if (flags[0] !== '--filter=delay' && flags[0] !== '--filter=noparallel') {
        expect(first).toEqual({ kind: 'data', offset: 0, length: disk.size });
      }
    },
  );

  it('whose blocks are of 4 KiB is read and written at any place', async () => {
    const filter = [
      '--filter=blocksize-policy',
      'blocksize-minimum=4096',
      'blocksize-maximum=64k',
      'blocksize-error-policy=error',
    ];
    const socket = await nbdkit(filter[0]!, 'memory', 'size=1M', ...filter.slice(1));
    const disk = await opened({ path: socket });
    expect(disk.sectorSize).toBe(4096);
    const wanted = Buffer.alloc(MiB);
    for (const [offset, length] of [
      [5, 10],
      [4090, 12],
      [100_001, 300_007],
      [MiB - 3, 3],
      [8192, 4096],
    ] as const) {
      wanted.fill(offset, offset, offset + length);
    }
    await Promise.all([
      disk.write(wanted.subarray(5, 15), 5),
      disk.write(wanted.subarray(4090, 4102), 4090),
      disk.write(wanted.subarray(100_001, 400_008), 100_001),
      disk.write(wanted.subarray(MiB - 3), MiB - 3),
      disk.write(wanted.subarray(8192, 12_288), 8192),
    ]);
    wanted.fill(0, 200_001, 300_003);
    await disk.zero(200_001, 100_002);
    await disk.flush();
    expect((await contentOf(disk)).equals(wanted)).toBe(true);
    const part = Buffer.alloc(70_001);
    await disk.read(part, 99_999);
    expect(part.equals(wanted.subarray(99_999, 170_000))).toBe(true);
    expect((await disk.extents(7, 9)).map((e) => e.length)).toEqual([2]);
  });

  it('of 20 GiB: zeros and trims longer than one request', async () => {
    const disk = await opened({ path: await nbdkit('memory', 'size=20G') });
    await disk.write(Buffer.from('here'), 5 * GiB + 123);
    const extents = await disk.extents(0, disk.size);
    expect(extents.map((e) => e.kind)).toEqual(['zero', 'data', 'zero']);
    await disk.trim(0, 10 * GiB);
    await disk.zero(10 * GiB, 10 * GiB);
    expect((await disk.extents(0, disk.size)).map((e) => e.kind)).toEqual(['zero']);
  });

  it('that fails: its error, and the connection stays', async () => {
    const { path } = await rawFile();
    const failing = ['error-pread=EIO', 'error-pread-rate=100%'];
    const disk = await opened({ path: await nbdkit('-r', '--filter=error', 'file', path, ...failing) });
    await expect(disk.read(Buffer.alloc(5 * MiB), 0)).rejects.toMatchObject({ kind: 'io' });
    expect((await disk.extents(0, 512)).length).toBe(1);
  });

  it('random bytes with holes, the same as nbdcopy sees them', async () => {
    const socket = await nbdkit('sparse-random', 'size=32M', 'percent=20', 'runlength=262144', 'seed=42');
    const folder = await tempFolder();
    await run('nbdcopy', [`nbd+unix:///?socket=${socket}`, join(folder, 'copy')]);
    const disk = await opened({ path: socket });
    const copy = await readFile(join(folder, 'copy'));
    expect((await contentOf(disk)).equals(copy)).toBe(true);
    const zeros = (await disk.extents(0, disk.size)).filter((e) => e.kind === 'zero');
    expect(zeros.length).toBeGreaterThan(3);
    for (const e of zeros)
      expect(copy.subarray(e.offset, e.offset + e.length).equals(Buffer.alloc(e.length))).toBe(true);
  });

  it('of an export that is not there', async () => {
    const filter = ['--filter=exportname', 'null', 'exportname-strict=true', 'exportname=here'];
    const path = await nbdkit(...filter);
    expect((await opened({ path, name: 'here' })).size).toBe(0);
    await expect(opened({ path, name: 'there' })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('of the old style is refused', async () => {
    await expect(opened({ path: await nbdkit('--oldstyle', 'null') })).rejects.toMatchObject({
      kind: 'unsupported',
    });
  });
});

describeWith(['nbdkit', 'openssl'], 'TLS', () => {
  it('by an authority, by a fingerprint, and not without', async () => {
    const folder = await tempFolder();
    const file = (name: string) => join(folder, name);
    const openssl = (...args: string[]) => run('openssl', args);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
    const out = ['-keyout', file('server-key.pem'), '-out', file('server-cert.pem')];
    await openssl('req', '-x509', ...key, ...subject, ...out);
    const ca = await readFile(file('server-cert.pem'), 'utf8');
    await writeFile(file('ca-cert.pem'), ca);
    const { stdout } = await openssl(
      'x509',
      '-in',
      file('server-cert.pem'),
      '-noout',
      '-fingerprint',
      '-sha256',
    );
    const fingerprint = stdout.split('=')[1]!.trim();
    const path = await nbdkit('--tls=require', `--tls-certificates=${folder}`, 'pattern', 'size=4M');
    const bytes = await contentOf(await opened({ path, tls: { ca, serverName: 'localhost' } }));
    expect(bytes.readBigUInt64BE(MiB)).toBe(BigInt(MiB));
    expect((await opened({ path, tls: { fingerprint } })).size).toBe(4 * MiB);
    const other = fingerprint.replaceAll(/[0-9]/g, '0');
    await expect(opened({ path, tls: { fingerprint: other } })).rejects.toMatchObject({ kind: 'auth' });
    await expect(opened({ path, tls: { ca, serverName: 'elsewhere' } })).rejects.toMatchObject({
      kind: 'auth',
    });
    await expect(opened({ path, tls: {} })).rejects.toMatchObject({ kind: 'auth' });
    await expect(opened({ path })).rejects.toMatchObject({ kind: 'auth' });
  });
});

describeWith(['qemu-nbd', 'qemu-img', 'qemu-io'], 'qemu-nbd', () => {
  it('of a qcow2, written to, and read back by qemu', async () => {
    const image = join(await tempFolder(), 'disk.qcow2');
    await qemuImg('create', '-f', 'qcow2', image, '16M');
    const socket = await qemuNbd('-f', 'qcow2', '-x', 'the export', image);
    const disk = await opened({ path: socket, name: 'the export' });
    await disk.write(Buffer.alloc(100_000, 0x5a), 3_000_001);
    await disk.flush();
    expect((await disk.extents(0, disk.size)).map((e) => e.kind)).toEqual(['zero', 'data', 'zero']);
    const uri = `nbd+unix:///the%20export?socket=${socket}`;
    await qemuIo('raw', uri, 'read -P 0x5a 3000001 100000', 'read -P 0 0 3000001');
  });

  it('tells a dirty bitmap', async () => {
    const image = join(await tempFolder(), 'disk.qcow2');
    await qemuImg('create', '-f', 'qcow2', image, '16M');
    await qemuImg('bitmap', '--add', '-g', '64k', image, 'changes');
    await qemuIo('qcow2', image, 'write -P 1 1M 64k', 'write -P 2 5M 128k');
    const socket = await qemuNbd('-r', '-f', 'qcow2', '-B', 'changes', image);
    const context = 'qemu:dirty-bitmap:changes';
    const disk = await opened({ path: socket, contexts: [context] });
    expect(disk.contexts).toContain(context);
    const dirty = (await disk.status(context, 0, disk.size)).filter((e) => e.flags === 1);
    expect(dirty).toEqual([
      { offset: MiB, length: 65_536, flags: 1 },
      { offset: 5 * MiB, length: 131_072, flags: 1 },
    ]);
    expect((await disk.extents(0, disk.size)).map((e) => e.kind)).toEqual([
      'zero',
      'data',
      'zero',
      'data',
      'zero',
    ]);
  });
});

describe('an address', () => {
  it('where nothing listens', async () => {
    const port = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port: free } = server.address() as AddressInfo;
        server.close(() => resolve(free));
      });
    });
    await expect(opened({ host: '127.0.0.1', port })).rejects.toMatchObject({ kind: 'unreachable' });
  });
});
