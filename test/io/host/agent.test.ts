/** The helper's answers are what a host sends: any of them may be nonsense. */
import { PassThrough } from 'node:stream';
import { deflateSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { type Agent, startAgent } from '../../../src/io/host/agent/agent.ts';
import { answerHeader, requestHeader } from '../../../src/io/host/agent/protocol.ts';
import type { Running } from '../../../src/io/host/host.ts';
import { AppError } from '../../../src/model/errors.ts';
import { failure } from '../../conformance/test-host.ts';

type Header = ReturnType<typeof requestHeader.decode>;
type Reply = (request: Header) => Buffer;

const answer = (
  id: number,
  payload: Uint8Array,
  fields: { status?: number; flags?: number; length?: number; value?: number } = {},
) => Buffer.concat([answerHeader.encode({ id, length: payload.length, ...fields }), payload]);

/** A helper that greets with `noise`, tells its home, and then says what `reply` says. */
async function helper(reply: Reply, noise = ''): Promise<Agent | undefined> {
  return startAgent(async (args) => {
    const stdin = new PassThrough();
    const stdout = new PassThrough();
    let kill: () => void = () => undefined;
    const ended = new Promise<never>((_, reject) => {
      kill = () => reject(new AppError('io', 'it was ended'));
    });
    ended.catch(() => undefined);
    let asked = 0;
    stdin.on('data', (chunk: Buffer) => {
      for (let at = 0; at + requestHeader.bytes <= chunk.length; ) {
        const header = requestHeader.decode(chunk, at);
        at += requestHeader.bytes + header.length;
        stdout.write(asked++ === 0 ? answer(header.id, Buffer.from('/root')) : reply(header));
      }
    });
    stdout.write(`${noise}${args[3]}\u0001`);
    return { stdin, stdout, ended, kill: () => kill() } satisfies Running;
  }, 'user@host');
}

it('is heard behind noise, and given up behind too much', async () => {
  const agent = await helper((r) => answer(r.id, Buffer.from('x')), 'Welcome!\n'.repeat(1000));
  expect((await agent!.ask({ op: 16 })).payload.toString()).toBe('x');
  expect(await helper((r) => answer(r.id, Buffer.alloc(0)), 'x'.repeat(2 ** 21))).toBeUndefined();
});

const bytes = Buffer.alloc(200_000, 7);
const nonsense: Record<string, Reply> = {
  'another id': (r) => answer(r.id + 1, bytes),
  'a length that was not asked for': (r) => answer(r.id, bytes.subarray(1)),
  'a length without end': (r) => answer(r.id, bytes, { length: 0xffff_ffff }),
  'zeros that are some': (r) => answer(r.id, bytes, { flags: 2 }),
  'a bitmap without its bytes': (r) => answer(r.id, Buffer.from([0x0f]), { flags: 4 }),
  'a bitmap with too many': (r) => answer(r.id, Buffer.concat([Buffer.from([1]), bytes]), { flags: 4 }),
  'what is no zlib stream': (r) => answer(r.id, bytes, { flags: 1 }),
  'a zlib stream of too much': (r) => answer(r.id, deflateSync(Buffer.alloc(50_000_000)), { flags: 1 }),
  'a zlib stream of too little': (r) => answer(r.id, deflateSync(Buffer.alloc(5)), { flags: 1 }),
  'an error without end': (r) => answer(r.id, bytes, { status: 1 }),
  'random bytes': () => bytes,
};
for (const [name, reply] of Object.entries(nonsense)) {
  it(`ends a helper that answers ${name}`, async () => {
    const agent = await helper(reply);
    const error = await failure(agent!.read(1, Buffer.alloc(bytes.length), 0));
    expect(error).toMatchObject({ kind: 'io', where: 'user@host' });
    expect(agent!.alive).toBe(false);
    expect((await agent!.lost).kind).toBe('io');
  });
}

it('puts bytes, zeros and grains where they belong; compressed or not', async () => {
  const grain = 65_536;
  const agent = await helper((r) => {
    const body = Buffer.alloc(200_000 - 3 * grain + grain, 5);
    return answer(r.id, Buffer.concat([Buffer.from([0b1010]), deflateSync(body)]), { flags: 5, value: 9 });
  });
  const target = Buffer.alloc(200_000, 1);
  await agent!.read(1, target, 0);
  const expected = Buffer.alloc(200_000);
  expected.fill(5, grain, 2 * grain);
  expected.fill(5, 3 * grain);
  expect(target.equals(expected)).toBe(true);
});

it('leaves the target alone after a cancel', async () => {
  const stop = new AbortController();
  const agent = await helper((r) => {
    stop.abort();
    return answer(r.id, bytes);
  });
  const target = Buffer.alloc(bytes.length, 1);
  expect(await failure(agent!.read(1, target, 0, { signal: stop.signal }))).toMatchObject({
    kind: 'cancelled',
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(target.every((byte) => byte === 1)).toBe(true);
});
