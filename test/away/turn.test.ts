import { expect, it } from 'vitest';
import type { RunMark } from '../../src/away/marks.ts';
import { byTurn } from '../../src/away/marks.ts';
import { takeTurn } from '../../src/away/turn.ts';
import type { Waiting } from '../../src/state/state.ts';

const markOf = (id: string): RunMark => ({
  ...{ version: 1, id, pid: 1, host: 'here', socket: '', title: id },
  ...{ turn: 'waiting', due: 0 },
});

/** Processes that look at each other's marks; reading and writing take so many turns of the loop as chance has it. */
function computer(seed: number) {
  const marks = new Map<string, RunMark>();
  let state = seed;
  const chance = (most: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * most);
  };
  const loop = async (most: number) => {
    for (let left = chance(most); left > 0; left--) await new Promise((next) => setImmediate(next));
  };
  let clock = 1000;
  return {
    marks,
    loop,
    pass: (to: number) => {
      clock = to;
    },
    process(id: string, atOnce: number, at?: number, signal = new AbortController().signal) {
      const told: Waiting[] = [];
      const turn = takeTurn(
        {
          own: markOf(id),
          atOnce,
          at,
          async marks() {
            await loop(3);
            const now = [...marks.values()].sort(byTurn);
            await loop(3);
            return now;
          },
          async write(mark) {
            await loop(3);
            marks.set(id, mark);
          },
          tell: (waiting) => told.push(waiting),
          now: () => clock++,
          pause: () => loop(6),
        },
        signal,
      );
      return { turn, told };
    },
  };
}

it.each([1, 2, 3])('no more than %i run at once, however they look at each other', async (atOnce) => {
  for (let seed = 1; seed <= 40; seed++) {
    const { process, marks, loop } = computer(seed);
    let running = 0;
    let most = 0;
    const runs = ['a', 'b', 'c', 'd', 'e'].map(async (id) => {
      await process(id, atOnce).turn;
      most = Math.max(most, ++running);
      await loop(20);
      running--;
      marks.delete(id);
    });
    await Promise.all(runs);
    expect(most).toBeLessThanOrEqual(atOnce);
    expect(most).toBeGreaterThan(0);
  }
});

it('they come in the order in which they wait, and are told how many are before them', async () => {
  const { process, marks, loop } = computer(7);
  const order: string[] = [];
  const waits = (id: string) => {
    const { turn, told } = process(id, 1);
    void turn.then(() => order.push(id));
    return told;
  };
  waits('c');
  await expect.poll(() => order).toEqual(['c']);
  const second = waits('b');
  await expect.poll(() => second).toEqual([{ before: 1 }]);
  const third = waits('a');
  await expect.poll(() => third).toEqual([{ before: 2 }]);
  for (const next of ['b', 'a']) {
    marks.delete(order.at(-1)!);
    await expect.poll(() => order.at(-1)).toBe(next);
    await loop(5);
  }
  expect(third).toEqual([{ before: 2 }, { before: 1 }]);
});

it('a start time is waited for, without keeping others from their turn', async () => {
  const { process, marks, pass } = computer(3);
  const later = process('a', 1, 500_000);
  await expect.poll(() => later.told).toEqual([{ until: 500_000 }]);
  await process('b', 1).turn;
  marks.delete('b');
  pass(500_001);
  await later.turn;
  expect(marks.get('a')?.turn).toBe('running');
});

it('who waits can be cancelled', async () => {
  const { process } = computer(5);
  await process('a', 1).turn;
  const ended = new AbortController();
  const { turn, told } = process('b', 1, undefined, ended.signal);
  await expect.poll(() => told).toEqual([{ before: 1 }]);
  ended.abort();
  await expect(turn).rejects.toMatchObject({ kind: 'cancelled' });
});
