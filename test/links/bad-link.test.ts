/** The proxy itself: what it does to a link is what the other tests here count on. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type BadLink, type BadLinkOptions, badLink } from '../servers/bad-link.ts';

/** A server that sends `length` bytes, 0 1 2 …, to whoever comes, and keeps what it is sent. */
async function through(options: BadLinkOptions = {}, length = 100_000) {
  const heard: Buffer[] = [];
  const bytes = Buffer.from(Array.from({ length }, (_, i) => i % 251));
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => heard.push(chunk));
    socket.end(bytes);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const link = await badLink((server.address() as { port: number }).port, options);
  onTestFinished(async () => {
    await link.close();
    server.close();
  });
  return { link, bytes, heard };
}

/** What comes, and how it ends. */
async function taken(link: BadLink): Promise<{ bytes: Buffer; end: string; socket: Socket }> {
  const socket = connect(link.port, '127.0.0.1');
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const end = await new Promise<string>((resolve) => {
    socket.on('end', () => resolve('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code!));
    socket.on('close', () => resolve('close'));
  });
  return { bytes: Buffer.concat(chunks), end, socket };
}

describe('a bad link', () => {
  it('passes everything when it is told nothing', async () => {
    const { link, bytes } = await through();
    const got = await taken(link);
    expect(got).toMatchObject({ end: 'end' });
    expect(got.bytes.equals(bytes)).toBe(true);
    expect(link).toMatchObject({ received: bytes.length, faults: 0, made: 1 });
  });

  it('ends properly in the middle', async () => {
    const { link, bytes } = await through();
    link.after(70_000, 'end');
    const got = await taken(link);
    expect(got.end).toBe('end');
    expect(got.bytes.equals(bytes.subarray(0, 70_000))).toBe(true);
  });

  it('flips one byte, and no other', async () => {
    const { link, bytes } = await through();
    link.after(1234, 'flip');
    const got = await taken(link);
    bytes[1234]! ^= 0xff;
    expect(got.bytes.equals(bytes)).toBe(true);
  });

  it('resets, and is good again for the next', async () => {
    const { link, bytes } = await through();
    link.after(50_000, 'reset', { times: 2 });
    for (let i = 0; i < 2; i++) {
      const got = await taken(link);
      expect(got.end).toBe('ECONNRESET');
      expect(got.bytes.length).toBeLessThanOrEqual(50_000);
    }
    expect((await taken(link)).bytes.length).toBe(bytes.length);
    expect(link).toMatchObject({ faults: 2, made: 3 });
  });

  it('goes silent in both directions, with the connection standing', async () => {
    const { link, heard } = await through();
    link.after(10, 'stall');
    const socket = connect(link.port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    const [first] = (await once(socket, 'data')) as [Buffer];
    expect(first.length).toBe(10);
    socket.write('hello');
    await expect.poll(() => link.sent).toBe(5);
    expect(heard).toEqual([]);
    expect(link.connections).toBe(1);
  });

  it('lets one connection have so much in a second, and several more', async () => {
    const { link } = await through({ bytesPerSecondEach: 1_000_000 });
    const begun = performance.now();
    await Promise.all([taken(link), taken(link), taken(link)]);
    const ms = performance.now() - begun;
    // 100 kB each; one behind the other it would be 300 ms.
    expect(ms).toBeGreaterThan(90);
    expect(link.received).toBe(300_000);
  });
});
