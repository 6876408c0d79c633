import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, it } from 'vitest';
import { nbdUri } from '../../../src/io/nbd/address.ts';
import { Covered } from '../../../src/io/nbd/covered.ts';
import { copyOnWrite, memoryStore } from '../../../src/io/writable-disk.ts';
import { MiB } from '../../../src/model/units.ts';
import { rawContent } from '../../conformance/images.ts';
import { opened, served, sparseDisk } from './disks.ts';

describe('our client and our server', () => {
  it('read at odd places, several at once, with the extents', async () => {
    const bytes = rawContent('odd');
    const server = await served({ exports: [{ name: '', disk: sparseDisk(bytes) }] });
    const disk = await opened({ path: server.address.path! });
    expect(disk).toMatchObject({ size: bytes.length, readOnly: true, contexts: ['base:allocation'] });
    const places = Array.from({ length: 60 }, (_, i) => [(i * 54_321) % bytes.length, 1 + i * 7919] as const);
    await Promise.all(
      places.map(async ([offset, most]) => {
        const target = Buffer.alloc(Math.min(most, bytes.length - offset));
        await disk.read(target, offset);
        expect(target.equals(bytes.subarray(offset, offset + target.length))).toBe(true);
      }),
    );
    const whole = Buffer.alloc(bytes.length);
    await disk.read(whole, 0);
    expect(whole.equals(bytes)).toBe(true);
    const extents = sparseDisk(bytes).extents;
    expect(await disk.extents(0, bytes.length)).toEqual(await extents(0, bytes.length));
    expect(await disk.extents(1001, 1_234_567)).toEqual(await extents(1001, 1_234_567));
    await expect(disk.write(Buffer.alloc(1), 0)).rejects.toMatchObject({ kind: 'auth' });
    await expect(disk.read(Buffer.alloc(2), bytes.length - 1)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('write to an overlay, each client sees what the other wrote', async () => {
    const bytes = rawContent('scrambled');
    const writable = copyOnWrite(sparseDisk(Buffer.from(bytes)), memoryStore(64 * MiB));
    const server = await served({ exports: [{ name: 'x', disk: writable, writable }], listen: { port: 0 } });
    const { host, port } = server.address as { host: string; port: number };
    const [one, two] = [await opened({ host, port, name: 'x' }), await opened({ host, port })];
    const wanted = Buffer.from(bytes);
    wanted.fill(0xa5, 12_345, 2_345_678);
    wanted.fill(0, 100_000, 3 * MiB);
    await one.write(wanted.subarray(12_345, 2_345_678), 12_345);
    await one.zero(100_000, 3 * MiB - 100_000);
    await one.flush();
    const found = Buffer.alloc(bytes.length);
    await two.read(found, 0);
    expect(found.equals(wanted)).toBe(true);
    expect((await two.extents(200_000, 2 * MiB))[0]?.kind).toBe('zero');
    expect(server.clients).toBe(2);
  });

  it('several exports, one that is not there, contexts that are not', async () => {
    const disks = [1, 2].map((n) => sparseDisk(Buffer.alloc(n * MiB, n)));
    const server = await served({ exports: disks.map((disk, i) => ({ name: `disk ${i}`, disk })) });
    const path = server.address.path!;
    expect((await opened({ path, name: 'disk 1' })).size).toBe(2 * MiB);
    expect((await opened({ path })).size).toBe(MiB);
    await expect(opened({ path, name: 'disk 2' })).rejects.toMatchObject({ kind: 'not-found' });
    await expect(opened({ path, tls: {} })).rejects.toMatchObject({ kind: 'unsupported' });
    const disk = await opened({ path, contexts: ['qemu:dirty-bitmap:b'] });
    expect(disk.contexts).toEqual(['base:allocation']);
    await expect(disk.status('qemu:dirty-bitmap:b', 0, 1)).rejects.toMatchObject({ kind: 'unsupported' });
  });

  it("the disk's error comes over with its words; the connection stays", async () => {
    const inner = sparseDisk(Buffer.alloc(MiB, 7));
    const disk = {
      ...inner,
      async read(target: Uint8Array, offset: number) {
        if (offset === 4096) throw new Error('the medium is scratched');
        await inner.read(target, offset);
      },
    };
    const server = await served({ exports: [{ name: '', disk }] });
    const client = await opened({ path: server.address.path! });
    await expect(client.read(Buffer.alloc(512), 4096)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/scratched/),
    });
    const target = Buffer.alloc(512);
    await client.read(target, 8192);
    expect(target[511]).toBe(7);
  });

  it('a read that is cancelled touches its buffer no more; others go on', async () => {
    let go: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      go = resolve;
    });
    const inner = sparseDisk(Buffer.alloc(MiB, 7));
    const disk = {
      ...inner,
      async read(target: Uint8Array, offset: number) {
        if (offset === 0) await gate;
        await inner.read(target, offset);
      },
    };
    const server = await served({ exports: [{ name: '', disk }] });
    const client = await opened({ path: server.address.path! });
    const stop = new AbortController();
    const target = Buffer.alloc(4096);
    const reading = client.read(target, 0, stop.signal);
    await client.read(Buffer.alloc(10), 4096);
    stop.abort();
    await expect(reading).rejects.toMatchObject({ kind: 'cancelled' });
    go?.();
    await client.read(Buffer.alloc(10), 8192);
    expect(target.every((byte) => byte === 0)).toBe(true);
  });

  it('the end of the server is the end of a read, and leaves no socket', async () => {
    const disk = { ...sparseDisk(Buffer.alloc(MiB)), read: () => new Promise<void>(() => undefined) };
    const cancellable = {
      ...disk,
      extents: async () => [{ kind: 'data' as const, offset: 0, length: 512 }],
      read: (_: Uint8Array, __: number, signal?: AbortSignal) =>
        new Promise<void>((_ok, no) => signal?.addEventListener('abort', () => no(new Error('ended')))),
    };
    const server = await served({ exports: [{ name: '', disk: cancellable }] });
    const path = server.address.path!;
    expect((await stat(dirname(path))).mode & 0o777).toBe(0o700);
    const client = await opened({ path });
    const reading = client.read(Buffer.alloc(512), 0);
    reading.catch(() => undefined);
    await expect.poll(() => server.clients).toBe(1);
    await server.close();
    await expect(reading).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(client.read(Buffer.alloc(512), 0)).rejects.toMatchObject({ kind: 'unreachable' });
    await expect(stat(dirname(path))).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(opened({ path })).rejects.toMatchObject({ kind: 'not-found' });
  });

  it('a port and a name that are taken', async () => {
    const exports = [{ name: '', disk: sparseDisk(Buffer.alloc(512)) }];
    const server = await served({ exports, listen: { port: 0 } });
    const { port } = server.address as { port: number };
    await expect(served({ exports, listen: { port } })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(served({ exports, listen: { path: '/tmp' } })).rejects.toMatchObject({ kind: 'conflict' });
    await expect(served({ exports, listen: { path: `/tmp/${'x'.repeat(200)}` } })).rejects.toMatchObject({
      kind: 'usage',
    });
  });
});

it('URIs', () => {
  expect(nbdUri({ path: '/tmp/a b/s' })).toBe('nbd+unix:///?socket=/tmp/a%20b/s');
  expect(nbdUri({ host: '::1', port: 10 }, 'a/b', true)).toBe('nbds://[::1]:10/a%2Fb');
});

it('what has arrived is counted once, in any order', () => {
  const covered = new Covered();
  expect([covered.add(10, 20), covered.add(0, 5), covered.add(30, 40), covered.add(20, 30)]).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(covered.add(4, 6)).toBe(false);
  expect(covered.add(5, 10)).toBe(true);
  expect([covered.isWhole(40), covered.isWhole(41)]).toEqual([true, false]);
});
