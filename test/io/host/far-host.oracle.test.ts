/** A host on a long way, on one that breaks, and what it leaves behind: nothing. */
import { readFileSync } from 'node:fs';
import { open, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { dataBlocks } from '../../../src/io/blocks.ts';
import { readBytes } from '../../../src/io/byte-source.ts';
import { sourceDisk } from '../../../src/io/disk.ts';
import type { Host } from '../../../src/io/host/host.ts';
import { sshHost } from '../../../src/io/host/ssh-host.ts';
import { MiB } from '../../../src/model/units.ts';
import { randomBytes } from '../../conformance/random.ts';
import { failure } from '../../conformance/test-host.ts';
import { describeWith } from '../../oracles/requires.ts';
import { type BadLink, type BadLinkOptions, badLink } from '../../servers/bad-link.ts';
import { connectTo } from '../../servers/ssh-login.ts';
import { kill, type Sshd, sshdTools, startSshd } from '../../servers/sshd.ts';
import { tempFolder } from '../../temp.ts';

interface Far {
  readonly server: Sshd;
  readonly proxy: BadLink;
  readonly host: Host;
}

async function far(options: BadLinkOptions = {}): Promise<Far> {
  const server = await startSshd();
  const proxy = await badLink(server.port, options);
  onTestFinished(() => proxy.close());
  const host = sshHost(await connectTo(server, { port: proxy.port, keepAliveMs: 300 }));
  onTestFinished(() => host.close());
  return { server, proxy, host };
}

/** `mib` MiB of data, one at each `step` MiB of the disk. */
async function diskOf(mib: number, step: number, fill = (i: number) => randomBytes(MiB, i)): Promise<string> {
  const path = join(await tempFolder(), 'disk.raw');
  const handle = await open(path, 'w');
  for (let i = 0; i < mib; i++) await handle.write(fill(i), 0, MiB, i * step * MiB);
  await handle.truncate(mib * step * MiB);
  await handle.close();
  return path;
}

async function copied(host: Host, path: string): Promise<number> {
  const source = await host.files.open(path);
  let bytes = 0;
  for await (const block of dataBlocks(sourceDisk(source), { grainBytes: 64 * 1024 })) {
    for (const run of block.runs) bytes += run.bytes.length;
    block.release();
  }
  await source.close();
  return bytes;
}

/** Processes below sshd that are a helper. */
const helpers = (server: Sshd): number[] =>
  server.sessions().filter((pid) => {
    try {
      return /^(python3|perl)/.test(readFileSync(`/proc/${pid}/comm`, 'latin1'));
    } catch {
      return false;
    }
  });

describeWith([...sshdTools, 'python3'], 'a host on a long way', () => {
  it('sends allocated data only, and zeros not at all', async () => {
    const { proxy, host } = await far();
    const path = await diskOf(64, 8);
    const before = proxy.received + proxy.sent;
    expect(await copied(host, path)).toBe(64 * MiB);
    expect((proxy.received + proxy.sent - before) / (64 * MiB)).toBeLessThan(1.03);
    const zeros = await diskOf(64, 1, () => Buffer.alloc(MiB));
    const then = proxy.received;
    expect(await copied(host, zeros)).toBe(0);
    expect(proxy.received - then).toBeLessThan(MiB);
  });

  it('is read ahead over further connections where the delay is long', async () => {
    const { proxy, host } = await far({ delayMs: 12 });
    const path = await diskOf(96, 1);
    const source = await host.files.open(path);
    const expected = readFileSync(path);
    for (let at = 0; at < expected.length; at += MiB) {
      const got = await readBytes(source, at, MiB);
      if (!got.equals(expected.subarray(at, at + MiB))) throw new Error(`at ${at} differ`);
    }
    await source.close();
    // Four by the delay; more where they turn out to carry more.
    await vi.waitFor(() => expect(proxy.connections).toBeGreaterThanOrEqual(4), 5000);
    expect(host.describe?.()).toMatch(/^python helper, \d connections?$/);
  });

  it('compresses where the way is narrow and it brings something', async () => {
    const { proxy, host } = await far({ bytesPerSecond: 20 * MiB });
    const text = Buffer.alloc(MiB, 'the machine boots from its first disk and finds its network again. ');
    const path = await diskOf(64, 1, () => text);
    const before = proxy.received;
    expect(await copied(host, path)).toBe(64 * MiB);
    expect(proxy.received - before).toBeLessThan(48 * MiB);
  });

  it('is found again when the connection breaks, as long as the file is the same', async () => {
    const { proxy, host } = await far();
    const path = await diskOf(24, 1);
    const expected = readFileSync(path);
    const source = await host.files.open(path);
    await readBytes(source, 0, MiB);
    const reading = readBytes(source, 0, expected.length);
    proxy.cut();
    expect((await reading).equals(expected)).toBe(true);
    proxy.cut();
    await utimes(path, 1, 1);
    expect(await failure(readBytes(source, 0, MiB))).toMatchObject({
      kind: 'io',
      message: expect.stringContaining('was changed'),
    });
    expect((await host.run(['printf', 'again'])).stdout.toString()).toBe('again');
  });

  it('is given up within a second in every phase', async () => {
    const { proxy, host } = await far();
    const path = await diskOf(8, 1);
    const source = await host.files.open(path);
    await readBytes(source, 0, MiB);
    const stop = new AbortController();
    proxy.freeze();
    const reading = failure(readBytes(source, 0, 8 * MiB, stop.signal));
    const opening = failure(host.files.open(path, stop.signal));
    const listing = failure(host.files.list('/', stop.signal));
    setTimeout(() => stop.abort(), 50);
    const before = performance.now();
    for (const error of await Promise.all([reading, opening, listing]))
      expect(error).toMatchObject({ kind: 'cancelled' });
    expect(performance.now() - before).toBeLessThan(1000);
  });

  it('keeps no helper and no file', async () => {
    const { server, proxy, host } = await far();
    const folder = await tempFolder();
    await writeFile(join(folder, 'x'), 'x');
    const source = await host.files.open(join(folder, 'x'));
    expect(helpers(server).length).toBe(1);
    expect(await readdir(folder)).toEqual(['x']);
    proxy.cut();
    await vi.waitFor(() => expect(helpers(server)).toEqual([]), 5000);
    expect((await readBytes(source, 0, 1)).toString()).toBe('x');
    // One that is killed there is started again.
    for (const pid of helpers(server)) kill(pid, 'SIGKILL');
    expect((await readBytes(source, 0, 1)).toString()).toBe('x');
    await host.close();
    await vi.waitFor(() => expect(helpers(server)).toEqual([]), 5000);
  });
});
