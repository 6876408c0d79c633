/** Servers that lie, and clients that do: an AppError, never a wrong byte, a hang or a large allocation. */
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ByteStream } from '../../../src/io/nbd/byte-stream.ts';
import {
  allocation,
  chunkHead,
  chunkType,
  exportInfo,
  magic,
  option,
  optionHead,
  optionReply,
  optionReplyHead,
  requestHead,
  simpleReplyHead,
} from '../../../src/io/nbd/protocol.ts';
import { MiB } from '../../../src/model/units.ts';
import { fakeServer, opened, served, sparseDisk } from './disks.ts';

const size = MiB;

interface Lies {
  readonly greeting?: Buffer;
  readonly structured?: boolean;
  readonly size?: bigint;
  readonly blocks?: readonly number[];
  /** It knows NBD_OPT_EXPORT_NAME alone, and ends where that names something else. */
  readonly onlyExport?: string;
  /** An answer to NBD_OPT_GO in place of the right one. */
  go?(asked: number): Buffer;
  /** What is sent for a request; undefined: the connection is cut. */
  reply?(cookie: bigint, type: number): Buffer | undefined;
}

const replied = (asked: number, type: number, payload = Buffer.alloc(0), length = payload.length): Buffer =>
  Buffer.concat([optionReplyHead.encode({ magic: magic.optionReply, option: asked, type, length }), payload]);

const plainGreeting = Buffer.concat([magic.server, magic.option, Buffer.from([0, 3])]);

async function talk(socket: Socket, lies: Lies): Promise<void> {
  const stream = new ByteStream(socket, 'client');
  await stream.send(lies.greeting ?? plainGreeting);
  await stream.bytes(4);
  for (;;) {
    const { option: asked, length } = optionHead.decode(await stream.bytes(optionHead.bytes));
    const payload = await stream.bytes(length);
    if (lies.onlyExport !== undefined) {
      if (asked !== option.exportName) {
        await stream.send(replied(asked, 0x80000001));
        continue;
      }
      if (payload.toString() !== lies.onlyExport) return void socket.destroy();
      const facts = exportInfo.encode({ size, flags: 3 });
      await stream.send(facts, Buffer.alloc((lies.greeting ?? plainGreeting)[17] === 3 ? 0 : 124));
      break;
    }
    if (asked === option.structuredReply) {
      await stream.send(replied(asked, lies.structured === false ? 0x80000001 : optionReply.ack));
    } else if (asked === option.setMetaContext) {
      const context = Buffer.concat([Buffer.from([0, 0, 0, 9]), Buffer.from(allocation.name)]);
      await stream.send(replied(asked, optionReply.metaContext, context), replied(asked, optionReply.ack));
    } else {
      const facts = exportInfo.encode({ size: 0, flags: 1 });
      facts.writeBigUInt64BE(lies.size ?? BigInt(size));
      const blocks = Buffer.alloc(14);
      blocks.writeUInt16BE(3);
      (lies.blocks ?? [1, 4096, 32 * MiB]).forEach((value, i) => void blocks.writeUInt32BE(value, 2 + 4 * i));
      const infos = [Buffer.concat([Buffer.alloc(2), facts]), blocks];
      const right = [...infos.map((payload) => replied(asked, optionReply.info, payload)), replied(asked, 1)];
      await stream.send(lies.go?.(asked) ?? Buffer.concat(right));
      break;
    }
  }
  for (;;) {
    const { cookie, type } = requestHead.decode(await stream.bytes(requestHead.bytes));
    const answer = lies.reply?.(cookie, type);
    if (answer === undefined) return void socket.destroy();
    await stream.send(answer);
  }
}

async function lying(lies: Lies, timeoutMs = 10_000) {
  const port = await fakeServer((socket) => void talk(socket, lies).catch(() => undefined));
  return opened({ host: '127.0.0.1', port, timeoutMs });
}

const chunk = (cookie: bigint, type: number, payload: Buffer, flags = 1, length = payload.length): Buffer =>
  Buffer.concat([chunkHead.encode({ magic: magic.chunk, flags, type, cookie, length }), payload]);
const data = (cookie: bigint, offset: number, length: number, flags = 1): Buffer => {
  const payload = Buffer.alloc(8 + length, 0xee);
  payload.writeBigUInt64BE(BigInt(offset));
  return chunk(cookie, chunkType.offsetData, payload, flags);
};
const status = (cookie: bigint, ...lengths: number[]): Buffer => {
  const payload = Buffer.alloc(4 + 8 * lengths.length);
  payload.writeUInt32BE(9);
  lengths.forEach((length, i) => void payload.writeUInt32BE(length, 4 + 8 * i));
  return chunk(cookie, chunkType.blockStatus, payload);
};

describe('a handshake that makes no sense', () => {
  const old = Buffer.concat([magic.server, magic.oldStyle, Buffer.alloc(136)]);
  it.each<[string, Lies, string]>([
    ['another protocol', { greeting: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n') }, 'unsupported'],
    ['old style', { greeting: old }, 'unsupported'],
    [
      'not the fixed one',
      { greeting: Buffer.concat([magic.server, magic.option, Buffer.alloc(2)]) },
      'unsupported',
    ],
    ['a size past all files', { size: 1n << 63n }, 'corrupt'],
    ['impossible blocks', { blocks: [3, 4096, 4096] }, 'corrupt'],
    ['the largest block smaller than the least', { blocks: [4096, 4096, 512] }, 'corrupt'],
    ['no size', { go: (asked) => replied(asked, optionReply.ack) }, 'corrupt'],
    [
      'an endless answer',
      { go: (asked) => replied(asked, optionReply.info, Buffer.alloc(0), 2 ** 31) },
      'corrupt',
    ],
    ['endless answers', { go: (asked) => Buffer.concat(Array(60_000).fill(replied(asked, 3))) }, 'corrupt'],
    ['an answer to something else', { go: () => replied(99, optionReply.ack) }, 'corrupt'],
  ])('%s', async (_name, lies, kind) => {
    await expect(lying(lies)).rejects.toMatchObject({ kind });
  });
});

it.each([1, 3])('a server without NBD_OPT_GO and without chunks, handshake flags %i', async (flags) => {
  const reply = (cookie: bigint) =>
    Buffer.concat([simpleReplyHead.encode({ magic: magic.simpleReply, cookie }), Buffer.alloc(512, 5)]);
  const greeting = Buffer.concat([magic.server, magic.option, Buffer.from([0, flags])]);
  const port = await fakeServer((socket) => {
    void talk(socket, { onlyExport: 'vdi', greeting, reply }).catch(() => undefined);
  });
  const disk = await opened({ host: '127.0.0.1', port, name: 'vdi' });
  expect(disk).toMatchObject({ size, readOnly: true, contexts: [] });
  const target = Buffer.alloc(512);
  await disk.read(target, 4096);
  expect(target.every((byte) => byte === 5)).toBe(true);
  expect(await disk.extents(0, size)).toEqual([{ kind: 'data', offset: 0, length: size }]);
  await expect(opened({ host: '127.0.0.1', port, name: 'other' })).rejects.toMatchObject({
    kind: 'not-found',
  });
});

describe('answers that make no sense', () => {
  it.each<[string, Lies]>([
    ['data before the range', { reply: (c) => data(c, 0, 512) }],
    ['data past the range', { reply: (c) => data(c, 4096 + 512, 4096) }],
    ['less than was asked for', { reply: (c) => data(c, 4096, 512) }],
    ['data twice', { reply: (c) => Buffer.concat([data(c, 4096, 2048, 0), data(c, 4096, 2048)]) }],
    ['more than was asked for', { reply: (c) => data(c, 4096, 8192) }],
    ['an offset past 2^53', { reply: (c) => chunk(c, chunkType.offsetData, Buffer.alloc(9, 0xff)) }],
    ['no bytes', { reply: (c) => chunk(c, chunkType.offsetData, Buffer.alloc(8)) }],
    [
      'a hole past the range',
      { reply: (c) => chunk(c, chunkType.offsetHole, Buffer.from('00000000000010007fffffff', 'hex')) },
    ],
    ['another cookie', { reply: (c) => data(c + 1n, 4096, 4096) }],
    ['an unknown chunk', { reply: (c) => chunk(c, 99, Buffer.alloc(8)) }],
    ['an endless error', { reply: (c) => chunk(c, chunkType.error, Buffer.alloc(0), 1, 2 ** 31) }],
    [
      'an error longer than its chunk',
      { reply: (c) => chunk(c, chunkType.error, Buffer.from('00000005ffff', 'hex')) },
    ],
    ['a block status', { reply: (c) => status(c, 4096) }],
    ['a simple reply', { reply: (cookie) => simpleReplyHead.encode({ magic: magic.simpleReply, cookie }) }],
    ['a chunk where none was agreed on', { structured: false, reply: (c) => data(c, 4096, 4096) }],
    ['no reply', { reply: () => Buffer.from('HTTP/1.1 400 Bad Request\r\n') }],
  ])('%s', async (_name, lies) => {
    const disk = await lying(lies);
    await expect(disk.read(Buffer.alloc(4096), 4096)).rejects.toMatchObject({ kind: 'corrupt' });
    await expect(disk.read(Buffer.alloc(4096), 4096)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it.each<[string, (cookie: bigint) => Buffer]>([
    ['an empty range', (c) => status(c, 0)],
    ['nothing', (c) => status(c)],
    ['no context', (c) => chunk(c, chunkType.none, Buffer.alloc(0))],
    ['ranges behind the end', (c) => status(c, size, 512)],
    ['a length without end', (c) => chunk(c, chunkType.blockStatus, Buffer.alloc(0), 1, 2 ** 32 - 4)],
  ])('block status: %s', async (_name, reply) => {
    const disk = await lying({ reply });
    await expect(disk.extents(0, size)).rejects.toMatchObject({ kind: 'corrupt' });
  });

  it('a block status of a part is asked on', async () => {
    const disk = await lying({ reply: (c) => status(c, 4096) });
    expect(await disk.extents(0, 3 * 4096)).toEqual([{ kind: 'data', offset: 0, length: 3 * 4096 }]);
  });
});

describe('a link', () => {
  it('that is cut', async () => {
    const disk = await lying({ reply: () => undefined });
    await expect(disk.read(Buffer.alloc(3 * MiB).subarray(0, size), 0)).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });
  it('that is silent', async () => {
    const disk = await lying({ reply: () => Buffer.alloc(0) }, 100);
    await expect(disk.read(Buffer.alloc(size), 0)).rejects.toMatchObject({ kind: 'unreachable' });
    const port = await fakeServer(() => undefined);
    await expect(opened({ host: '127.0.0.1', port, timeoutMs: 50 })).rejects.toMatchObject({
      kind: 'unreachable',
    });
  });
  it('that is given up while it is made', async () => {
    const stop = new AbortController();
    const port = await fakeServer(() => stop.abort());
    await expect(opened({ host: '127.0.0.1', port, signal: stop.signal })).rejects.toMatchObject({
      kind: 'cancelled',
    });
  });
});

it.each<[string, Buffer]>([
  ['unknown flags', Buffer.from('00000103', 'hex')],
  ['no option', Buffer.concat([Buffer.from([0, 0, 0, 3]), Buffer.alloc(16, 0xff)])],
  [
    'an endless option',
    Buffer.concat([
      Buffer.from([0, 0, 0, 3]),
      optionHead.encode({ magic: magic.option.readBigUInt64BE(), option: 6, length: 2 ** 31 }),
    ]),
  ],
])('our server shows the door to a client with %s', async (_name, bytes) => {
  const said: string[] = [];
  const server = await served({
    exports: [{ name: '', disk: sparseDisk(Buffer.alloc(512)) }],
    remark: (text) => said.push(text),
  });
  const socket = connect(server.address.path!);
  socket.write(bytes);
  socket.resume();
  await new Promise((resolve) => socket.on('end', resolve));
  socket.destroy();
  expect(said).toEqual([expect.stringMatching(/nonsense/)]);
  expect((await opened({ path: server.address.path! })).size).toBe(512);
});
