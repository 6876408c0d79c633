import { describe, expect, it } from 'vitest';
import { clean, fitTo, truncate, widthOf, wrap } from '../../../src/screens/widgets/fit-text.ts';

describe('truncate', () => {
  it.each([
    ['short', 10, 'end', 'short'],
    ['a-long-name.qcow2', 10, 'end', 'a-long-na…'],
    ['a-long-name.qcow2', 10, 'middle', 'a-lon…cow2'],
    ['a-long-name.qcow2', 10, 'start', '…ame.qcow2'],
    ['abc', 1, 'end', '…'],
    ['abc', 0, 'end', ''],
    ['漢字漢字', 5, 'end', '漢字…'],
    ['漢字漢字', 4, 'end', '漢…'],
    ['漢字漢字', 4, 'middle', '漢…'],
  ] as const)('%s in %i cells, cut at the %s', (text, width, cut, expected) => {
    expect(truncate(text, width, { cut })).toBe(expected);
    expect(widthOf(truncate(text, width, { cut }))).toBeLessThanOrEqual(width);
  });
});

describe('fitTo', () => {
  it.each([
    ['ab', 4, 'left', 'ab  '],
    ['ab', 4, 'right', '  ab'],
    ['漢字漢', 4, 'left', '漢… '],
  ] as const)('%s in %i cells, %s', (text, width, align, expected) => {
    expect(fitTo(text, width, { align })).toBe(expected);
  });
});

it('prints no control character and no mark that turns the direction', () => {
  expect(clean('a\u001b[2Jb\nc\u202ed\u0007')).toBe('a [2Jb c d ');
});

describe('wrap', () => {
  it.each([
    ['one two three', 7, undefined, ['one two', 'three']],
    ['  one two three', 8, undefined, ['  one', '  two', '  three']],
    ['key   one two', 10, 6, ['key   one', '     two']],
    ['abcdefghij', 4, undefined, ['abcd', 'efgh', 'ij']],
    ['a\nb', 4, undefined, ['a', 'b']],
    ['', 4, undefined, ['']],
    ['漢字漢字', 3, undefined, ['漢', '字', '漢', '字']],
  ] as const)('%j in %i cells', (text, width, hang, expected) => {
    expect(wrap(text, width, hang)).toEqual(expected);
  });

  it('ends where a cell is narrower than a character', () => {
    expect(wrap('漢字', 1)).toEqual(['漢', '字']);
  });
});
