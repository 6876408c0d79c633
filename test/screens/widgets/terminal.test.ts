import { describe, expect, it } from 'vitest';
import { capabilitiesOf, terminalOf } from '../../../src/screens/widgets/terminal.ts';

describe('capabilitiesOf', () => {
  const xterm = { TERM: 'xterm-256color', LANG: 'en_US.UTF-8' };
  it.each([
    ['a usual terminal', xterm, true, true, false],
    ['LANG=C', { ...xterm, LANG: 'C' }, true, false, false],
    ['LC_ALL over LANG', { ...xterm, LC_ALL: 'C' }, true, false, false],
    ['an empty LC_ALL', { ...xterm, LC_ALL: '' }, true, true, false],
    ['LC_CTYPE', { TERM: 'xterm', LC_CTYPE: 'C.utf8' }, true, true, false],
    ['NO_COLOR', { ...xterm, NO_COLOR: '1' }, false, true, false],
    ['an empty NO_COLOR', { ...xterm, NO_COLOR: '' }, true, true, false],
    ['NO_COLOR over FORCE_COLOR', { ...xterm, NO_COLOR: '1', FORCE_COLOR: '1' }, false, true, false],
    ['FORCE_COLOR=0', { ...xterm, FORCE_COLOR: '0' }, false, true, false],
    ['TERM=dumb', { ...xterm, TERM: 'dumb' }, false, false, true],
    ['no TERM', { LANG: 'C.UTF-8' }, false, false, true],
    ['vt100', { TERM: 'vt100', LANG: 'C' }, false, false, false],
  ])('%s', (_, env, colour, unicode, dumb) => {
    expect(capabilitiesOf(env)).toEqual({ colour, unicode, dumb });
  });
});

it('has only ASCII glyphs where the terminal knows no others, and no style without colour', () => {
  const { glyphs, styles } = terminalOf({ colour: false, unicode: false, dumb: false }, 80, 24);
  expect(JSON.stringify(glyphs)).toMatch(/^[\x20-\x7e]*$/);
  expect(Object.values(styles).every((style) => Object.keys(style).length === 0)).toBe(true);
});
