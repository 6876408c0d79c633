import { describe, expect, it } from 'vitest';
import { leaseStream } from '../../../../src/env-plugins/vsphere/ways/lease-stream.ts';
import type { Download } from '../../../../src/io/https/download.ts';
import { AppError } from '../../../../src/model/errors.ts';

const never = new AbortController().signal;
const whole = Buffer.from(Array.from({ length: 1000 }, (_, i) => i % 251));

interface Scripted {
  readonly bytes?: Buffer;
  /** The connection breaks after so many. */
  readonly cutAfter?: number;
  readonly piece?: number;
}

/** Each beginning is the next of the script; the last one repeats. */
function scripted(...script: readonly Scripted[]) {
  let begun = 0;
  const closed: number[] = [];
  const begin = async (): Promise<Download> => {
    const number = begun++;
    const {
      bytes = whole,
      cutAfter = Number.POSITIVE_INFINITY,
      piece = 70,
    } = script[number] ?? script.at(-1)!;
    let at = 0;
    let over = false;
    return {
      status: 200,
      headers: {},
      async next() {
        if (over) throw new AppError('cancelled', 'given up');
        if (at >= cutAfter) throw new AppError('unreachable', 'the connection was cut');
        const chunk = bytes.subarray(at, Math.min(at + piece, cutAfter));
        at += chunk.length;
        return chunk.length === 0 ? undefined : chunk;
      },
      close() {
        over = true;
        closed.push(number);
      },
    };
  };
  return { begin, closed, begun: () => begun };
}

const options = { name: 'disk', signal: never, pausesMs: [0, 0, 0] };

async function all(stream: AsyncGenerator<Buffer>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

describe('a stream that is begun again', () => {
  it('goes on where it was, however often it is cut and however it is sliced', async () => {
    const cuts = [0, 1, 140, 333, 999].map((cutAfter, i) => ({ cutAfter, piece: 33 * (i + 1) }));
    const server = scripted(...cuts, { piece: 1000 });
    expect((await all(leaseStream({ ...options, begin: server.begin }))).equals(whole)).toBe(true);
    expect(server.begun()).toBe(6);
    expect(server.closed).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('is given up when nothing new comes', async () => {
    const server = scripted({ cutAfter: 140 });
    const reading = all(leaseStream({ ...options, begin: server.begin }));
    await expect(reading).rejects.toMatchObject({ kind: 'unreachable' });
    expect(server.begun()).toBe(4);
  });

  it('refuses another stream than before, and one that ends before', async () => {
    const other = Buffer.from(whole);
    other[100]! ^= 1;
    for (const bytes of [other, whole.subarray(0, 120)]) {
      const server = scripted({ cutAfter: 140 }, { bytes });
      await expect(all(leaseStream({ ...options, begin: server.begin }))).rejects.toMatchObject({
        kind: 'io',
        message: expect.stringContaining('another stream'),
      });
    }
  });

  it('lets a connection go of which nobody takes, and has it again', async () => {
    const server = scripted({});
    const stream = leaseStream({ ...options, begin: server.begin, idleMs: 1 });
    const first = await stream.next();
    await expect.poll(() => server.closed).toEqual([0]);
    const rest = await all(stream);
    expect(Buffer.concat([first.value as Buffer, rest]).equals(whole)).toBe(true);
    expect(server.begun()).toBeGreaterThan(1);
  });

  it('ends with what reads it, and with a cancel', async () => {
    const server = scripted({});
    const stream = leaseStream({ ...options, begin: server.begin });
    await stream.next();
    await stream.return(undefined);
    expect(server.closed).toEqual([0]);
    const cancelled = AbortSignal.abort();
    const cut = scripted({ cutAfter: 0 });
    const reading = all(leaseStream({ ...options, signal: cancelled, begin: cut.begin }));
    await expect(reading).rejects.toBeInstanceOf(AppError);
    expect(cut.begun()).toBe(1);
  });
});
