import { describe, expect, it } from 'vitest';
import { barText, percentText, shareOf } from '../../../src/screens/widgets/progress-bar.tsx';
import { terminalOf } from '../../../src/screens/widgets/terminal.ts';
import { editLine, lineOf, type TextEdit, windowOf } from '../../../src/screens/widgets/text-line.ts';
import { paneMoved, paneTop } from '../../../src/screens/widgets/text-pane-view.ts';

describe('editLine', () => {
  const edits = (types: readonly TextEdit['type'][]) => types.map((type) => ({ type }) as TextEdit);
  it.each([
    ['/srv/images', ['backspace'], '/srv/image'],
    ['/srv/images', ['delete-word'], '/srv/'],
    ['/srv/images', ['clear'], ''],
    ['/srv/images', ['left', 'left', 'backspace'], '/srv/imaes'],
    ['/srv', ['home', 'backspace'], '/srv'],
    ['a漢😀', ['backspace'], 'a漢'],
    ['', ['left', 'right', 'backspace', 'delete-word'], ''],
  ] as const)('%s, %j', (value, types, expected) => {
    expect(edits(types).reduce(editLine, lineOf(value)).value).toBe(expected);
  });

  it('inserts at the cursor', () => {
    const line = editLine(editLine(lineOf('ac'), { type: 'left' }), { type: 'insert', text: 'b' });
    expect(line).toEqual({ value: 'abc', cursor: 2 });
  });
});

it.each([
  ['abcdef', 6, 4, 'def', ' ', ''],
  ['abcdef', 0, 4, '', 'a', 'bcd'],
  ['abcdef', 3, 4, 'abc', 'd', ''],
])('%s with the cursor at %i in %i cells', (value, cursor, width, before, at, after) => {
  expect(windowOf({ value, cursor }, width)).toEqual({ before, at, after });
});

describe('a bar', () => {
  const { glyphs } = terminalOf({ colour: false, unicode: true, dumb: false }, 80, 24);
  const ascii = terminalOf({ colour: false, unicode: false, dumb: false }, 80, 24).glyphs;
  it.each([
    [0, '░░░░', '....'],
    [0.5, '██░░', '##..'],
    [0.55, '██▏░', '##..'],
    [1, '████', '####'],
    [2, '████', '####'],
    [Number.NaN, '░░░░', '....'],
  ])('at %d', (share, expected, plain) => {
    expect(barText(share, 4, glyphs)).toBe(expected);
    expect(barText(share, 4, ascii)).toBe(plain);
  });
  it('is whole where there is nothing to do, and says 100 % only at the end', () => {
    expect(shareOf(0, 0)).toBe(1);
    expect(percentText(0.9999)).toBe(' 99%');
    expect(percentText(1)).toBe('100%');
  });
});

describe('a pane that follows', () => {
  it('stays at the end until one scrolls up, and again when one comes back', () => {
    expect(paneTop(undefined, 100, 10)).toBe(90);
    const up = paneMoved(undefined, 100, 10, 'up', true);
    expect(up).toBe(89);
    expect(paneTop(up, 120, 10)).toBe(89);
    expect(paneMoved(up, 100, 10, 'end', true)).toBeUndefined();
    expect(paneMoved(0, 5, 10, 'down', false)).toBe(0);
  });
});
