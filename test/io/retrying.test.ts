import { describe, expect, it } from 'vitest';
import { type ByteSource, memorySource, readBytes } from '../../src/io/byte-source.ts';
import { AskingCalls, reopening, retrying, sparingly, Tries } from '../../src/io/retrying.ts';
import { AppError } from '../../src/model/errors.ts';

const lost = () => new AppError('unreachable', 'the connection was cut', { where: 'server' });
const quick = { pausesMs: [0, 1, 1, 1], roundMs: 60_000 };

describe('tries', () => {
  it('go on until it works, and the log is told once', async () => {
    const told: string[] = [];
    let tries = 0;
    const options = { ...quick, step: 'reading x', tell: (text: string) => told.push(text) };
    const result = await retrying(options, undefined, async () => {
      if (++tries < 3) throw lost();
      return tries;
    });
    expect(result).toBe(3);
    expect(told).toEqual([
      expect.stringMatching(/^reading x: the connection was cut; try 3 went on after \d\.\d s$/),
    ]);
  });

  it('end with what was done, how often, and over how long', async () => {
    let tries = 0;
    const failed = retrying({ ...quick, step: 'reading x' }, undefined, async () => {
      tries++;
      throw lost();
    });
    await expect(failed).rejects.toMatchObject({
      kind: 'unreachable',
      where: 'server',
      message: expect.stringMatching(/^reading x: the connection was cut; tried 5 times in 0:0\d$/),
      hint: expect.any(String),
    });
    expect(tries).toBe(5);
  });

  it('are not made for what no other try makes better, nor after a cancel', async () => {
    for (const kind of ['corrupt', 'auth', 'not-found', 'cancelled'] as const) {
      let tries = 0;
      const work = async () => {
        tries++;
        throw new AppError(kind, 'no');
      };
      await expect(retrying(quick, undefined, work)).rejects.toMatchObject({ kind, message: 'no' });
      expect(tries).toBe(1);
    }
    const stop = new AbortController();
    const waiting = retrying({ pausesMs: [60_000] }, stop.signal, async () => {
      throw lost();
    });
    setImmediate(() => stop.abort());
    await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it('begin anew when something got through, and end when nothing does for so long', async () => {
    const tries = new Tries({ pausesMs: [0, 0] });
    for (let i = 0; i < 10; i++) {
      await tries.failed(lost());
      await tries.failed(lost());
      tries.progress();
    }
    await tries.failed(lost());
    await tries.failed(lost());
    await expect(tries.failed(lost())).rejects.toThrow('tried 3 times');
    const short = new Tries({ pausesMs: [0, 0, 0], roundMs: 0 });
    await expect(short.failed(lost())).rejects.toThrow('the connection was cut');
  });
});

/** A source over bytes; each opening of it fails after so many reads. */
function fragile(bytes: Uint8Array, reads: number) {
  const count = { opened: 0, closed: 0, change: 0 };
  const open = async (): Promise<ByteSource> => {
    count.opened++;
    let left = reads;
    const inner = memorySource(bytes.subarray(count.change), 'x');
    return {
      ...inner,
      async read(target, offset) {
        if (left-- <= 0) throw lost();
        await inner.read(target, offset);
      },
      async close() {
        count.closed++;
      },
    };
  };
  return { count, open };
}

describe('a source that is opened again', () => {
  const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 256));

  it('is read whole, whatever is lost, and opened once for many reads', async () => {
    const { count, open } = fragile(bytes, 10);
    const source = await reopening(new Tries(quick), open);
    const parts = await Promise.all(Array.from({ length: 100 }, (_, i) => readBytes(source, i * 10, 10)));
    expect(Buffer.concat(parts).equals(bytes)).toBe(true);
    expect(count.opened).toBeLessThanOrEqual(12);
    await source.close();
    await source.close();
    expect(count.closed).toBe(count.opened);
  });

  it('is refused when it is another than before', async () => {
    const { count, open } = fragile(bytes, 1);
    const source = await reopening(new Tries(quick), open);
    await readBytes(source, 0, 10);
    count.change = 1;
    await expect(readBytes(source, 0, 10)).rejects.toMatchObject({
      kind: 'io',
      message: expect.stringContaining('changed while the connection was lost'),
    });
  });
});

it('a call that only asks is made again; when all was in vain, the next ones are made once', async () => {
  const calls = new AskingCalls({ persistence: { pausesMs: [0, 0], roundMs: 60_000 } });
  let made = 0;
  let left = 2;
  const call = async () => {
    made++;
    if (left-- > 0) throw lost();
    return 'yes';
  };
  expect(await calls.make(undefined, call)).toBe('yes');
  expect(made).toBe(3);
  left = 4;
  await expect(calls.make(undefined, call)).rejects.toMatchObject({ kind: 'unreachable' });
  expect(made).toBe(6);
  await expect(calls.make(undefined, call)).rejects.toMatchObject({ kind: 'unreachable' });
  expect(made).toBe(7);
  left = 0;
  expect(await calls.make(undefined, call)).toBe('yes');
});

it('lines come sparingly, and none is forgotten', async () => {
  const told: string[] = [];
  const tell = sparingly((text) => told.push(text), 30);
  for (let i = 0; i < 5; i++) tell(`line ${i}`);
  expect(told).toEqual(['line 0']);
  await expect.poll(() => told).toEqual(['line 0', 'line 4 (and 3 more like it)']);
});
