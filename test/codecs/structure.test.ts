import { expect, it } from 'vitest';
import { CheckNotes, SpaceMap } from '../../src/codecs/structure.ts';
import { AppError } from '../../src/model/errors.ts';
import { GiB, KiB, MiB, TiB } from '../../src/model/units.ts';

const spaceOf = (size: number, unit = 512) => {
  const notes = new CheckNotes('raw', 'a');
  return { notes, space: new SpaceMap({ name: 'a', size }, unit, notes) };
};

it('finds what lies on something else, at odd places too', () => {
  const { notes, space } = spaceOf(MiB);
  expect(space.take('one', 512, 5000)).toBe(true);
  expect(space.take('two', 512 * 11, 512)).toBe(true);
  expect(space.take('three', 512 * 10, 512)).toBe(false);
  expect(space.take('four', 0, MiB)).toBe(false);
  expect(notes.report().errors.map((e) => e.rule)).toEqual(['raw.overlap', 'raw.overlap']);
});

it('finds what goes past the end, but for what need not be there', () => {
  const { notes, space } = spaceOf(10_000);
  expect(space.take('last', 9000, 4096, 1000)).toBe(true);
  expect(space.take('far', 9999, 2)).toBe(false);
  expect(space.take('nowhere', Number.NaN, 2)).toBe(false);
  expect(space.take('before', -512, 512)).toBe(false);
  expect(notes.errorCount).toBe(3);
});

it('counts what is free', () => {
  const { space } = spaceOf(64 * MiB);
  space.take('a', 0, 20 * MiB);
  space.take('b', 40 * MiB, KiB);
  expect(space.free(0, 64 * MiB)).toBe((44 * MiB - KiB) / 512);
});

it('keeps a file of terabytes in little memory, and is quick where all entries say one place', () => {
  const { notes, space } = spaceOf(TiB, 64 * KiB);
  for (let at = 0; at < TiB; at += 64 * MiB) expect(space.take('x', at, 64 * MiB)).toBe(true);
  for (let i = 0; i < 1_000_000; i++) space.take('y', GiB, 256 * MiB);
  const report = notes.report();
  expect([report.errorCount, report.errors.length]).toEqual([1_000_000, 20]);
});

it('goes on after broken content, not after anything else', async () => {
  const notes = new CheckNotes('raw', 'a');
  const fail = (kind: 'corrupt' | 'io') => () => Promise.reject(new AppError(kind, 'x'));
  expect(await notes.attempt('part', fail('corrupt'))).toBeUndefined();
  await expect(notes.attempt('part', fail('io'))).rejects.toMatchObject({ kind: 'io' });
  expect(notes.errorCount).toBe(1);
});
