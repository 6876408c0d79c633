import { expect, it } from 'vitest';
import { quoteArgs } from '../../../src/io/ssh/quote-args.ts';

it('quotes every argument, so that none is anything but itself', () => {
  expect(quoteArgs(['ls', '-l', "it's", '', '$(reboot)'])).toBe(`'ls' '-l' 'it'\\''s' '' '$(reboot)'`);
});

it('refuses a NUL byte and an empty list', () => {
  expect(() => quoteArgs(['cat', 'a\0b'])).toThrow(/NUL/);
  expect(() => quoteArgs([])).toThrow(/without a name/);
});
