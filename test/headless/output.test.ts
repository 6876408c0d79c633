import { expect, it } from 'vitest';
import { exitCode } from '../../src/headless/exit-codes.ts';
import { jsonLine, plainText, table } from '../../src/headless/output.ts';

it('shows what would steer a terminal as its code', () => {
  expect(plainText('a\x1b[2Jb\nc\u202ed\u009be é 中')).toBe('a\\u{1b}[2Jb\\u{a}c\\u{202e}d\\u{9b}e é 中');
});

it('JSON holds nothing that steers a terminal, and is the same value', () => {
  const name = 'a\x1b[2J\n\x7f\u009b31m\u202ee';
  expect(plainText(jsonLine({ name }))).toBe(jsonLine({ name }));
  expect(JSON.parse(jsonLine({ name }))).toEqual({ name });
});

it('columns are as wide as what is shown', () => {
  expect(
    table([
      ['a\n', 'x'],
      ['bbbbbbbb', 'y'],
    ]),
  ).toEqual(['a\\u{a}    x', 'bbbbbbbb  y']);
});

it.each([
  [undefined, 0],
  ['usage', 2],
  ['blocked', 3],
  ['cancelled', 130],
  ['corrupt', 1],
  ['bug', 1],
] as const)('%s ends with %i', (kind, code) => {
  expect(exitCode(kind && { kind, message: '' })).toBe(code);
});
