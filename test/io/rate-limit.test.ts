import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type Clock, RateLimit } from '../../src/io/rate-limit.ts';

/** Time that passes when it is told to. */
function handClock(): Clock & { pass(ms: number): Promise<void> } {
  let now = 0;
  const timers = new Set<{ at: number; act: () => void }>();
  return {
    now: () => now,
    later(act, ms) {
      const timer = { at: now + ms, act };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    async pass(ms) {
      const end = now + ms;
      for (;;) {
        await settled();
        const [next] = [...timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers.delete(next);
        now = next.at;
        next.act();
      }
      now = end;
    },
  };
}

/** Reads of 1000 bytes, one behind the other, by `readers` at once; how many were let through so far. */
function reading(limit: RateLimit, readers = 1): { reads: number } {
  const told = { reads: 0 };
  const loop = async () => {
    for (let i = 0; i < 1000; i++) {
      await limit.take(1000);
      told.reads++;
    }
  };
  for (let i = 0; i < readers; i++) void loop();
  return told;
}

describe('a rate limit', () => {
  it.each([1, 5])('lets through what it says, whoever asks: %d readers', async (readers) => {
    const clock = handClock();
    const told = reading(new RateLimit(10_000, clock), readers);
    await clock.pass(10_000);
    expect(told.reads).toBeGreaterThanOrEqual(100);
    expect(told.reads).toBeLessThanOrEqual(102);
  });

  it('lets through what is larger than what one second brings, and pays it off after', async () => {
    const clock = handClock();
    const limit = new RateLimit(1000, clock);
    await limit.take(10_000);
    let second = false;
    void limit.take(1).then(() => {
      second = true;
    });
    await clock.pass(9_900);
    expect(second).toBe(false);
    await clock.pass(200);
    expect(second).toBe(true);
  });

  it('can be changed while somebody waits, and taken away', async () => {
    const clock = handClock();
    const limit = new RateLimit(1000, clock);
    const told = reading(limit);
    await clock.pass(5000);
    const slow = told.reads;
    expect(slow).toBeLessThanOrEqual(7);
    limit.setBytesPerSecond(50_000);
    await clock.pass(2000);
    expect(told.reads - slow).toBeGreaterThanOrEqual(98);
    expect(told.reads - slow).toBeLessThanOrEqual(102);
    limit.setBytesPerSecond(undefined);
    await clock.pass(0);
    expect(told.reads).toBe(1000);
  });

  it('owes nothing for a time in which nothing was asked for', async () => {
    const clock = handClock();
    const limit = new RateLimit(10_000, clock);
    await clock.pass(3_600_000);
    const told = reading(limit);
    await clock.pass(1000);
    expect(told.reads).toBeLessThanOrEqual(12);
  });

  it('ends the wait of who is cancelled, and nobody behind waits longer', async () => {
    const clock = handClock();
    const limit = new RateLimit(1000, clock);
    await limit.take(2000);
    const stop = new AbortController();
    const cancelled = limit.take(1_000_000, stop.signal);
    let through = false;
    void limit.take(1).then(() => {
      through = true;
    });
    stop.abort();
    await expect(cancelled).rejects.toMatchObject({ kind: 'cancelled' });
    await clock.pass(2100);
    expect(through).toBe(true);
    await expect(limit.take(1, stop.signal)).rejects.toMatchObject({ kind: 'cancelled' });
  });

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('is not %d', (bytes) => {
    expect(() => new RateLimit(bytes)).toThrow('is no rate');
  });
});
