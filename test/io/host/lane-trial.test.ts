import { describe, expect, it } from 'vitest';
import { LaneTrial } from '../../../src/io/host/agent/lane-trial.ts';

/** A copy over a link of which each connection has so much, all together so much, bytes per millisecond. */
function copy(each: number, all: number, { idle = true, refused = 9 } = {}) {
  let now = 0;
  let crossed = 0;
  let lanes = 1;
  const seen: number[] = [];
  const trial = new LaneTrial({ now: () => now, spanMs: 100 });
  return {
    seen,
    pass(milliseconds: number) {
      for (const end = now + milliseconds; now < end; ) {
        trial.begin();
        now += 10;
        crossed += 10 * Math.min(all, each * lanes);
        trial.end();
        const wanted = trial.wanted({ lanes, crossed, idle: () => idle });
        lanes = Math.min(wanted, refused);
        if (seen.at(-1) !== lanes) seen.push(lanes);
      }
      return lanes;
    },
    lose() {
      lanes--;
    },
  };
}

describe('how many connections', () => {
  it('as many as carry more, where each is limited', () => {
    const throttled = copy(10, 1000);
    expect(throttled.pass(5000)).toBe(8);
    expect(throttled.seen).toEqual([1, 2, 4, 8]);
    throttled.lose();
    expect(throttled.pass(100)).toBe(8);
    const partly = copy(10, 40);
    expect(partly.pass(5000)).toBe(4);
    expect(partly.seen).toEqual([1, 2, 4, 8, 4]);
  });

  it('one, where all together are limited; tried again after long, and then after longer', () => {
    const narrow = copy(10, 10);
    expect(narrow.pass(10_000)).toBe(1);
    expect(narrow.seen).toEqual([1, 2, 1]);
    narrow.pass(30_000);
    expect(narrow.seen.length).toBeLessThanOrEqual(7);
  });

  it('one, where this computer is what limits', () => {
    expect(copy(10, 1000, { idle: false }).pass(10_000)).toBe(1);
  });

  it('those that the host lets in', () => {
    expect(copy(10, 1000, { refused: 3 }).pass(20_000)).toBe(3);
  });
});
