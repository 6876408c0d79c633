import type { Key } from 'ink';
import { describe, expect, it } from 'vitest';
import { type KeyBinding, Keyboard, type KeyLevel, keysOf, shownKey } from '../../src/screens/keyboard.ts';

const noKey = {} as Key;
const key = (of: Partial<Key>) => of as Key;

describe('keysOf', () => {
  it.each([
    ['a', noKey, ['a']],
    [' ', noKey, ['space']],
    ['abc\r', noKey, ['abc', 'enter']],
    ['a\tb\x7f', noKey, ['a', 'tab', 'b', 'backspace']],
    ['', key({ upArrow: true }), ['up']],
    ['', key({ delete: true }), ['backspace']],
    ['', key({ tab: true, shift: true }), ['shift+tab']],
    ['', key({ escape: true, meta: true }), ['esc']],
    ['c', key({ ctrl: true }), ['ctrl+c']],
    ['b', key({ meta: true }), []],
    ['größe', noKey, ['größe']],
  ])('%j', (input, of, expected) => {
    expect(keysOf(input, of)).toEqual(expected);
  });
});

function keyboardWith(
  layers: readonly { level: KeyLevel; keys: Record<string, string | undefined>; text?: boolean }[],
) {
  const keyboard = new Keyboard();
  const pressed: string[] = [];
  for (const { level, keys, text } of layers) {
    const bindings = Object.entries(keys).map(
      ([name, reason]): KeyBinding => ({
        key: name,
        label: name,
        reason,
        run: () => pressed.push(`${level} ${name}`),
      }),
    );
    keyboard.update(keyboard.add(level), bindings, text ? (t) => pressed.push(`text ${t}`) : undefined);
  }
  return { keyboard, pressed };
}
const settled = async (pressed: string[], count: number) => {
  while (pressed.length < count) await new Promise((done) => setImmediate(done));
};

describe('Keyboard', () => {
  it('gives a key to the topmost layer that has it', () => {
    const { keyboard, pressed } = keyboardWith([
      { level: 'global', keys: { a: undefined, q: undefined } },
      { level: 'list', keys: { b: undefined } },
      { level: 'screen', keys: { a: undefined, b: undefined } },
    ]);
    for (const name of ['a', 'b', 'q', 'z']) keyboard.press(name);
    expect(pressed).toEqual(['screen a', 'list b', 'global q']);
  });

  it('keeps keys from what is below a form or a dialog, but for the end', () => {
    const { keyboard, pressed } = keyboardWith([
      { level: 'always', keys: { 'ctrl+c': undefined } },
      { level: 'screen', keys: { a: undefined, esc: undefined } },
      { level: 'entry', keys: { esc: undefined }, text: true },
    ]);
    for (const name of ['a', 'space', 'esc', 'ctrl+c']) keyboard.press(name);
    expect(pressed).toEqual(['text a', 'text  ', 'entry esc', 'always ctrl+c']);
    expect(keyboard.summary().exclusive).toBe(true);
  });

  it('says why a key does nothing, until the next key', () => {
    const { keyboard, pressed } = keyboardWith([
      { level: 'screen', keys: { d: 'nothing is chosen', a: undefined } },
    ]);
    keyboard.press('d');
    expect(keyboard.summary().refused).toBe('nothing is chosen');
    keyboard.press('a');
    expect(keyboard.summary().refused).toBeUndefined();
    expect(pressed).toEqual(['screen a']);
  });

  it('takes keys that came together one after the other', async () => {
    const { keyboard, pressed } = keyboardWith([
      { level: 'screen', keys: { j: undefined, enter: undefined } },
    ]);
    keyboard.feed('jjj\r', noKey);
    await settled(pressed, 4);
    expect(pressed).toEqual(['screen j', 'screen j', 'screen j', 'screen enter']);
  });

  it('types a pasted text as one', async () => {
    const { keyboard, pressed } = keyboardWith([{ level: 'entry', keys: { enter: undefined }, text: true }]);
    keyboard.feed('/srv/my images\r', noKey);
    await settled(pressed, 2);
    expect(pressed).toEqual(['text /srv/my images', 'entry enter']);
  });

  it('tells listeners only when something that is seen has changed', () => {
    const keyboard = new Keyboard();
    const layer = keyboard.add('screen');
    let told = 0;
    keyboard.subscribe(() => told++);
    const binding = (label: string): KeyBinding => ({ key: 'a', label, run: () => undefined });
    keyboard.update(layer, [binding('add')], undefined);
    keyboard.update(layer, [binding('add')], undefined);
    expect(told).toBe(1);
    keyboard.update(layer, [binding('append')], undefined);
    expect(told).toBe(2);
  });
});

it.each([
  ['enter', 'Enter'],
  ['a', 'a'],
  ['ctrl+c', 'Ctrl+C'],
  ['pageup', 'PgUp'],
  ['/', '/'],
])('%s is shown as %s', (name, shown) => {
  expect(shownKey({ key: name, label: '', run: () => undefined })).toBe(shown);
});
