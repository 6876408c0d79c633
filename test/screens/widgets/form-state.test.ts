import { describe, expect, it } from 'vitest';
import {
  type FormAction,
  type FormField,
  firstDrawn,
  formOf,
  reduceForm,
  validate,
  valuesOf,
} from '../../../src/screens/widgets/form-state.ts';

const fields: FormField[] = [
  { key: 'name', label: 'Name', kind: 'text', required: true },
  { key: 'port', label: 'Port', kind: 'number', value: '443' },
  { key: 'follow', label: 'Follow', kind: 'boolean' },
  {
    key: 'tls',
    label: 'Certificate',
    kind: 'choice',
    choices: ['verify', 'pin', 'any'].map((value) => ({ value, label: value })),
  },
];
const insert = (text: string): FormAction => ({ type: 'edit', edit: { type: 'insert', text } });
const edit = (type: 'left' | 'right' | 'end' | 'backspace'): FormAction => ({ type: 'edit', edit: { type } });
const next: FormAction = { type: 'focus', step: 1 };
const formAfter = (actions: readonly FormAction[]) =>
  actions.reduce((state, action) => reduceForm(state, action, fields), formOf(fields));

describe('a form', () => {
  it.each([
    ['starts with its defaults', [], { name: '', port: '443', follow: 'no', tls: 'verify' }],
    ['takes text', [insert('lab'), insert(' 1')], { name: 'lab 1' }],
    ['takes no control character', [insert('a\u001b\nb')], { name: 'ab' }],
    ['edits the focused field', [next, edit('backspace'), insert('4')], { port: '444' }],
    ['turns a boolean', [next, next, insert(' ')], { follow: 'yes' }],
    ['turns a choice', [next, next, next, edit('right')], { tls: 'pin' }],
    ['turns a choice around', [next, next, next, edit('left')], { tls: 'any' }],
    ['finds a choice by its letter', [next, next, next, insert('a')], { tls: 'any' }],
    ['goes around', [next, next, next, next, insert('x')], { name: 'x' }],
  ] as const)('%s', (_, actions, expected) => {
    expect(valuesOf(formAfter(actions))).toMatchObject(expected);
  });

  it('goes to the first field that is wrong, and takes the word back when it is right', () => {
    const sent = formAfter([next, insert('x'), { type: 'send' }]);
    expect(sent.focus).toBe(0);
    expect(sent.errors).toEqual({ name: 'Name is needed', port: 'a number is needed' });
    expect(reduceForm(sent, insert('lab'), fields).errors).toEqual({ port: 'a number is needed' });
  });

  it('asks a field for its own rule', () => {
    const own: FormField = {
      key: 'again',
      label: 'Again',
      kind: 'secret',
      validate: (value, values) => (value === values.name ? undefined : 'not the same'),
    };
    expect(validate([own], { name: 'a', again: 'b' })).toEqual({ again: 'not the same' });
    expect(validate([{ ...own, required: true }], { again: '' })).toEqual({ again: 'Again is needed' });
  });
});

it.each([
  [0, 10, 4, 0],
  [5, 10, 4, 3],
  [9, 10, 4, 6],
  [1, 3, 4, 0],
])('field %i of %i in %i lines: from %i', (focus, count, room, expected) => {
  expect(firstDrawn(focus, count, room)).toBe(expected);
});
