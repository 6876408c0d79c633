/**
 * HTTPS on a link that fails: files by ranges, and streams that can only be had from their beginning. What crosses is
 * counted by the link in between: less the bytes of the file, it is what was sent twice and what goes with it.
 */
import { randomFillSync } from 'node:crypto';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readBytes } from '../../src/io/byte-source.ts';
import { type HttpsClient, openHttps } from '../../src/io/https/client.ts';
import type { Download } from '../../src/io/https/download.ts';
import { forgottenCertificates } from '../../src/io/https/known-certificates.ts';
import { type RangeOptions, rangeSource } from '../../src/io/https/range-source.ts';
import { inOrder } from '../../src/io/in-order.ts';
import { ResumedStream } from '../../src/io/resumed-stream.ts';
import { MiB } from '../../src/model/units.ts';
import { selfSigned } from '../io/https/self-signed.ts';
import { startHttps } from '../io/https/server.ts';
import { type BadLink, type BadLinkOptions, badLink } from '../servers/bad-link.ts';

const pair = selfSigned('a link that fails');

interface Far {
  readonly link: BadLink;
  readonly client: HttpsClient;
  readonly told: string[];
}

async function far(listener: RequestListener, options: BadLinkOptions = {}): Promise<Far> {
  const server = await startHttps(listener, 0, pair);
  const link = await badLink(server.port, options);
  onTestFinished(() => link.close());
  const told: string[] = [];
  const client = await openHttps({
    host: '127.0.0.1',
    port: link.port,
    fingerprint: server.fingerprint,
    known: forgottenCertificates(),
    confirm: async () => false,
    timeoutMs: 2000,
    tell: (text) => told.push(text),
  });
  onTestFinished(() => client.close());
  return { link, client, told };
}

/** The parts of `bytes` that are asked for. */
const parts =
  (bytes: Buffer, more: Record<string, string> = {}): RequestListener =>
  (request, response) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '')!.map(Number);
    const end = Math.min(to!, bytes.length - 1);
    response.writeHead(206, { ...more, 'content-range': `bytes ${from}-${end}/${bytes.length}` });
    response.end(bytes.subarray(from, end + 1));
  };

const opening = (client: HttpsClient, more: Partial<RangeOptions> = {}) =>
  rangeSource(client, {
    ...{ name: 'disk', path: '/disk', headers: async () => ({}) },
    ...{ pausesMs: [1, 1, 1, 1, 1, 1], stallMs: 20_000 },
    ...more,
  });

async function readsAs(client: HttpsClient, bytes: Buffer, more: Partial<RangeOptions> = {}): Promise<void> {
  const source = await opening(client, more);
  const offsets = Array.from({ length: bytes.length / MiB }, (_, i) => i * MiB);
  const read = async (at: number) => ({ at, got: await readBytes(source, at, MiB) });
  for await (const { at, got } of inOrder(offsets, 4, read)) {
    if (!got.equals(bytes.subarray(at, at + MiB))) throw new Error(`other bytes at ${at}`);
  }
}

const content = (mib: number): Buffer => randomFillSync(Buffer.allocUnsafe(mib * MiB));

describe('a file by HTTPS ranges', () => {
  it('is read whole through 20 cuts, with at most 5 % sent twice', async () => {
    const bytes = content(64);
    const slow = { bytesPerSecond: 40 * MiB, windowBytes: 64 * 1024 };
    const { link, client, told } = await far(parts(bytes), slow);
    link.after(3 * MiB, 'cut', { times: 20 });
    await readsAs(client, bytes);
    expect(link.faults).toBe(20);
    expect(link.received / bytes.length).toBeLessThan(1.05);
    expect(told[0]).toMatch(/^reading disk: the connection was cut; the next try went on after/);
  });

  it.each(['reset', 'stall', 'end', 'flip'] as const)('and through each %s', async (fault) => {
    const bytes = content(4);
    const { link, client } = await far(parts(bytes));
    link.after(1.5 * MiB, fault, { times: 2 });
    await readsAs(client, bytes, fault === 'stall' ? { stallMs: 300 } : {});
    expect(link.faults).toBe(2);
  });

  it('is read over several connections at once, where each of them is throttled', async () => {
    const bytes = content(8);
    const { link, client } = await far(parts(bytes), { bytesPerSecondEach: 4 * MiB });
    await readsAs(client, bytes);
    expect(link.made).toBeGreaterThanOrEqual(4);
  });

  it('is refused when it is another file after the link was lost, though it is as long', async () => {
    const bytes = content(4);
    let tag = '"one"';
    const { link, client } = await far((request, response) => parts(bytes, { etag: tag })(request, response));
    const source = await opening(client);
    await readBytes(source, 0, MiB);
    tag = '"two"';
    link.cut();
    await expect(readBytes(source, MiB, MiB)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringMatching(/changed while it was read: it was "one", and is "two" now/),
    });
  });

  it('has its login made again in the middle', async () => {
    const bytes = content(4);
    let valid = 'first';
    const { client, told } = await far((request: IncomingMessage, response: ServerResponse) => {
      if (request.headers.cookie === valid) return parts(bytes)(request, response);
      response.writeHead(401).end();
    });
    let cookie = 'first';
    const renew = async () => {
      cookie = valid;
    };
    const source = await opening(client, { headers: async () => ({ cookie }), renew });
    await readBytes(source, 0, MiB);
    valid = 'second';
    expect((await readBytes(source, MiB, MiB)).equals(bytes.subarray(MiB, 2 * MiB))).toBe(true);
    expect(told.join()).toContain('the login has ended there, and is made again');
  });

  it('is given up when nothing comes any more, with what was tried', async () => {
    const bytes = content(4);
    const { link, client } = await far(parts(bytes));
    const source = await opening(client, { pausesMs: [1, 1] });
    await readBytes(source, 0, MiB);
    await link.close();
    await expect(readBytes(source, 3 * MiB, MiB)).rejects.toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/^reading disk: .*; tried 3 times in /),
    });
  });
});

describe('a stream by HTTPS, which can only be had from its beginning', () => {
  /** All of it, sent as it goes: without a length, its end is the end of the connection. */
  const whole =
    (bytes: Buffer): RequestListener =>
    (_, response) => {
      response.useChunkedEncodingByDefault = false;
      response.writeHead(200, { connection: 'close' });
      response.end(bytes);
    };
  const stream = (client: HttpsClient, told: string[]) =>
    new ResumedStream<Download>({
      name: 'export',
      signal: new AbortController().signal,
      pausesMs: [1, 1, 1],
      tell: (text) => told.push(text),
      begin: (signal) => client.download({ path: '/', step: 'reading export', timeoutMs: 500, signal }),
    });
  const all = async (from: ResumedStream<Download>, length: number): Promise<Buffer> => {
    const chunks: Uint8Array[] = [];
    for (let left = length; left > 0; left -= chunks.at(-1)!.length) chunks.push((await from.next(true))!);
    expect(await from.next()).toBeUndefined();
    await from.rest();
    return Buffer.concat(chunks);
  };

  it.each(['cut', 'reset', 'stall', 'end', 'flip'] as const)(
    'is whole through a %s, and crosses again',
    async (fault) => {
      const bytes = content(4);
      const { link, client, told } = await far(whole(bytes));
      link.after(3 * MiB, fault);
      expect((await all(stream(client, told), bytes.length)).equals(bytes)).toBe(true);
      expect(link.faults).toBe(1);
      expect(told.join()).toContain('for the server gives it from its beginning only');
    },
  );
});

describe('a body that is sent by HTTPS', () => {
  const send = async (client: HttpsClient, bytes: Buffer) => {
    const upload = client.upload({
      method: 'POST',
      path: '/',
      step: 'sending',
      silenceMs: 300,
      timeoutMs: 300,
    });
    for (let at = 0; at < bytes.length; at += MiB) await upload.write(bytes.subarray(at, at + MiB));
    return upload.end();
  };

  it.each(['cut', 'reset', 'stall', 'end', 'flip'] as const)(
    'is an error after a %s, and never sent twice',
    async (fault) => {
      let whole = 0;
      const { link, client } = await far((request, response) => {
        request.on('error', () => undefined);
        request.on('end', () => {
          whole++;
          response.end();
        });
        request.resume();
      });
      link.after(3 * MiB, fault, { way: 'sent' });
      // One that is ended properly a server of HTTP answers with its refusal.
      const end = await send(client, content(8)).catch((error) => error);
      expect(end).toMatchObject(
        end.status === undefined
          ? { kind: 'unreachable', hint: expect.stringContaining('in one piece') }
          : { status: 400 },
      );
      expect(link).toMatchObject({ faults: 1 });
      expect(whole).toBe(0);
    },
  );
});
