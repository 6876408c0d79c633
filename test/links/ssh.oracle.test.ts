/**
 * SSH on a link that fails. What crosses is counted by the link in between (`bad-link.ts`): all that the senders sent,
 * encrypted, with logins and the helper's program. Less the bytes of the disk, it is what was sent twice and what goes
 * with it.
 */
import { randomFillSync } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { type ByteSource, readBytes } from '../../src/io/byte-source.ts';
import type { Host } from '../../src/io/host/host.ts';
import { sshHost } from '../../src/io/host/ssh-host.ts';
import { inOrder } from '../../src/io/in-order.ts';
import { MiB } from '../../src/model/units.ts';
import { describeWith } from '../oracles/requires.ts';
import { type BadLink, type BadLinkOptions, badLink } from '../servers/bad-link.ts';
import { connectTo } from '../servers/ssh-login.ts';
import { sshdTools, startSshd } from '../servers/sshd.ts';
import { tempFolder } from '../temp.ts';

interface Far {
  readonly link: BadLink;
  readonly host: Host;
  readonly told: string[];
}

async function far(options: BadLinkOptions = {}, sshd: Parameters<typeof startSshd>[0] = {}): Promise<Far> {
  const server = await startSshd(sshd);
  const link = await badLink(server.port, options);
  onTestFinished(() => link.close());
  const told: string[] = [];
  const connection = await connectTo(server, { port: link.port, keepAliveMs: 250 });
  const host = sshHost(connection, { tell: (text) => told.push(text) });
  onTestFinished(() => host.close());
  return { link, host, told };
}

const content = (mib: number): Buffer => randomFillSync(Buffer.allocUnsafe(mib * MiB));

async function fileOf(bytes: Buffer): Promise<string> {
  const path = join(await tempFolder(), 'disk.raw');
  await writeFile(path, bytes);
  return path;
}

/** All of it, several reads of 1 MiB at once as an encoder does it. @throws where it is not `bytes`. */
async function readsAs(source: ByteSource, bytes: Buffer): Promise<void> {
  expect(source.size).toBe(bytes.length);
  const offsets = Array.from({ length: Math.ceil(bytes.length / MiB) }, (_, i) => i * MiB);
  const read = async (at: number) => ({
    at,
    got: await readBytes(source, at, Math.min(MiB, bytes.length - at)),
  });
  for await (const { at, got } of inOrder(offsets, 8, read)) {
    if (!got.equals(bytes.subarray(at, at + got.length))) throw new Error(`other bytes at ${at}`);
  }
  await source.close();
}

async function writeAll(host: Host, path: string, bytes: Buffer): Promise<void> {
  const sink = await host.files.create(path);
  for (let at = 0; at < bytes.length; at += MiB) await sink.write(bytes.subarray(at, at + MiB), at);
  await sink.finish(bytes.length);
}

async function fileIs(path: string, bytes: Buffer): Promise<void> {
  expect((await stat(path)).size).toBe(bytes.length);
  let at = 0;
  for await (const chunk of createReadStream(path, { highWaterMark: MiB }) as AsyncIterable<Buffer>) {
    if (!chunk.equals(bytes.subarray(at, at + chunk.length))) throw new Error(`other bytes at ${at}`);
    at += chunk.length;
  }
}

/** So slow that neither end is what limits, and little is on its way when it is cut. */
const wide = { bytesPerSecond: 24 * MiB, windowBytes: 128 * 1024 };

/** A host that gives files by SFTP alone. */
const noCommands = { config: ['ForceCommand internal-sftp'] };

describeWith([...sshdTools, 'python3'], 'SSH on a link that fails', () => {
  it('reads a disk whole through 20 cuts, with at most 5 % sent twice', async () => {
    const { link, host, told } = await far(wide);
    const bytes = content(96);
    const source = await host.files.open(await fileOf(bytes));
    const before = link.received;
    link.after(4.5 * MiB, 'cut', { times: 20 });
    await readsAs(source, bytes);
    expect(link.faults).toBe(20);
    expect((link.received - before) / bytes.length).toBeLessThan(1.05);
    expect(told.length).toBeGreaterThanOrEqual(1);
    expect(told[0]).toMatch(/the connection was lost.*went on after/);
  });

  it('writes one whole through 8 cuts, with at most 5 % sent twice', async () => {
    const { link, host } = await far({ ...wide, bytesPerSecond: 12 * MiB });
    const bytes = content(80);
    const path = join(await tempFolder(), 'disk.raw');
    const before = link.sent;
    link.after(7.5 * MiB, 'cut', { way: 'sent', times: 8 });
    await writeAll(host, path, bytes);
    expect(link.faults).toBe(8);
    await fileIs(path, bytes);
    expect((link.sent - before) / bytes.length).toBeLessThan(1.05);
  });

  it('does so by SFTP alone, where no helper can be started', async () => {
    const { link, host } = await far(wide, noCommands);
    const bytes = content(32);
    const path = join(await tempFolder(), 'disk.raw');
    link.after(5 * MiB, 'cut', { way: 'sent', times: 4 });
    await writeAll(host, path, bytes);
    expect(link.faults).toBe(4);
    await fileIs(path, bytes);
    link.after(5 * MiB, 'reset', { times: 4 });
    await readsAs(await host.files.open(path), bytes);
    expect(link.faults).toBe(8);
    expect(host.describe?.()).toBe('SFTP');
  });

  it('notices a link that goes silent in the middle, in either direction', async () => {
    const { link, host, told } = await far();
    const bytes = content(24);
    const path = await fileOf(bytes);
    const copy = `${path}.copy`;
    link.after(10 * MiB, 'stall');
    await readsAs(await host.files.open(path), bytes);
    link.after(10 * MiB, 'stall', { way: 'sent' });
    await writeAll(host, copy, bytes);
    await fileIs(copy, bytes);
    expect(link.faults).toBe(2);
    expect(told.join()).toMatch(/the host does not answer any more/);
  });

  it('takes no byte that was changed on the way', async () => {
    const { link, host, told } = await far();
    const bytes = content(24);
    const path = await fileOf(bytes);
    const copy = `${path}.copy`;
    link.after(5 * MiB, 'flip', { times: 3 });
    link.after(5 * MiB + 17, 'flip', { way: 'sent', times: 3 });
    await readsAs(await host.files.open(path), bytes);
    await writeAll(host, copy, bytes);
    await fileIs(copy, bytes);
    expect(link.faults).toBe(6);
    expect(told.length).toBeGreaterThanOrEqual(3);
  });

  it('nor one less, when the connection is ended as if all had been said', async () => {
    const { link, host } = await far();
    const bytes = content(24);
    const path = await fileOf(bytes);
    const copy = `${path}.copy`;
    link.after(5 * MiB, 'end', { times: 3 });
    await readsAs(await host.files.open(path), bytes);
    link.after(5 * MiB, 'end', { way: 'sent', times: 3 });
    await writeAll(host, copy, bytes);
    await fileIs(copy, bytes);
    expect(link.faults).toBe(6);
  });

  it('opens further connections where each of them is throttled, and they help', async () => {
    const { link, host } = await far({ bytesPerSecondEach: 4 * MiB });
    const bytes = content(48);
    const path = await fileOf(bytes);
    await readsAs(await host.files.open(path), bytes);
    expect(link.made).toBeGreaterThanOrEqual(4);
    expect(host.describe?.()).toMatch(/helper, [4-8] connections/);
  });

  it('says what was lost and what was tried when the host stays away', async () => {
    const { link, host } = await far();
    const path = await fileOf(content(1));
    const source = await host.files.open(path);
    const sink = await host.files.create(`${path}.copy`);
    await sink.write(content(1), 0);
    const cancel = new AbortController();
    await link.close();
    const reading = readBytes(source, 0, 1000, cancel.signal).catch((error) => error);
    const writing = sink.finish(MiB).catch((error) => error);
    const begun = performance.now();
    cancel.abort();
    expect(await reading).toMatchObject({ kind: 'cancelled' });
    await sink.abort();
    expect(await writing).toMatchObject({ kind: expect.stringMatching(/cancelled|unreachable/) });
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
