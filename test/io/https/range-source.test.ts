import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import { rangeSource } from '../../../src/io/https/range-source.ts';
import { startHttps } from './server.ts';

const MiB = 1024 * 1024;
const content = Buffer.alloc(5 * MiB + 123);
for (let i = 0; i < content.length; i += 4)
  content.writeUInt32LE((i * 2654435761) >>> 0, Math.min(i, content.length - 4));

const range = ({ headers }: IncomingMessage): [number, number] => {
  const match = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')!;
  return [Number(match[1]), Math.min(Number(match[2]), content.length - 1)];
};

function serve(request: IncomingMessage, response: ServerResponse): void {
  const [from, to] = range(request);
  response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${content.length}` });
  response.end(content.subarray(from, to + 1));
}

type Trick = (request: IncomingMessage, response: ServerResponse, count: number) => boolean | undefined;

/** `trick` answers a request itself, and says so; the first request is the one that asks for the size. */
async function source(trick: Trick = () => false, renew?: () => Promise<void>) {
  let count = 0;
  const server = await startHttps((request, response) => {
    if (!trick(request, response, count++)) serve(request, response);
  });
  const open = await rangeSource(await server.client(), {
    name: '[ds] a/b.vmdk',
    path: '/file',
    headers: async () => ({ cookie: 'a=b' }),
    ...(renew === undefined ? {} : { renew }),
    pausesMs: [1, 1, 1],
  });
  return { open, requests: () => count };
}

const all = async (open: { read(target: Uint8Array, offset: number): Promise<void>; size: number }) => {
  const target = Buffer.alloc(open.size);
  await open.read(target, 0);
  return target;
};

describe('a file read by ranges', () => {
  it('is read whole, in odd parts, and in order', async () => {
    // The first piece is answered when the second was asked for: several are under way at once.
    let waiting: (() => void) | undefined;
    const { open } = await source((request, response, count) => {
      if (count === 2) waiting?.();
      if (count !== 1) return false;
      waiting = () => serve(request, response);
      return true;
    });
    expect(open.size).toBe(content.length);
    expect((await all(open)).equals(content)).toBe(true);
    for (const [offset, length] of [
      [1, 1],
      [MiB - 1, 3],
      [content.length - 7, 7],
      [0, 0],
    ] as const) {
      const part = Buffer.alloc(length);
      await open.read(part, offset);
      expect(part.equals(content.subarray(offset, offset + length))).toBe(true);
    }
    for (let at = 0; at < content.length; at += 700_000) {
      const part = Buffer.alloc(Math.min(700_000, content.length - at));
      await open.read(part, at);
      expect(part.equals(content.subarray(at, at + part.length))).toBe(true);
    }
    await expect(open.read(Buffer.alloc(1), content.length)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('has its connection cut in the middle, and is read on', async () => {
    const { open } = await source((request, response, count) => {
      if (count % 3 !== 1) return false;
      const [from, to] = range(request);
      response.writeHead(206, {
        'content-range': `bytes ${from}-${to}/${content.length}`,
        'content-length': to - from + 1,
      });
      response.write(content.subarray(from, from + Math.ceil((to - from) / 2)));
      setImmediate(() => response.destroy());
      return true;
    });
    expect((await all(open)).equals(content)).toBe(true);
  });

  it('is cut each time: given up', async () => {
    const { open } = await source((_, response, count) => {
      if (count === 0) return false;
      response.destroy();
      return true;
    });
    await expect(all(open)).rejects.toMatchObject({ kind: 'unreachable' });
  });

  it('wants a new login in the middle', async () => {
    let valid = true;
    let renewed = 0;
    const trick: Trick = (_, response, count) => {
      if (count === 3) valid = false;
      if (!valid) response.writeHead(401).end();
      return !valid;
    };
    const { open } = await source(trick, async () => {
      renewed++;
      valid = true;
    });
    expect((await all(open)).equals(content)).toBe(true);
    expect(renewed).toBeGreaterThan(0);
  });

  const lies: [string, Trick, string][] = [
    [
      'sends another part',
      (_, response) =>
        !!response.writeHead(206, { 'content-range': `bytes 0-9/${content.length}` }).end(Buffer.alloc(MiB)),
      'io',
    ],
    [
      'has another size now',
      (request, response) => {
        const [from, to] = range(request);
        response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${content.length + 1}` });
        return !!response.end(content.subarray(from, to + 1));
      },
      'io',
    ],
    [
      'sends more than was asked for',
      (request, response) => {
        const [from, to] = range(request);
        response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${content.length}` });
        return !!response.end(Buffer.alloc(to - from + 100));
      },
      'io',
    ],
    ['sends all', (_, response) => !!response.writeHead(200).end(content), 'unsupported'],
    ['has lost it', (_, response) => !!response.writeHead(404).end(), 'not-found'],
    ['refuses it', (_, response) => !!response.writeHead(403).end(), 'auth'],
    ['wants a login for ever', (_, response) => !!response.writeHead(401).end(), 'auth'],
    ['fails', (_, response) => !!response.writeHead(500).end(), 'io'],
  ];
  for (const [what, lie, kind] of lies) {
    it(`is on a server that ${what}`, async () => {
      const trick: Trick = (request, response, count) =>
        count === 0 ? false : lie(request, response, count);
      const { open } = await source(trick, async () => undefined);
      await expect(open.read(Buffer.alloc(100), 1000)).rejects.toMatchObject({ kind });
    });
  }

  it('tells no size, or an impossible one', async () => {
    for (const said of ['bytes 0-0/*', 'bytes 0-0/99999999999999999', 'nonsense', '']) {
      const trick: Trick = (_, response) => !!response.writeHead(206, { 'content-range': said }).end('x');
      await expect(source(trick)).rejects.toMatchObject({ kind: 'io' });
    }
  });

  it('is empty, or small on a server without ranges', async () => {
    const empty: Trick = (_, response) => !!response.writeHead(416, { 'content-range': 'bytes */0' }).end();
    expect((await source(empty)).open.size).toBe(0);
    const { open } = await source((_, response) => !!response.end('# Disk DescriptorFile'));
    expect((await all(open)).toString()).toBe('# Disk DescriptorFile');
  });
});
