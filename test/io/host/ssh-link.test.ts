/** A lost connection: how long it is worked for. */
import { expect, it } from 'vitest';
import { SshLink } from '../../../src/io/host/ssh-link.ts';
import type { SshConnection } from '../../../src/io/ssh/connection.ts';
import { AppError } from '../../../src/model/errors.ts';

const gone = new AppError('unreachable', 'the connection was lost');

/** One that is lost already; `another` makes the next. */
function lostConnection(another: (signal: AbortSignal) => Promise<SshConnection>): SshConnection {
  const fake = { name: 'me@host', lost: Promise.resolve(gone), another, close: async () => undefined };
  return fake as unknown as SshConnection;
}

const quick = { pausesMs: [0, 1, 1], roundMs: 60_000, laterMs: 60_000 };

it('gives up after one round of tries; later only one more try is made each time', async () => {
  let tries = 0;
  let isUp = false;
  const next = lostConnection(async () => next);
  const link = new SshLink(
    lostConnection(async () => {
      tries++;
      if (isUp) return { ...next, lost: new Promise(() => undefined) } as unknown as SshConnection;
      throw new AppError('unreachable', 'connecting: nothing listens', { hint: 'look' });
    }),
    quick,
  );
  await gone;
  const error = await link.current().catch((e) => e);
  expect(error).toMatchObject({ kind: 'unreachable', where: 'me@host', hint: 'look' });
  expect(error.message).toMatch(/lost; and it could not be made again: connecting: nothing listens/);
  expect(tries).toBe(3);
  expect(link.isFinal(error)).toBe(true);
  expect(link.isFinal(gone)).toBe(false);
  await expect(link.current()).rejects.toThrow('could not be made again');
  expect(tries).toBe(4);
  isUp = true;
  await link.current();
  expect(link.isFinal(error)).toBe(false);
});

it('does not wait for a host that answers nothing longer than a round lasts', async () => {
  const silent = (signal: AbortSignal) =>
    new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new AppError('cancelled', 'cancelled'))),
    );
  const link = new SshLink(lostConnection(silent), { pausesMs: [0, 1, 1], roundMs: 20, laterMs: 20 });
  await gone;
  await expect(link.current()).rejects.toMatchObject({
    kind: 'unreachable',
    message: expect.stringContaining('the host did not answer for 1 s'),
  });
});

it('ends at once when it is closed, or whoever waits is cancelled', async () => {
  const silent = (signal: AbortSignal) =>
    new Promise<never>((_, reject) =>
      signal.addEventListener('abort', () => reject(new AppError('cancelled', 'cancelled'))),
    );
  const link = new SshLink(lostConnection(silent));
  await gone;
  const control = new AbortController();
  const waiting = link.current(control.signal);
  control.abort();
  await expect(waiting).rejects.toMatchObject({ kind: 'cancelled' });
  const other = link.current();
  await link.close();
  await expect(other).rejects.toMatchObject({ kind: 'cancelled' });
});

it('makes no further connection for which somebody would be asked again', async () => {
  let made = 0;
  const next = lostConnection(async () => {
    made++;
    return next;
  });
  const main = { ...next, asks: true, lost: new Promise(() => undefined) } as unknown as SshConnection;
  await expect(new SshLink(main).another()).rejects.toMatchObject({ kind: 'unsupported' });
  expect(made).toBe(0);
});
