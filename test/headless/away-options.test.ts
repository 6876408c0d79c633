import { expect, it } from 'vitest';
import { isAway, whenOf } from '../../src/headless/away-options.ts';
import { localTime, parseStartTime } from '../../src/model/start-time.ts';
import { parseRate } from '../../src/model/units.ts';

const noon = new Date(2026, 2, 1, 12, 0, 0);

it('a start time is the next one of the clock, or the one that is written', () => {
  expect(new Date(parseStartTime('22:00', noon))).toEqual(new Date(2026, 2, 1, 22, 0));
  expect(new Date(parseStartTime('11:59', noon))).toEqual(new Date(2026, 2, 2, 11, 59));
  expect(new Date(parseStartTime('12:00', noon))).toEqual(new Date(2026, 2, 2, 12, 0));
  expect(parseStartTime('2030-01-31T22:00Z', noon)).toBe(Date.UTC(2030, 0, 31, 22));
  expect(localTime(parseStartTime('22:05', noon))).toBe('2026-03-01 22:05');
  for (const wrong of ['24:00', '12:60', 'tomorrow', '2030-13-01', '2026-01-01', ''])
    expect(() => parseStartTime(wrong, noon)).toThrow();
});

it('options become what the run is told', () => {
  expect(whenOf({ in: '1.5h', atOnce: '3', limitRate: '20M' }, noon)).toEqual({
    ...{ at: noon.getTime() + 5_400_000, atOnce: 3, bytesPerSecond: 20 * 2 ** 20 },
  });
  expect(whenOf({})).toEqual({});
  expect(isAway({ limitRate: '1M' })).toBe(false);
  for (const options of [{ detach: true }, { at: '22:00' }, { in: '2h' }, { atOnce: '1' }])
    expect(isAway(options)).toBe(true);
  expect(() => whenOf({ at: '22:00', in: '2h' })).toThrow('can not both be given');
  for (const wrong of [{ in: '2' }, { in: '-2h' }, { atOnce: '0' }, { limitRate: '0' }, { limitRate: 'x' }])
    expect(() => whenOf(wrong)).toThrow();
  expect(parseRate('20 MiB/s')).toBe(20 * 2 ** 20);
});
